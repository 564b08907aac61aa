// The bytes of a web-download.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "formats/core/result.h"
#include "registry-core/ingest/byte_source.h"
#include "registry-core/web/web_reader.h"

namespace platter::registry {

// The object behind `url`, under options.rules; returns when the server has begun to answer. `cancelled` is asked now
// and then by the thread that reads. As WebReader::Open, and the source as WebReader::ReadSome.
Result<std::unique_ptr<ByteSource>> OpenWebSource(WebOptions options, const std::string& url,
                                                  std::function<bool()> cancelled);

}  // namespace platter::registry

// The bytes of a web-download.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "formats/core/result.h"
#include "registry-core/ingest/byte_source.h"
#include "registry-core/web/web_reader.h"

namespace platter::registry {

// How long a server may draw out a download: such as it sends is waited for `grace`, and for as long as it takes at
// `least_rate` (bytes a second; 0: any), beyond which it is given up. What the caller takes for itself does not count.
// Nor does a download last longer than `longest` (0: any), that included.
struct WebPace {
  std::uint64_t least_rate = 64 << 10;
  std::chrono::milliseconds grace{60'000};
  std::chrono::milliseconds longest = std::chrono::hours(24);
};

// The object behind `url`, under options.rules; returns when the server has begun to answer. `cancelled` is asked now
// and then by the thread that reads. As WebReader::Open, and the source as WebReader::ReadSome;
// kIo, too, for a server that is given up by `pace`.
Result<std::unique_ptr<ByteSource>> OpenWebSource(WebOptions options, const std::string& url,
                                                  std::function<bool()> cancelled, const WebPace& pace = {});

}  // namespace platter::registry

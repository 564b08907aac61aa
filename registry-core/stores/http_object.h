// What lies behind a URL, one state of it: read in order from wherever it is opened, or anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "registry-core/web/web_reader.h"

namespace platter::registry {

// Used by one thread at a time.
class HttpObject {
 public:
  HttpObject(WebOptions web, std::string_view url) : reader_(std::move(web)), url_(url) {}

  // As WebReader::Open. kUnsupported where the server does not say how large the object is; kIo where it is no longer
  // what an earlier Open saw. Where a redirect led once, the next Open begins: mirrors that take turns differ.
  Result<> Open(WebRange range);
  // Requires for all of these: Open has succeeded.
  std::uint64_t size() const noexcept { return *size_; }
  bool ranged() const noexcept { return reader_.ranged(); }
  // Where the next byte lies; empty where nothing is open.
  std::optional<std::uint64_t> position() const noexcept { return position_; }
  // At least one byte. kIo at the end of what was opened, too.
  Result<std::size_t> ReadSome(std::span<std::byte> out);

 private:
  WebReader reader_;
  const std::string url_;
  std::string last_url_;  // that answered; "" for none yet
  std::optional<std::uint64_t> size_;
  std::string version_;
  std::optional<std::uint64_t> position_;
};

// As positional bytes, for many threads, one after the other. As HttpObject::Open; kUnsupported also for what is not
// small and lies on a server without ranges.
Result<std::shared_ptr<Storage>> OpenHttpStorage(WebOptions web, std::string_view url);

}  // namespace platter::registry

// ByteSource: bytes that come when they are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/core/result.h"

namespace platter::registry {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Bytes of all of it, where that is known before the end.
  virtual std::optional<std::uint64_t> size() const = 0;
  // The bytes that follow: at least one, at most out.size(), which is not 0; 0 is the end. One thread at a time. kIo
  // where they cannot be had, fewer than size() included; kCancelled.
  virtual Result<std::size_t> ReadSome(std::span<std::byte> out) = 0;
};

}  // namespace platter::registry

// SHA-256 of bytes, files and guest disks, for comparing content without keeping it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "formats/core/chain.h"

namespace platter::test {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Add(std::span<const std::byte> bytes);
  void AddZeros(std::uint64_t count);
  // Lower-case hexadecimal. Ends the digest: nothing can be added afterwards.
  std::string Hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256OfBytes(std::span<const std::byte> bytes);
// Throws std::runtime_error when the file cannot be read.
std::string Sha256OfFile(const std::string& path);
// Of what the guest reads; "error: ..." with the reason when a read or a map fails.
std::string Sha256OfGuest(const Chain& chain);

}  // namespace platter::test

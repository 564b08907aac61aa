// The members of an archive, with all that is said of them, out of bytes that come front to back: the tar in a layer,
// while it is decompressed. What the index (index.h) is to archives that lie in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/containers/tar/header.h"
#include "formats/containers/tar/index.h"
#include "formats/containers/tar/names.h"
#include "formats/containers/tar/pax.h"
#include "formats/core/result.h"

namespace platter::tar {

struct Attributes {
  std::uint32_t mode = 0;  // 07777 at most
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::int64_t modified = 0;      // Unix time, seconds
  std::uint32_t nanoseconds = 0;  // on top of them, below 1e9
  bool block_device = false;      // of MemberType::kDevice: a block device, not a character device
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::vector<std::pair<std::string, std::string>> extended = {};  // extended attributes: name, value; each name once
};

struct FullMember {
  Member member;  // `header` and `offset` count from the archive's first byte
  Attributes attributes;
};

// Holds one header and the text that belongs to it. One thread.
class Scanner {
 public:
  // Called for each member before its content comes by; its error ends the scan.
  using Visit = std::function<Result<>(const FullMember&)>;
  explicit Scanner(Visit visit) : visit_(std::move(visit)) {}

  // The bytes that follow. kCorrupt for a header that makes no sense, for a number that is none, and where more follows
  // a lone block of zeros; kUnsupported for a sparse file, and for what programs take for different things; kLimit for
  // text of more than kMostExtended; what `visit` says. What follows the archive's end is passed over.
  Result<> Take(std::span<const std::byte> bytes);
  // The archive's end has come by.
  bool ended() const noexcept { return zero_blocks_ >= 2; }
  // There are no more. kCorrupt within a member.
  Result<> Finish() const;

 private:
  Result<> TakeBlock();
  Result<> TakeExtended(const Header& header);
  Result<> TakeText();
  Result<> TakeMember(const Header& header);
  Result<> ApplyPax(const PaxRecords& pax, FullMember& full) const;

  Visit visit_;
  Block block_{};
  std::size_t filled_ = 0;       // of block_
  std::uint64_t at_ = 0;         // bytes of the archive so far
  std::uint64_t header_at_ = 0;  // of the header that was read last
  std::uint64_t skip_ = 0;       // bytes to pass over
  std::string text_;             // of an extended header, as far as it is here
  std::uint64_t text_left_ = 0;  // bytes of it that are still to come
  char text_type_ = 0;
  int zero_blocks_ = 0;
  PaxRecords global_;
  Announced announced_;
};

// What a header says of owner, mode, time and device. kCorrupt for what is no number, kLimit for an owner of more than
// 32 bits.
Result<Attributes> ParseAttributes(std::span<const std::byte, kBlock> block, std::uint64_t offset);

}  // namespace platter::tar

// The index of a tar archive: its members lie in the archive, in order, and do not overlap.
#include <algorithm>
#include <span>
#include <vector>

#include "formats/containers/tar/header.h"
#include "formats/containers/tar/index.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

constexpr int kMostMended = 64;

// The host byte of a header whose checksum is wrong, where that is what ended the reading.
std::optional<std::uint64_t> Read(SparseStorage& archive) {
  tar::Index index;
  const auto done = ReadIndex(archive, SmallLimits(), index);
  std::uint64_t at = 0;
  for (const tar::Member& member : index.members) {
    Promise(member.header >= at && member.offset > member.header, "a member's content follows its header");
    at = member.offset;
    if (&member == &index.members.back() && !done.ok()) break;
    Promise(member.size <= archive.size() - member.offset, "a member lies in the archive");
    at += member.size;
  }
  for (const Finding& finding : index.findings) Promise(!finding.message.empty(), "a finding says what it is");
  if (done.ok()) return std::nullopt;
  Told(done.error());
  if (done.error().field() != tar::kChecksum.name || !done.error().host_offset()) return std::nullopt;
  return *done.error().host_offset() - tar::kChecksum.offset;
}

void Mend(SparseStorage& archive, std::uint64_t at) {
  tar::Block block{};
  Promise(archive.ReadAt(at, block).ok(), "a header can be read again");
  const auto field = std::span(block).subspan(tar::kChecksum.offset, tar::kChecksum.length);
  std::ranges::fill(field, std::byte{' '});
  unsigned sum = 0;
  for (const std::byte byte : block) sum += std::to_integer<unsigned>(byte);
  for (std::size_t digit = 6; digit > 0; --digit, sum /= 8) field[digit - 1] = static_cast<std::byte>('0' + sum % 8);
  Promise(archive.WriteAt(at, block).ok(), "a header can be mended");
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto archive = SparseStorage::FromInput(input);
  if (archive->size() < tar::kBlock) return;
  tar::Block first{};
  Promise(archive->ReadAt(0, first).ok(), "the input can be read");
  if (!tar::ChecksumFits(first)) Mend(*archive, 0);
  for (int mended = 0; mended < kMostMended; ++mended) {
    const auto wrong = Read(*archive);
    if (!wrong) return;
    Mend(*archive, *wrong);
  }
}

}  // namespace platter::fuzz

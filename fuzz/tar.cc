// The index of a tar archive: its members lie in the archive, in order, and do not overlap.
#include <span>
#include <vector>

#include "formats/containers/tar/index.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

void Read(SparseStorage& archive) {
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
  if (!done.ok()) Told(done.error());
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto archive = SparseStorage::FromInput(input);
  Read(*archive);
  if (MendTar(*archive)) Read(*archive);
}

}  // namespace platter::fuzz

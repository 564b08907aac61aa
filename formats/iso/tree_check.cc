#include "formats/iso/tree_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/iso/rock_ridge.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

constexpr std::size_t kDirectoryBytes = 64;  // what a directory takes in the lists

}  // namespace

Result<> TreeCheck::Run() {
  name_ = susp_ != nullptr                                       ? "primary tree with Rock Ridge"
          : descriptor_.kind == VolumeDescriptor::Kind::kPrimary ? "primary tree"
          : descriptor_.kind == VolumeDescriptor::Kind::kJoliet  ? "Joliet tree"
                                                                 : "supplementary tree";
  const DirectoryRecord& root = descriptor_.root;
  PLATTER_CHECK(Enter({root.extent, root.extent, root.data_length, root.extended_attribute_blocks}));
  while (!pending_.empty()) {
    const Directory next = pending_.back();
    pending_.pop_back();
    PLATTER_CHECK(CheckDirectory(next));
  }
  CheckMoved();
  return CheckPathTables();
}

// What the volume says wrongly is a finding; what keeps the check from looking is an error.
Result<> TreeCheck::Pass(Error error) {
  if (error.kind() != ErrorKind::kCorrupt) return error;
  Report(error.Describe());
  return Done{};
}

Result<> TreeCheck::Enter(Directory directory) {
  if (!directories_.insert(directory.extent).second) {
    Report(fmt::format("the directory in block {} stands in the tree more than once", directory.extent));
    return Done{};
  }
  PLATTER_CHECK(Allow());
  pending_.push_back(directory);
  return Done{};
}

Result<> TreeCheck::Allow() {
  const std::size_t count = directories_.size() + pending_.size() + moved_.size();
  if (count * kDirectoryBytes <= limits_.metadata_bytes) return Done{};
  return Error(ErrorKind::kLimit, "the volume has too many directories to check").In(storage_.name());
}

Result<> TreeCheck::CheckDirectory(const Directory& directory) {
  const std::uint64_t start = (std::uint64_t{directory.extent} + directory.attribute_blocks) * descriptor_.block_size;
  DirectoryReader reader(storage_, start, directory.length);
  for (std::size_t index = 0;; ++index) {
    auto record = reader.Next();
    if (!record.ok()) return Pass(std::move(record).error());
    if (!record.value()) {
      if (index < 2) Report(fmt::format("the directory in block {} has no entries for itself", directory.extent));
      return Done{};
    }
    PLATTER_CHECK(CheckRecord(*record.value(), directory, index));
  }
}

Result<> TreeCheck::CheckRecord(const DirectoryRecord& record, const Directory& directory, std::size_t index) {
  if (record.endians_disagree) {
    Report(fmt::format("directory record at offset {:#x}: extent {} and length {} little-endian, {} and {} big-endian",
                       record.host_offset, record.extent, record.data_length, record.big_extent,
                       record.big_data_length));
  }
  if (record.sequence_number != record.big_sequence_number) {
    Report(fmt::format("directory record at offset {:#x}: volume sequence number {} little-endian, {} big-endian",
                       record.host_offset, record.sequence_number, record.big_sequence_number));
  }
  PLATTER_CHECK(CheckRockRidge(record));
  if (index < 2) {
    CheckOwnRecord(record, directory, index == 0);
    return Done{};
  }
  if (record.self() || record.parent()) {
    Report(fmt::format("directory record at offset {:#x}: an entry for the directory itself in the middle of it",
                       record.host_offset));
    return Done{};
  }
  PLATTER_CHECK(CheckExtent(record));
  if (!record.directory()) return Done{};
  return Enter({record.extent, directory.extent, record.data_length, record.extended_attribute_blocks});
}

void TreeCheck::CheckOwnRecord(const DirectoryRecord& record, const Directory& directory, bool self) {
  const bool named = self ? record.self() : record.parent();
  const std::uint32_t expected = self ? directory.extent : directory.parent;
  if (!named || !record.directory()) {
    Report(fmt::format("directory record at offset {:#x}: not the entry for the {} that belongs there",
                       record.host_offset, self ? "directory itself" : "parent directory"));
    return;
  }
  if (record.extent != expected) {
    const auto text = fmt::format("directory record at offset {:#x}: the {} is in block {}, not {}", record.host_offset,
                                  self ? "directory itself" : "parent directory", expected, record.extent);
    // libisofs (and so xorriso) writes every Joliet directory as its own parent, and those of the enhanced tree below
    // the primary one's; genisoimage leaves those that it moved below their old parents. Nobody minds: readers keep the
    // way by which they came.
    const bool usual = descriptor_.kind == VolumeDescriptor::Kind::kJoliet && record.extent == directory.extent;
    if (self) {
      Report(text);
    } else if (!usual) {
      log_.Warn(name_ + ": " + text);
    }
  }
  if (self && record.data_length != directory.length) {
    Report(fmt::format("directory record at offset {:#x}: the directory has {} bytes, not {}", record.host_offset,
                       directory.length, record.data_length));
  }
}

Result<> TreeCheck::CheckExtent(const DirectoryRecord& record) {
  if (record.data_length == 0) return Done{};
  const std::uint64_t start =
      (std::uint64_t{record.extent} + record.extended_attribute_blocks) * descriptor_.block_size;
  const std::uint64_t volume = std::uint64_t{descriptor_.space_size} * descriptor_.block_size;
  // Boot images in appended partitions lie behind the volume, in the file all the same.
  const std::uint64_t limit = std::max(volume, storage_.size());
  if (!FitsWithin(start, record.data_length, limit) || !FitsWithin(start, record.data_length, storage_.size())) {
    Report(fmt::format("directory record at offset {:#x}: {} bytes from {} reach past the end of the {} at {}",
                       record.host_offset, record.data_length, start,
                       FitsWithin(start, record.data_length, limit) ? "file" : "volume",
                       FitsWithin(start, record.data_length, limit) ? storage_.size() : limit));
    return Done{};
  }
  return extents_.Add(start, record.data_length);
}

Result<> TreeCheck::CheckRockRidge(const DirectoryRecord& record) {
  if (susp_ == nullptr) return Done{};
  auto parsed = ReadRockRidge(storage_, descriptor_.block_size, *susp_, record);
  if (!parsed.ok()) return std::move(parsed).error();
  if (!parsed.value().damage.empty()) Report(parsed.value().damage);
  if (!parsed.value().disagreement.empty()) {
    Report(fmt::format("directory record at offset {:#x}: {}", record.host_offset, parsed.value().disagreement));
  }
  if (!parsed.value().child_link) return Done{};
  PLATTER_CHECK(Allow());
  moved_.push_back({record.host_offset, *parsed.value().child_link});
  return Done{};
}

void TreeCheck::CheckMoved() {
  for (const Moved& moved : moved_) {
    if (directories_.contains(moved.extent)) continue;
    Report(fmt::format("directory record at offset {:#x}: CL, field block: {}, where no directory is",
                       moved.host_offset, moved.extent));
  }
}

Result<> TreeCheck::CheckPathTables() {
  auto little = ReadPathTable(descriptor_.l_path_table);
  if (!little.ok()) return Pass(std::move(little).error());
  auto big = ReadPathTable(descriptor_.m_path_table);
  if (!big.ok()) return Pass(std::move(big).error());
  ComparePathTables(little.value(), big.value());
  return Done{};
}

Result<std::vector<std::byte>> TreeCheck::ReadPathTable(std::uint32_t block) {
  const std::uint64_t start = std::uint64_t{block} * descriptor_.block_size;
  if (descriptor_.path_table_size > limits_.metadata_bytes) {
    return Error(ErrorKind::kLimit, "the path table is too large")
        .In(storage_.name())
        .Found(descriptor_.path_table_size);
  }
  if (!FitsWithin(start, descriptor_.path_table_size, storage_.size())) {
    return Error(ErrorKind::kCorrupt, "a path table lies outside the file")
        .At("volume descriptor", "path table", descriptor_.host_offset)
        .Found(fmt::format("{} bytes from {}", descriptor_.path_table_size, start))
        .Allowed(fmt::format("below {}", storage_.size()));
  }
  std::vector<std::byte> bytes(descriptor_.path_table_size);
  PLATTER_CHECK(storage_.ReadAt(start, bytes));
  return bytes;
}

std::optional<TreeCheck::PathRecord> TreeCheck::TakePathRecord(std::span<const std::byte>& rest, bool big) {
  using Layout = PathTableRecordLayout;
  const std::size_t name = rest.empty() ? 0 : std::to_integer<std::size_t>(rest[Layout::kNameLength]);
  const std::size_t length = Layout::kSize + name + name % 2;
  if (name == 0 || rest.size() < Layout::kSize + name) {
    Report(fmt::format("path table: a record does not fit, {} bytes from the end", rest.size()));
    return std::nullopt;
  }
  PathRecord record;
  record.name = AsText(rest.subspan(Layout::kSize, name));
  const std::byte* bytes = rest.data();
  record.extent = big ? LoadBe<std::uint32_t>(bytes + Layout::kExtent) : LoadLe<std::uint32_t>(bytes + Layout::kExtent);
  record.parent = big ? LoadBe<std::uint16_t>(bytes + Layout::kParent) : LoadLe<std::uint16_t>(bytes + Layout::kParent);
  rest = rest.subspan(std::min(length, rest.size()));
  return record;
}

void TreeCheck::ComparePathTables(std::span<const std::byte> little, std::span<const std::byte> big) {
  std::size_t count = 0;
  for (; !little.empty() && !big.empty(); ++count) {
    const auto one = TakePathRecord(little, false);
    const auto other = TakePathRecord(big, true);
    if (!one || !other) return;
    if (one->name != other->name || one->extent != other->extent || one->parent != other->parent) {
      Report(
          fmt::format("path tables: record {} is block {} of parent {} little-endian, block {} of parent {} big-endian",
                      count + 1, one->extent, one->parent, other->extent, other->parent));
    }
    if (!directories_.contains(one->extent)) {
      Report(fmt::format("path table: record {} names block {}, where no directory is", count + 1, one->extent));
    }
    if (one->parent == 0 || one->parent > count + 1) {
      Report(fmt::format("path table: record {} has the parent {}, which does not come before it", count + 1,
                         one->parent));
    }
  }
  if (count != directories_.size()) {
    Report(fmt::format("path table: {} records for {} directories", count, directories_.size()));
  }
}

}  // namespace platter::iso

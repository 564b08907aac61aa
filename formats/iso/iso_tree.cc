#include "formats/iso/iso_tree.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/iso/pieces.h"
#include "formats/iso/text.h"
#include "formats/iso/zisofs.h"

namespace platter::iso {
namespace {

constexpr std::uint32_t kFileMode = 0444;
constexpr std::uint32_t kDirectoryMode = 0555;
constexpr std::uint32_t kPermissionBits = 07777;
constexpr std::size_t kMostExtents = 65536;  // of one file
constexpr std::size_t kLongestRecord = 255;

FileKind KindOf(std::uint32_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileKind::kDirectory;
    case S_IFLNK:
      return FileKind::kSymbolicLink;
    case S_IFBLK:
      return FileKind::kBlockDevice;
    case S_IFCHR:
      return FileKind::kCharacterDevice;
    case S_IFIFO:
      return FileKind::kPipe;
    case S_IFSOCK:
      return FileKind::kSocket;
    default:
      return FileKind::kRegular;
  }
}

// "README.;1" is README.
std::string WithoutVersion(std::string name, bool strip_dot) {
  const std::size_t semicolon = name.rfind(';');
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (semicolon != std::string::npos && semicolon > 0 && semicolon + 1 < name.size() &&
      std::all_of(name.begin() + static_cast<std::ptrdiff_t>(semicolon) + 1, name.end(), digit)) {
    name.resize(semicolon);
  }
  if (strip_dot && name.size() > 1 && name.back() == '.') name.pop_back();
  return name;
}

}  // namespace

IsoTree::IsoTree(std::shared_ptr<Storage> storage, VolumeDescriptor descriptor, std::optional<SuspHeader> susp)
    : storage_(std::move(storage)), descriptor_(std::move(descriptor)), susp_(std::move(susp)) {}

std::string_view IsoTree::kind() const noexcept {
  if (susp_) return "rock-ridge";
  switch (descriptor_.kind) {
    case VolumeDescriptor::Kind::kJoliet:
      return "joliet";
    case VolumeDescriptor::Kind::kEnhanced:
      return "iso9660-1999";
    default:
      return "iso9660";
  }
}

std::uint64_t IsoTree::DataStart(const DirectoryRecord& record) const noexcept {
  return (std::uint64_t{record.extent} + record.extended_attribute_blocks) * descriptor_.block_size;
}

Result<DirectoryRecord> IsoTree::ReadRecord(std::uint64_t host_offset) {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(kLongestRecord, kSectorSize - host_offset % kSectorSize));
  if (!FitsWithin(host_offset, bytes.size(), storage_->size())) {
    return Error(ErrorKind::kCorrupt, "a directory lies outside the file")
        .In(storage_->name())
        .At("directory record", "extent", host_offset)
        .Found(host_offset)
        .Allowed(fmt::format("below {}", storage_->size()));
  }
  PLATTER_CHECK(storage_->ReadAt(host_offset, bytes));
  auto record = ParseDirectoryRecord(bytes, host_offset);
  if (!record.ok()) return std::move(record).error().In(storage_->name());
  return std::move(record).value();
}

std::string IsoTree::NameOf(const DirectoryRecord& record) const {
  switch (descriptor_.kind) {
    case VolumeDescriptor::Kind::kJoliet:
      return WithoutVersion(Utf16BeToUtf8(std::as_bytes(std::span(record.name))), false);
    case VolumeDescriptor::Kind::kEnhanced:
      return WithoutVersion(record.name, false);
    default:
      return WithoutVersion(record.name, !record.directory());
  }
}

Result<TreeEntry> IsoTree::Root() {
  TreeEntry entry;
  entry.node = descriptor_.root.host_offset;
  entry.inode = descriptor_.root.extent;
  entry.kind = FileKind::kDirectory;
  entry.mode = kDirectoryMode;
  entry.modified = descriptor_.root.modified;
  if (!susp_) return entry;
  // The root's attributes stand in its own "." record.
  const DirectoryRecord self = PLATTER_TRY(ReadRecord(DataStart(descriptor_.root)));
  bool listed = true;
  PLATTER_CHECK(ApplyRockRidge(self, entry, listed));
  entry.name.clear();
  entry.kind = FileKind::kDirectory;
  return entry;
}

Result<DirectoryRecord> IsoTree::RecordOf(const TreeEntry& entry) {
  if (entry.node == descriptor_.root.host_offset) return descriptor_.root;
  return ReadRecord(entry.node);
}

Result<std::optional<TreeEntry>> IsoTree::EntryOf(const DirectoryRecord& record) {
  if (record.self() || record.parent() || (record.flags & kFlagAssociated) != 0) return std::optional<TreeEntry>();
  TreeEntry entry;
  entry.node = record.host_offset;
  entry.inode = record.data_length == 0 ? record.host_offset : record.extent;
  entry.kind = record.directory() ? FileKind::kDirectory : FileKind::kRegular;
  entry.mode = record.directory() ? kDirectoryMode : kFileMode;
  entry.size = record.directory() ? 0 : record.data_length;
  entry.modified = record.modified;
  bool listed = true;
  if (susp_) PLATTER_CHECK(ApplyRockRidge(record, entry, listed));
  if (!listed) return std::optional<TreeEntry>();
  if (entry.name.empty()) entry.name = NameOf(record);
  return std::optional<TreeEntry>(std::move(entry));
}

Result<> IsoTree::ApplyRockRidge(const DirectoryRecord& record, TreeEntry& entry, bool& listed) {
  RockRidge extra = PLATTER_TRY(ReadRockRidge(*storage_, descriptor_.block_size, *susp_, record));
  listed = !extra.relocated;
  entry.damage = std::move(extra.damage);
  if (extra.name) entry.name = std::move(*extra.name);
  if (extra.mode) {
    entry.mode = *extra.mode & kPermissionBits;
    // A directory is what its record says: its content is read as one.
    if (entry.kind != FileKind::kDirectory && KindOf(*extra.mode) != FileKind::kDirectory) {
      entry.kind = KindOf(*extra.mode);
    }
    entry.user = extra.user;
    entry.group = extra.group;
    entry.links = extra.links;
  }
  if (extra.modified) entry.modified = *extra.modified;
  if (extra.target && entry.kind != FileKind::kDirectory) {
    entry.kind = FileKind::kSymbolicLink;
    entry.target = std::move(*extra.target);
  }
  if (entry.kind != FileKind::kRegular) entry.size = 0;
  if (extra.zisofs && entry.kind == FileKind::kRegular) entry.size = extra.zisofs->size;
  if (extra.child_link && !record.self()) return ApplyMove(*extra.child_link, entry);
  return Done{};
}

// Where the link leads nowhere the entry stays, with that for its damage.
Result<> IsoTree::ApplyMove(std::uint32_t block, TreeEntry& entry) {
  auto moved = MoveDirectory(block, entry);
  if (moved.ok() || moved.error().kind() != ErrorKind::kCorrupt) return moved;
  entry.damage = moved.error().Describe();
  return Done{};
}

Result<> IsoTree::MoveDirectory(std::uint32_t block, TreeEntry& entry) {
  const std::uint64_t offset = std::uint64_t{block} * descriptor_.block_size;
  const DirectoryRecord self = PLATTER_TRY(ReadRecord(offset));
  if (!self.directory() || self.extent != block) {
    return Error(ErrorKind::kCorrupt, "a moved directory is not where its link says")
        .In(storage_->name())
        .At("system use area", "CL", entry.node)
        .Found(block)
        .Allowed("the first block of a directory");
  }
  entry.node = offset;
  entry.inode = block;
  entry.kind = FileKind::kDirectory;
  entry.size = 0;
  return Done{};
}

Result<> IsoTree::List(const TreeEntry& directory, const Visit& visit) {
  if (directory.kind != FileKind::kDirectory) return Error(ErrorKind::kInvalid, "not a directory");
  const DirectoryRecord record = PLATTER_TRY(RecordOf(directory));
  DirectoryReader reader(*storage_, DataStart(record), record.data_length);
  std::optional<TreeEntry> growing;  // a file whose further extents come next
  bool skipping = false;             // the same of one that is not listed
  std::optional<Error> damage;       // the first
  while (true) {
    auto read = reader.Next();
    if (!read.ok() && read.error().kind() == ErrorKind::kCorrupt && reader.PassDamage()) {
      if (!damage) damage = std::move(read).error();
      growing.reset();
      skipping = false;
      continue;
    }
    const auto next = PLATTER_TRY(std::move(read));
    if (!next) break;
    if (growing) {
      growing->size += next->data_length;
    } else if (!skipping) {
      growing = PLATTER_TRY(EntryOf(*next));
    }
    skipping = !growing && next->more_extents();
    if (next->more_extents() || !growing) continue;
    if (!PLATTER_TRY(visit(*growing))) return Done{};
    growing.reset();
  }
  if (damage) return std::move(*damage);
  if (!growing) return Done{};
  return Error(ErrorKind::kCorrupt, "a file's last extent is missing")
      .In(storage_->name())
      .At("directory record", "flags", growing->node);
}

// What its entries do not say for certain is not guessed: compressed bytes are not the file's.
Result<std::optional<Zisofs>> IsoTree::ZisofsOf(const DirectoryRecord& record) {
  RockRidge extra = PLATTER_TRY(ReadRockRidge(*storage_, descriptor_.block_size, *susp_, record));
  if (extra.cut || extra.zisofs_damaged) return Error(ErrorKind::kCorrupt, extra.damage).In(storage_->name());
  if (!extra.child_link) return std::move(extra.zisofs);
  return Error(ErrorKind::kCorrupt, "a directory that was moved, to where none is").In(storage_->name());
}

Result<std::shared_ptr<Storage>> IsoTree::OpenFile(const TreeEntry& file) {
  if (file.kind != FileKind::kRegular) return Error(ErrorKind::kInvalid, "not a regular file");
  auto content = std::make_shared<PiecesStorage>(file.name, storage_);
  std::optional<Zisofs> zisofs;
  // Where the directory ends is not known here; the records of one file follow each other without a gap.
  DirectoryReader reader(*storage_, file.node, storage_->size() - std::min(file.node, storage_->size()));
  for (std::size_t count = 0;; ++count) {
    const auto record = PLATTER_TRY(reader.Next());
    if (!record || count >= kMostExtents) {
      return Error(ErrorKind::kCorrupt, "a file's last extent is missing")
          .In(storage_->name())
          .At("directory record", "flags", file.node);
    }
    if (record->unit_size != 0 || record->gap_size != 0) {
      return Error(ErrorKind::kUnsupported, "files stored interleaved are not supported")
          .In(storage_->name())
          .At("directory record", "file_unit_size", record->host_offset + 26)
          .Found(record->unit_size)
          .Allowed("0");
    }
    if (count == 0 && susp_) zisofs = PLATTER_TRY(ZisofsOf(*record));
    content->Add({record->data_length, DataStart(*record)});
    if (!record->more_extents()) break;
  }
  if (zisofs) return OpenZisofs(std::move(content), *zisofs);
  return std::shared_ptr<Storage>(std::move(content));
}

}  // namespace platter::iso

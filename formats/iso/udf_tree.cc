#include "formats/iso/udf_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "formats/core/checked.h"
#include "formats/core/memory_storage.h"
#include "formats/iso/text.h"
#include "formats/iso/udf_extents.h"

namespace platter::iso {
namespace {

using udf::IcbFileType;
using udf::TagId;

constexpr std::uint64_t kLongestTarget = 4096;  // bytes of path components
constexpr std::size_t kWindow = 16384;          // of a directory, bytes held at a time
constexpr std::size_t kMostDamaged = 64;        // identifiers of a directory, that are passed over

std::uint64_t NodeOf(UdfAddress address) noexcept { return std::uint64_t{address.partition} << 32 | address.block; }
UdfAddress AddressOf(std::uint64_t node) noexcept {
  return {static_cast<std::uint32_t>(node), static_cast<std::uint16_t>(node >> 32)};
}

// The fields of both kinds of file entry.
struct FileEntry {
  std::uint16_t strategy = 0;
  IcbFileType type = IcbFileType::kRegular;
  udf::AllocationForm form = udf::AllocationForm::kShort;
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t permissions = 0;
  std::uint16_t links = 1;
  std::uint64_t size = 0;
  std::int64_t modified = 0;
  std::size_t descriptors = 0;         // offset of the allocation descriptors
  std::size_t descriptors_length = 0;  // bytes
};

// 1/7.3: type and zone in minutes, year, month, day, hour, minute, second.
std::int64_t Timestamp(const std::byte* bytes) {
  const auto zone = LoadLe<std::uint16_t>(bytes);
  const auto year = static_cast<std::int16_t>(LoadLe<std::uint16_t>(bytes + 2));
  const auto number = [bytes](std::size_t at) { return std::to_integer<int>(bytes[at]); };
  int minutes = zone & 0x0FFF;
  if ((minutes & 0x0800) != 0) minutes -= 0x1000;
  const bool local = zone >> 12 == 1 && minutes != -2047;  // -2047: not given
  return UnixTime(year, std::clamp(number(4), 1, 12), number(5), number(6), number(7), number(8), local ? minutes : 0);
}

// 4/14.9.5: five bits for others, the group and the owner; the low three are execute, write, read.
std::uint32_t ModeOf(std::uint32_t permissions) {
  std::uint32_t mode = 0;
  for (const unsigned who : {0U, 1U, 2U}) mode |= (permissions >> (5 * who) & 7U) << (3 * who);
  return mode;
}

FileKind KindOf(IcbFileType type) {
  switch (type) {
    case IcbFileType::kDirectory:
      return FileKind::kDirectory;
    case IcbFileType::kBlockDevice:
      return FileKind::kBlockDevice;
    case IcbFileType::kCharacterDevice:
      return FileKind::kCharacterDevice;
    case IcbFileType::kPipe:
      return FileKind::kPipe;
    case IcbFileType::kSocket:
      return FileKind::kSocket;
    case IcbFileType::kSymbolicLink:
      return FileKind::kSymbolicLink;
    default:
      return FileKind::kRegular;
  }
}

Error Corrupt(std::string what, const char* structure, const char* field) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At(structure, field);
}

Result<FileEntry> ParseFileEntry(std::span<const std::byte> bytes) {
  using Layout = udf::FileEntryLayout;
  using Extended = udf::ExtendedFileEntryLayout;
  const RecordView<Layout> view(bytes.first<Layout::kSize>());
  const RecordView<Extended> extended(bytes.first<Extended::kSize>());
  const bool is_extended =
      udf::TagLayout::kId.Decode(bytes.data()) == static_cast<std::uint16_t>(TagId::kExtendedFileEntry);
  FileEntry entry;
  entry.strategy = view.Get<Layout::kStrategy>();
  entry.type = static_cast<IcbFileType>(view.Get<Layout::kFileType>());
  entry.form = static_cast<udf::AllocationForm>(view.Get<Layout::kIcbFlags>() & 7U);
  const auto owner = [](std::uint32_t id) { return id == udf::kNoOwner ? 0 : id; };
  entry.user = owner(view.Get<Layout::kUser>());
  entry.group = owner(view.Get<Layout::kGroup>());
  entry.permissions = view.Get<Layout::kPermissions>();
  entry.links = view.Get<Layout::kLinks>();
  entry.size = view.Get<Layout::kSize64>();
  entry.modified = Timestamp(bytes.data() + (is_extended ? Extended::kModified : Layout::kModified));
  const std::size_t fixed = is_extended ? Extended::kSize : Layout::kSize;
  const std::uint64_t attributes =
      is_extended ? extended.Get<Extended::kExtendedAttributesLength>() : view.Get<Layout::kExtendedAttributesLength>();
  const std::uint64_t length =
      is_extended ? extended.Get<Extended::kAllocationLength>() : view.Get<Layout::kAllocationLength>();
  if (!FitsWithin(fixed + attributes, length, bytes.size())) {
    return Corrupt("a file entry's parts reach past its block", "UDF file entry", "allocation_descriptors_length")
        .Found(length)
        .Allowed(fmt::format("within {} bytes", bytes.size()));
  }
  entry.descriptors = fixed + attributes;
  entry.descriptors_length = length;
  if (entry.strategy != udf::kStrategyDirect) {
    return Error(ErrorKind::kUnsupported, "a file entry strategy that is not supported")
        .At("UDF file entry", "strategy_type")
        .Found(entry.strategy)
        .Allowed("4");
  }
  if (entry.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return Corrupt("a file's size cannot be", "UDF file entry", "information_length").Found(entry.size);
  }
  return entry;
}

// File identifiers one after another, out of a directory's content.
class IdentifierReader {
 public:
  explicit IdentifierReader(Storage& content) : content_(content) {}

  struct Identifier {
    std::uint8_t characteristics = 0;
    UdfAddress icb;
    std::string name;
  };

  // Empty at the end of the directory.
  Result<std::optional<Identifier>> Next() {
    using Layout = udf::FileIdentifierLayout;
    passed_ = false;
    if (at_ >= content_.size()) return std::optional<Identifier>();
    PLATTER_CHECK(Need(Layout::kSize));
    const RecordView<Layout> fixed(Rest().first<Layout::kSize>());
    const std::size_t use = fixed.Get<Layout::kImplementationUseLength>();
    const std::size_t name_length = fixed.Get<Layout::kNameLength>();
    const std::size_t length = AlignUp(Layout::kSize + use + name_length, std::size_t{4});
    if (length > kWindow) return Corrupt("an identifier is too long", "UDF file identifier", "length").Found(length);
    PLATTER_CHECK(Need(length));
    const auto bytes = Rest().first(length);
    const auto location = udf::TagLayout::kLocation.Decode(bytes.data());
    // The tag's own location is taken as it is: writers count it from the file's or from the directory's first block.
    const std::uint64_t start = std::exchange(at_, at_ + length);
    passed_ = true;
    PLATTER_CHECK(CheckUdfTag(bytes, TagId::kFileIdentifier, location, start));
    const std::byte* icb = bytes.data() + Layout::kIcb;
    Identifier identifier;
    identifier.characteristics = fixed.Get<Layout::kCharacteristics>();
    identifier.icb = {udf::LongAllocation::kBlock.Decode(icb), udf::LongAllocation::kPartition.Decode(icb)};
    identifier.name = CompressedUnicode(bytes.subspan(Layout::kSize + use, name_length));
    return std::optional<Identifier>(std::move(identifier));
  }

  // Whether the next one can be looked for behind one that is damaged.
  bool PassDamage() noexcept { return passed_ && ++damaged_ <= kMostDamaged; }

 private:
  std::span<const std::byte> Rest() const { return std::span(window_).subspan(at_ - window_start_); }

  // Makes the next `length` bytes of the directory stand in the window.
  Result<> Need(std::size_t length) {
    if (!FitsWithin(at_, length, content_.size())) {
      return Corrupt("an identifier is cut off by the end of its directory", "UDF file identifier", "length")
          .Found(length)
          .Allowed(fmt::format("up to {}", content_.size() - at_));
    }
    if (at_ >= window_start_ && FitsWithin(at_ - window_start_, length, window_.size())) return Done{};
    window_.resize(std::min<std::uint64_t>(kWindow, content_.size() - at_));
    window_start_ = at_;
    return content_.ReadAt(at_, window_);
  }

  Storage& content_;
  std::uint64_t at_ = 0;
  bool passed_ = false;  // the last one, whose length is known
  std::size_t damaged_ = 0;
  std::uint64_t window_start_ = 0;
  std::vector<std::byte> window_;
};

}  // namespace

UdfTree::UdfTree(std::shared_ptr<Storage> storage, UdfVolume volume)
    : storage_(std::move(storage)), volume_(std::move(volume)) {}

Result<std::vector<std::byte>> UdfTree::ReadFileEntry(std::uint64_t node) {
  const UdfAddress address = AddressOf(node);
  std::vector<std::byte> bytes(volume_.block_size);
  const std::uint64_t offset = PLATTER_TRY(volume_.HostOffset(address, bytes.size()));
  if (!FitsWithin(offset, bytes.size(), storage_->size())) {
    return Corrupt("a file entry lies outside the file", "UDF file entry", "location")
        .In(storage_->name())
        .Found(offset)
        .Allowed(fmt::format("below {}", storage_->size()));
  }
  PLATTER_CHECK(storage_->ReadAt(offset, bytes));
  const auto found = static_cast<TagId>(udf::TagLayout::kId.Decode(bytes.data()));
  const TagId expected = found == TagId::kExtendedFileEntry ? found : TagId::kFileEntry;
  auto tag = CheckUdfTag(bytes, expected, address.block, offset);
  if (!tag.ok()) return std::move(tag).error().In(storage_->name());
  return bytes;
}

Result<TreeEntry> UdfTree::EntryAt(UdfAddress address, std::string name) {
  const auto bytes = PLATTER_TRY(ReadFileEntry(NodeOf(address)));
  const FileEntry file = PLATTER_TRY(ParseFileEntry(bytes));
  TreeEntry entry;
  entry.name = std::move(name);
  entry.node = NodeOf(address);
  entry.inode = entry.node;
  entry.kind = KindOf(file.type);
  entry.size = entry.kind == FileKind::kRegular ? file.size : 0;
  entry.mode = ModeOf(file.permissions);
  entry.user = file.user;
  entry.group = file.group;
  entry.links = file.links;
  entry.modified = file.modified;
  if (entry.kind != FileKind::kSymbolicLink) return entry;
  auto target = LinkTarget(entry.node, entry.name);
  if (!target.ok() && target.error().kind() == ErrorKind::kIo) return std::move(target).error();
  if (target.ok()) {
    entry.target = std::move(target).value();
  } else {
    entry.damage = target.error().Describe();
  }
  return entry;
}

// An entry that leads nowhere is one all the same, and those behind it are in order.
Result<TreeEntry> UdfTree::ListedAt(UdfAddress address, std::string name, bool directory) {
  auto entry = EntryAt(address, name);
  if (entry.ok() || entry.error().kind() == ErrorKind::kIo) return entry;
  TreeEntry damaged;
  damaged.name = std::move(name);
  damaged.node = NodeOf(address);
  damaged.inode = damaged.node;
  damaged.kind = directory ? FileKind::kDirectory : FileKind::kRegular;
  damaged.damage = entry.error().Describe();
  return damaged;
}

Result<TreeEntry> UdfTree::Root() {
  TreeEntry root = PLATTER_TRY(EntryAt(volume_.root, ""));
  if (root.kind == FileKind::kDirectory) return root;
  return Corrupt("the root directory is none", "UDF file set descriptor", "root_directory_icb").In(storage_->name());
}

Result<std::shared_ptr<Storage>> UdfTree::Content(std::uint64_t node, const std::string& name) {
  const auto bytes = PLATTER_TRY(ReadFileEntry(node));
  const FileEntry file = PLATTER_TRY(ParseFileEntry(bytes));
  const auto descriptors = std::span<const std::byte>(bytes).subspan(file.descriptors, file.descriptors_length);
  if (file.form != udf::AllocationForm::kEmbedded) {
    const UdfContent content{descriptors, file.form, AddressOf(node).partition, file.size};
    return std::shared_ptr<Storage>(PLATTER_TRY(ReadUdfExtents(storage_, volume_, content, name)));
  }
  if (file.size > descriptors.size()) {
    return Corrupt("an embedded file is larger than its room", "UDF file entry", "information_length")
        .Found(file.size)
        .Allowed(fmt::format("up to {}", descriptors.size()));
  }
  const auto own = descriptors.first(file.size);
  return std::shared_ptr<Storage>(
      std::make_shared<MemoryStorage>(name, std::vector<std::byte>(own.begin(), own.end())));
}

// 4/14.16: components of type, name length, file version and name.
Result<std::string> UdfTree::LinkTarget(std::uint64_t node, const std::string& name) {
  const auto content = PLATTER_TRY(Content(node, name));
  if (content->size() > kLongestTarget) {
    return Corrupt("a symbolic link's target is too long", "UDF file entry", "information_length")
        .Found(content->size());
  }
  std::vector<std::byte> bytes(content->size());
  PLATTER_CHECK(content->ReadAt(0, bytes));
  std::string target;
  for (std::span<const std::byte> rest = bytes; rest.size() >= 4;) {
    const auto type = std::to_integer<unsigned>(rest[0]);
    const auto length = std::to_integer<std::size_t>(rest[1]);
    if (length > rest.size() - 4) return Corrupt("a path component does not fit", "UDF path component", "length");
    if (type == 1 || type == 2) {
      target = "/";
    } else {
      if (!target.empty() && target.back() != '/') target += '/';
      target += type == 3 ? ".." : type == 4 ? "." : CompressedUnicode(rest.subspan(4, length));
    }
    rest = rest.subspan(4 + length);
  }
  return target;
}

Result<> UdfTree::List(const TreeEntry& directory, const Visit& visit) {
  if (directory.kind != FileKind::kDirectory) return Error(ErrorKind::kInvalid, "not a directory");
  const auto content = PLATTER_TRY(Content(directory.node, directory.name));
  IdentifierReader reader(*content);
  std::optional<Error> damage;  // the first
  while (true) {
    auto read = reader.Next();
    if (!read.ok() && read.error().kind() == ErrorKind::kCorrupt && reader.PassDamage()) {
      if (!damage) damage = std::move(read).error();
      continue;
    }
    auto identifier = PLATTER_TRY(std::move(read));
    if (!identifier && damage) return std::move(*damage);
    if (!identifier) return Done{};
    if ((identifier->characteristics & (udf::kFileDeleted | udf::kFileParent)) != 0) continue;
    const bool is_directory = (identifier->characteristics & udf::kFileDirectory) != 0;
    const TreeEntry entry = PLATTER_TRY(ListedAt(identifier->icb, std::move(identifier->name), is_directory));
    if (!PLATTER_TRY(visit(entry))) return Done{};
  }
}

Result<std::shared_ptr<Storage>> UdfTree::OpenFile(const TreeEntry& file) {
  if (file.kind != FileKind::kRegular) return Error(ErrorKind::kInvalid, "not a regular file");
  return Content(file.node, file.name);
}

}  // namespace platter::iso

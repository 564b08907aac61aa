#include "formats/partition/gpt.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "formats/core/checked.h"
#include "formats/partition/guid.h"
#include "formats/partition/layout.h"

namespace platter::partition {
namespace {

using Header = RecordView<GptHeaderLayout>;
constexpr std::uint64_t kLegacyBootable = 4;  // attribute bit 2

std::uint32_t Crc32(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// An error about one field of the header at `host_offset`.
template <class T>
Error Bad(std::uint64_t host_offset, std::string_view field, std::size_t at, T found, std::string allowed) {
  return Error(ErrorKind::kCorrupt, "GUID partition table is damaged")
      .At("GPT header", std::string(field), host_offset + at)
      .Found(found)
      .Allowed(std::move(allowed));
}

class Reader {
 public:
  Reader(Storage& disk, std::uint64_t lba, std::uint32_t sector_size)
      : disk_(disk), lba_(lba), offset_(lba * sector_size), sector_size_(sector_size), sector_(sector_size) {}

  Result<GptCopy> Read() {
    PLATTER_CHECK(disk_.ReadPadded(offset_, sector_));
    PLATTER_CHECK(CheckIdentity());
    PLATTER_CHECK(CheckChecksum());
    PLATTER_CHECK(CheckUsable());
    PLATTER_CHECK(CheckEntriesPlace());
    const auto entries = PLATTER_TRY(ReadEntries());
    GptCopy copy;
    copy.alternate_lba = header().Get<GptHeaderLayout::kAlternateLba>();
    copy.last_usable = header().Get<GptHeaderLayout::kLastUsable>();
    copy.table.scheme = Scheme::kGpt;
    copy.table.sector_size = sector_size_;
    copy.table.id = GuidText(std::span(sector_).subspan<GptHeaderLayout::kDiskGuid, kGuidSize>());
    for (std::uint32_t index = 0; index < entry_count_; ++index) {
      AddEntry(std::span(entries).subspan(std::size_t{index} * entry_size_, GptEntryLayout::kSize), index, copy);
    }
    return copy;
  }

 private:
  Header header() const { return Header(std::span(sector_).first<GptHeaderLayout::kSize>()); }

  Result<> CheckIdentity() const {
    if (std::memcmp(sector_.data(), GptHeaderLayout::kSignatureText, 8) != 0) {
      return Bad(offset_, "signature", 0, fmt::format("{:#x}", header().Get<GptHeaderLayout::kSignature>()),
                 "\"EFI PART\"");
    }
    const auto revision = header().Get<GptHeaderLayout::kRevision>();
    if (revision != GptHeaderLayout::kRevisionValue) {
      return Bad(offset_, "revision", 8, fmt::format("{:#x}", revision), "0x10000");
    }
    const auto size = header().Get<GptHeaderLayout::kHeaderSize>();
    if (size < GptHeaderLayout::kSize || size > sector_size_) {
      return Bad(offset_, "header_size", 12, size, fmt::format("92 to {}", sector_size_));
    }
    return Done{};
  }

  Result<> CheckChecksum() const {
    std::vector<std::byte> bytes(sector_.begin(),
                                 sector_.begin() + std::ptrdiff_t{header().Get<GptHeaderLayout::kHeaderSize>()});
    StoreLe(bytes.data() + GptHeaderLayout::kHeaderCrc.offset, std::uint32_t{0});
    const auto stored = header().Get<GptHeaderLayout::kHeaderCrc>();
    if (const auto computed = Crc32(bytes); stored != computed) {
      return Bad(offset_, "header_crc32", 16, fmt::format("{:#x}", stored), fmt::format("{:#x}", computed));
    }
    if (const auto lba = header().Get<GptHeaderLayout::kMyLba>(); lba != lba_) {
      return Bad(offset_, "my_lba", 24, lba, std::to_string(lba_));
    }
    return Done{};
  }

  Result<> CheckUsable() const {
    const auto first = header().Get<GptHeaderLayout::kFirstUsable>();
    const auto last = header().Get<GptHeaderLayout::kLastUsable>();
    // An LBA whose bytes cannot be counted in 64 bits is no place on any disk.
    const std::uint64_t largest = (std::uint64_t{1} << 63) / sector_size_;
    if (last >= largest) return Bad(offset_, "last_usable_lba", 48, last, fmt::format("below {}", largest));
    // An empty table on a tiny disk has first = last + 1.
    if (first > last + 1) return Bad(offset_, "first_usable_lba", 40, first, fmt::format("0 to {}", last + 1));
    return Done{};
  }

  Result<> CheckEntriesPlace() {
    entry_count_ = header().Get<GptHeaderLayout::kEntryCount>();
    entry_size_ = header().Get<GptHeaderLayout::kEntrySize>();
    if (entry_size_ < GptEntryLayout::kSize || !std::has_single_bit(entry_size_)) {
      return Bad(offset_, "entry_size", 84, entry_size_, "128, 256, 512, ...");
    }
    const std::uint64_t bytes = std::uint64_t{entry_count_} * entry_size_;
    if (bytes > kMaxEntryBytes) {
      return Error(ErrorKind::kLimit, "GUID partition table is too large")
          .At("GPT header", "number_of_entries", offset_ + 80)
          .Found(entry_count_)
          .Allowed(fmt::format("0 to {}", kMaxEntryBytes / entry_size_));
    }
    const auto lba = header().Get<GptHeaderLayout::kEntriesLba>();
    const auto start = CheckedMultiply<std::uint64_t>(lba, sector_size_);
    if (lba < 2 || !start || !FitsWithin(*start, bytes, disk_.size())) {
      return Bad(offset_, "entries_lba", 72, lba, fmt::format("2 to {}", disk_.size() / sector_size_));
    }
    entries_offset_ = *start;
    return Done{};
  }

  Result<std::vector<std::byte>> ReadEntries() const {
    std::vector<std::byte> entries(std::size_t{entry_count_} * entry_size_);
    PLATTER_CHECK(disk_.ReadAt(entries_offset_, entries));
    const auto stored = header().Get<GptHeaderLayout::kEntriesCrc>();
    if (const auto computed = Crc32(entries); stored != computed) {
      return Bad(offset_, "entries_crc32", 88, fmt::format("{:#x}", stored), fmt::format("{:#x}", computed));
    }
    return entries;
  }

  static std::string Name(std::span<const std::byte> utf16);
  void AddEntry(std::span<const std::byte> bytes, std::uint32_t index, GptCopy& copy) const;

  Storage& disk_;
  std::uint64_t lba_;
  std::uint64_t offset_;  // host bytes
  std::uint32_t sector_size_;
  std::vector<std::byte> sector_;
  std::uint32_t entry_count_ = 0;
  std::uint32_t entry_size_ = 0;
  std::uint64_t entries_offset_ = 0;
};

void AppendUtf8(std::string& text, char32_t c) {
  const auto add = [&text](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      add(0xE0 | c >> 12);
    } else {
      add(0xF0 | c >> 18);
      add(0x80 | (c >> 12 & 0x3F));
    }
    add(0x80 | (c >> 6 & 0x3F));
  }
  add(0x80 | (c & 0x3F));
}

// Surrogates without their other half become U+FFFD.
std::string Reader::Name(std::span<const std::byte> utf16) {
  std::string text;
  for (std::size_t at = 0; at + 2 <= utf16.size(); at += 2) {
    char32_t c = LoadLe<std::uint16_t>(utf16.data() + at);
    if (c == 0) break;
    if (c >= 0xD800 && c < 0xE000) {
      const char32_t next = at + 4 <= utf16.size() ? LoadLe<std::uint16_t>(utf16.data() + at + 2) : 0;
      const bool pair = c < 0xDC00 && next >= 0xDC00 && next < 0xE000;
      c = pair ? 0x10000 + ((c - 0xD800) << 10) + (next - 0xDC00) : 0xFFFD;
      if (pair) at += 2;
    }
    AppendUtf8(text, c);
  }
  return text;
}

void Reader::AddEntry(std::span<const std::byte> bytes, std::uint32_t index, GptCopy& copy) const {
  const RecordView<GptEntryLayout> entry(bytes.first<GptEntryLayout::kSize>());
  const auto type = bytes.subspan<GptEntryLayout::kTypeGuid, kGuidSize>();
  if (std::ranges::all_of(type, [](std::byte b) { return b == std::byte{0}; })) return;
  const auto first = entry.Get<GptEntryLayout::kFirst>();
  const auto last = entry.Get<GptEntryLayout::kLast>();
  const auto usable_first = header().Get<GptHeaderLayout::kFirstUsable>();
  if (first > last || first < usable_first || last > copy.last_usable) {
    copy.table.findings.push_back(fmt::format("partition {}: sectors {} to {} lie outside {} to {}: left out",
                                              index + 1, first, last, usable_first, copy.last_usable));
    return;
  }
  Partition partition;
  partition.number = index + 1;
  partition.offset = first * sector_size_;
  partition.length = (last - first + 1) * sector_size_;
  partition.type = GuidText(type);
  partition.type_name = GptTypeName(partition.type);
  partition.id = GuidText(bytes.subspan<GptEntryLayout::kPartitionGuid, kGuidSize>());
  partition.name = Name(bytes.subspan(GptEntryLayout::kName, GptEntryLayout::kNameBytes));
  partition.bootable = (entry.Get<GptEntryLayout::kAttributes>() & kLegacyBootable) != 0;
  copy.table.partitions.push_back(std::move(partition));
}

}  // namespace

Result<bool> HasGptSignature(Storage& disk, std::uint64_t lba, std::uint32_t sector_size) {
  std::array<std::byte, 8> signature{};
  PLATTER_CHECK(disk.ReadPadded(lba * sector_size, signature));
  return std::memcmp(signature.data(), GptHeaderLayout::kSignatureText, signature.size()) == 0;
}

Result<GptCopy> ReadGptCopy(Storage& disk, std::uint64_t lba, std::uint32_t sector_size) {
  return Reader(disk, lba, sector_size).Read();
}

}  // namespace platter::partition

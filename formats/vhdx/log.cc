#include "formats/vhdx/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/vhdx/crc32c.h"

namespace platter::vhdx {
namespace {

constexpr std::uint64_t kWindow = 65536;
// Every valid entry is read once or twice; headers that claim to be long entries must not multiply that.
constexpr std::uint64_t kMostPasses = 4;
constexpr std::uint64_t kLargestFile = std::numeric_limits<std::int64_t>::max();
// About what one range costs in memory.
constexpr std::uint64_t kRangeBytes = 96;

struct Entry {
  std::uint64_t position = 0;  // in the log, bytes
  std::uint64_t length = 0;
  std::uint64_t tail = 0;
  std::uint64_t sequence = 0;
  std::uint32_t descriptors = 0;
  std::uint64_t flushed_size = 0;  // of the file
  std::uint64_t last_size = 0;

  std::uint64_t descriptor_bytes() const noexcept {
    return AlignUp(LogEntryHeader::kSize + descriptors * LogDescriptor::kSize, kSector);
  }
};

// The log as a ring.
class Ring {
 public:
  Ring(Storage& storage, const Region& log) : storage_(storage), log_(log) {}

  std::uint64_t length() const noexcept { return log_.length; }
  std::uint64_t HostOffset(std::uint64_t position) const noexcept { return log_.offset + position % log_.length; }

  Result<> Read(std::uint64_t position, std::span<std::byte> out) {
    while (!out.empty()) {
      const std::uint64_t at = position % log_.length;
      const auto part = out.first(std::min<std::uint64_t>(out.size(), log_.length - at));
      PLATTER_CHECK(storage_.ReadAt(log_.offset + at, part));
      position += part.size();
      out = out.subspan(part.size());
    }
    return Done{};
  }

 private:
  Storage& storage_;
  Region log_;
};

// Looks for the active sequence.
class SequenceFinder {
 public:
  SequenceFinder(Ring& ring, const Guid& guid)
      : ring_(ring), guid_(guid), allowance_(kMostPasses * ring.length()), window_(kWindow) {}

  // From the tail of the newest valid sequence to its head.
  Result<std::vector<Entry>> Find() {
    std::vector<Entry> best;
    for (std::uint64_t start = 0; start < ring_.length();) {
      std::vector<Entry> sequence = PLATTER_TRY(SequenceAt(start));
      // No entry starts inside another one, and a part of a sequence has the same head.
      start += sequence.empty() ? kSector : LengthOf(sequence);
      DropBeforeTail(sequence);
      if (sequence.empty()) continue;
      if (best.empty() || sequence.back().sequence > best.back().sequence) best = std::move(sequence);
    }
    return best;
  }

 private:
  static std::uint64_t LengthOf(const std::vector<Entry>& sequence) {
    std::uint64_t length = 0;
    for (const Entry& entry : sequence) length += entry.length;
    return length;
  }

  // Leaves what is to be replayed: from the entry that the last one names as the tail. Nothing when that is not there.
  static void DropBeforeTail(std::vector<Entry>& sequence) {
    if (sequence.empty()) return;
    const auto tail = std::ranges::find(sequence, sequence.back().tail, &Entry::position);
    sequence.erase(sequence.begin(), tail);
  }

  Result<std::vector<Entry>> SequenceAt(std::uint64_t start) {
    std::vector<Entry> sequence;
    std::uint64_t length = 0;
    while (length < ring_.length()) {
      const auto entry = PLATTER_TRY(EntryAt((start + length) % ring_.length()));
      if (!entry || (!sequence.empty() && entry->sequence != sequence.back().sequence + 1)) break;
      if (entry->length > ring_.length() - length) break;
      length += entry->length;
      sequence.push_back(*entry);
    }
    return sequence;
  }

  // The valid entry at `position`, if there is one.
  Result<std::optional<Entry>> EntryAt(std::uint64_t position) {
    PLATTER_CHECK(LoadWindow(position));
    const auto bytes = std::span(window_).subspan(position - window_start_).first<LogEntryHeader::kSize>();
    const RecordView<LogEntryHeader> view(bytes);
    if (view.Get<LogEntryHeader::kSignature>() != kLogEntrySignature) return std::optional<Entry>();
    if (Guid::Load(bytes.data() + LogEntryHeader::kLogGuid) != guid_) return std::optional<Entry>();
    Entry entry;
    entry.position = position;
    entry.length = view.Get<LogEntryHeader::kEntryLength>();
    entry.tail = view.Get<LogEntryHeader::kTail>();
    entry.sequence = view.Get<LogEntryHeader::kSequenceNumber>();
    entry.descriptors = view.Get<LogEntryHeader::kDescriptorCount>();
    entry.flushed_size = view.Get<LogEntryHeader::kFlushedFileOffset>();
    entry.last_size = view.Get<LogEntryHeader::kLastFileOffset>();
    const bool possible = entry.length >= kSector && entry.length <= ring_.length() &&
                          IsAligned(entry.length, kSector) && IsAligned(entry.tail, kSector) &&
                          entry.tail < ring_.length() && entry.sequence != 0;
    if (!possible) return std::optional<Entry>();
    const std::uint32_t checksum = PLATTER_TRY(Checksum(entry));
    return checksum == view.Get<LogEntryHeader::kChecksum>() ? std::optional(entry) : std::nullopt;
  }

  Result<> LoadWindow(std::uint64_t position) {
    const std::uint64_t start = AlignDown(position, kWindow);
    if (start == window_start_) return Done{};
    window_start_ = kNoWindow;
    PLATTER_CHECK(ring_.Read(start, window_));
    window_start_ = start;
    return Done{};
  }

  Result<std::uint32_t> Checksum(const Entry& entry) {
    if (entry.length > allowance_) {
      return Error(ErrorKind::kCorrupt, "log entries overlap")
          .At("log", "entry_length", ring_.HostOffset(entry.position) + LogEntryHeader::kEntryLength.offset)
          .Found(entry.length);
    }
    allowance_ -= entry.length;
    Crc32c crc;
    std::vector<std::byte> part(std::min(entry.length, kWindow));
    for (std::uint64_t done = 0; done < entry.length; done += part.size()) {
      part.resize(std::min(entry.length - done, kWindow));
      PLATTER_CHECK(ring_.Read(entry.position + done, part));
      if (done == 0) LogEntryHeader::kChecksum.Encode(part.data(), 0);
      crc.Add(part);
    }
    return crc.value();
  }

  static constexpr std::uint64_t kNoWindow = ~std::uint64_t{0};

  Ring& ring_;
  Guid guid_;
  std::uint64_t allowance_;  // bytes that may still be checked
  std::vector<std::byte> window_;
  std::uint64_t window_start_ = kNoWindow;
};

// Collects what the entries of a sequence change.
class ChangeCollector {
 public:
  ChangeCollector(Ring& ring, const Region& log, std::uint64_t file_size, const Limits& limits)
      : ring_(ring), log_(log), file_size_(file_size), most_ranges_(limits.metadata_bytes / kRangeBytes) {
    changes_.file_size = file_size;
  }

  Result<> Add(const Entry& entry) {
    if (entry.flushed_size > file_size_) {
      return Refuse(entry, "file is shorter than it was when the log was written", "flushed_file_offset",
                    LogEntryHeader::kFlushedFileOffset.offset)
          .Found(file_size_)
          .Allowed(fmt::format("at least {} bytes", entry.flushed_size));
    }
    if (entry.last_size > kLargestFile) {
      return Refuse(entry, "file size is impossible", "last_file_offset", LogEntryHeader::kLastFileOffset.offset)
          .Found(entry.last_size);
    }
    if (LogEntryHeader::kSize + std::uint64_t{entry.descriptors} * LogDescriptor::kSize > entry.length) {
      return Refuse(entry, "more descriptors than the entry has room for", "descriptor_count",
                    LogEntryHeader::kDescriptorCount.offset)
          .Found(entry.descriptors);
    }
    changes_.file_size = std::max(changes_.file_size, entry.last_size);
    ++changes_.entry_count;
    return AddDescriptors(entry);
  }

  LogChanges Take() { return std::move(changes_); }

 private:
  Error Refuse(const Entry& entry, std::string what, std::string field, std::uint64_t offset) const {
    return Error(ErrorKind::kCorrupt, std::move(what))
        .At(fmt::format("log entry {}", entry.sequence), std::move(field), ring_.HostOffset(entry.position + offset));
  }

  Result<> AddDescriptors(const Entry& entry) {
    std::array<std::byte, LogDescriptor::kSize> bytes{};
    std::uint64_t data = entry.descriptor_bytes();  // of the next data sector, in the entry
    for (std::uint64_t index = 0; index < entry.descriptors; ++index) {
      const std::uint64_t at = LogEntryHeader::kSize + index * LogDescriptor::kSize;
      PLATTER_CHECK(ring_.Read(entry.position + at, bytes));
      const RecordView<LogDescriptor> view(bytes);
      const std::string field = fmt::format("descriptor {}", index);
      if (view.Get<LogDescriptor::kSequenceNumber>() != entry.sequence) {
        return Refuse(entry, "descriptor has another sequence number", field, at)
            .Found(view.Get<LogDescriptor::kSequenceNumber>());
      }
      const std::uint64_t offset = view.Get<LogDescriptor::kFileOffset>();
      if (view.Get<LogDescriptor::kSignature>() == kZeroDescriptorSignature) {
        const std::uint64_t length = view.Get<LogDescriptor::kZeroLength>();
        PLATTER_CHECK(CheckTarget(entry, index, offset, length));
        PLATTER_CHECK(Put(offset, {.end = offset + length}));
      } else if (view.Get<LogDescriptor::kSignature>() == kDataDescriptorSignature) {
        PLATTER_CHECK(CheckTarget(entry, index, offset, kSector));
        PLATTER_CHECK(CheckDataSector(entry, index, data));
        PLATTER_CHECK(Put(offset, {.end = offset + kSector,
                                   .log_sector = ring_.HostOffset(entry.position + data),
                                   .leading = view.Get<LogDescriptor::kLeadingBytes>(),
                                   .trailing = view.Get<LogDescriptor::kTrailingBytes>()}));
        data += kSector;
      } else {
        return Refuse(entry, "unknown descriptor", field, at).Allowed("\"desc\", \"zero\"");
      }
    }
    return Done{};
  }

  // A log may change anything but the headers and itself, inside the file.
  Result<> CheckTarget(const Entry& entry, std::uint64_t index, std::uint64_t offset, std::uint64_t length) const {
    const std::uint64_t end = std::max(file_size_, entry.last_size);
    const bool inside = IsAligned(offset, kSector) && IsAligned(length, kSector) && FitsWithin(offset, length, end);
    if (inside && offset >= kRegionTableOffsets[0] && !log_.Overlaps({offset, length})) return Done{};
    return Refuse(entry, "descriptor changes what it must not", fmt::format("descriptor {} file_offset", index),
                  LogEntryHeader::kSize + index * LogDescriptor::kSize + LogDescriptor::kFileOffset.offset)
        .Found(fmt::format("{:#x} for {} bytes", offset, length))
        .Allowed(fmt::format("multiples of 4096 behind the headers, outside the log, below {}", end));
  }

  Result<> CheckDataSector(const Entry& entry, std::uint64_t index, std::uint64_t data) {
    if (data + kSector > entry.length) {
      return Refuse(entry, "fewer data sectors than descriptors", fmt::format("descriptor {}", index), data);
    }
    std::array<std::byte, LogDataSector::kSize> bytes{};
    PLATTER_CHECK(ring_.Read(entry.position + data, bytes));
    const RecordView<LogDataSector> view(bytes);
    const std::uint64_t sequence =
        std::uint64_t{view.Get<LogDataSector::kSequenceHigh>()} << 32 | view.Get<LogDataSector::kSequenceLow>();
    if (view.Get<LogDataSector::kSignature>() == kDataSectorSignature && sequence == entry.sequence) return Done{};
    return Refuse(entry, "data sector does not belong to the entry", fmt::format("data sector of descriptor {}", index),
                  data)
        .Found(sequence)
        .Allowed(fmt::format("\"data\" and sequence number {}", entry.sequence));
  }

  // The range is as `range` says from now on, whatever it was.
  Result<> Put(std::uint64_t offset, LoggedRange range) {
    if (range.end == offset) return Done{};
    auto& ranges = changes_.ranges;
    Split(offset);
    Split(range.end);
    ranges.erase(ranges.lower_bound(offset), ranges.lower_bound(range.end));
    ranges.emplace(offset, range);
    if (ranges.size() <= most_ranges_) return Done{};
    return Error(ErrorKind::kLimit, "log changes more places than the limits allow")
        .At("log", "descriptors", log_.offset)
        .Allowed(std::to_string(most_ranges_));
  }

  // No range reaches over `offset`. Only zeros are longer than a sector.
  void Split(std::uint64_t offset) {
    auto& ranges = changes_.ranges;
    const auto next = ranges.lower_bound(offset);
    if (next == ranges.begin()) return;
    const auto before = std::prev(next);
    if (before->second.end <= offset) return;
    const LoggedRange rest = before->second;
    before->second.end = offset;
    ranges.emplace(offset, rest);
  }

  Ring& ring_;
  Region log_;
  std::uint64_t file_size_;
  std::uint64_t most_ranges_;
  LogChanges changes_;
};

}  // namespace

Result<LogChanges> ReadLog(Storage& storage, const Header& header, const Limits& limits) {
  Ring ring(storage, header.log);
  const std::vector<Entry> sequence = PLATTER_TRY(SequenceFinder(ring, header.log_guid).Find());
  if (sequence.empty()) {
    return Error(ErrorKind::kCorrupt, "the log has no valid sequence of entries")
        .At("log", "entries", header.log.offset)
        .Allowed(fmt::format("entries of log {}", header.log_guid.Text()));
  }
  ChangeCollector collector(ring, header.log, storage.size(), limits);
  for (const Entry& entry : sequence) PLATTER_CHECK(collector.Add(entry));
  return collector.Take();
}

}  // namespace platter::vhdx

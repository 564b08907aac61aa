// The log of a VHDX: entries that are right but for what the input changes, in an image that is right. Reading through
// the log and replaying it for good have to give the same disk.
#include <algorithm>
#include <array>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/format_table.h"
#include "formats/vhdx/crc32c.h"
#include "formats/vhdx/header.h"
#include "formats/vhdx/layout.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

constexpr std::uint64_t kDisk = std::uint64_t{3} << 20;
constexpr std::size_t kMostEntries = 6;
constexpr std::size_t kMostDescriptors = 8;

std::shared_ptr<SparseStorage> EmptyImage() {
  auto file = std::make_shared<SparseStorage>("image");
  const FormatDriver& driver = *FindFormat("vhdx");
  const auto options = OptionValues::Parse("block_size=1M", driver.create_options);
  const auto writer = driver.create({.storage = file, .virtual_size = kDisk, .options = options.value()});
  Promise(writer.ok() && writer.value()->Finish().ok(), "an empty image can be made");
  return file;
}

class LogMaker {
 public:
  LogMaker(InputReader& input, vhdx::Header header, std::uint64_t file_size)
      : input_(input), header_(header), file_size_(file_size) {}

  std::vector<std::byte> Make() {
    const std::size_t count = input_.Below(kMostEntries) + 1;
    std::uint64_t sequence = 1 + input_.Byte();
    for (std::size_t entry = 0; entry < count; ++entry, ++sequence) AddEntry(sequence);
    log_.resize(std::min<std::uint64_t>(log_.size(), header_.log.length));
    return log_;
  }

 private:
  // `value`, or what the input wants in its place.
  std::uint64_t Maybe(std::uint64_t value) {
    const std::uint8_t change = input_.Byte();
    if (change < 0xE0) return value;
    return change < 0xF0 ? value + input_.Byte() - 128 : std::uint64_t{input_.Word()} << (change % 4 * 12);
  }
  std::uint64_t Place() { return Maybe(input_.Below(file_size_ / vhdx::kSector + 4) * vhdx::kSector); }

  void AddEntry(std::uint64_t sequence) {
    using Entry = vhdx::LogEntryHeader;
    const std::size_t start = log_.size();
    const std::size_t count = input_.Below(kMostDescriptors);
    log_.resize(start + vhdx::kSector);
    for (std::size_t index = 0; index < count; ++index) AddDescriptor(start, index, sequence);
    std::byte* head = log_.data() + start;
    const std::uint64_t length = log_.size() - start;
    Entry::kSignature.Encode(head, vhdx::kLogEntrySignature);
    Entry::kEntryLength.Encode(head, static_cast<std::uint32_t>(Maybe(length)));
    Entry::kTail.Encode(head, static_cast<std::uint32_t>(Maybe(0)));
    Entry::kSequenceNumber.Encode(head, Maybe(sequence));
    Entry::kDescriptorCount.Encode(head, static_cast<std::uint32_t>(Maybe(count)));
    header_.log_guid.Store(head + Entry::kLogGuid);
    Entry::kFlushedFileOffset.Encode(head, Maybe(file_size_));
    Entry::kLastFileOffset.Encode(head, Maybe(file_size_));
    Entry::kChecksum.Encode(head, vhdx::ChecksumOf(std::span(log_).subspan(start, length)));
  }

  void AddDescriptor(std::size_t entry, std::size_t index, std::uint64_t sequence) {
    using Descriptor = vhdx::LogDescriptor;
    const bool data = input_.Byte() % 2 == 0;
    if (data) AddSector(sequence);
    std::byte* at = log_.data() + entry + vhdx::LogEntryHeader::kSize + index * Descriptor::kSize;
    Descriptor::kSignature.Encode(at, data ? vhdx::kDataDescriptorSignature : vhdx::kZeroDescriptorSignature);
    Descriptor::kFileOffset.Encode(at, Place());
    Descriptor::kSequenceNumber.Encode(at, Maybe(sequence));
    if (data) {
      Descriptor::kLeadingBytes.Encode(at, input_.Word());
      Descriptor::kTrailingBytes.Encode(at, input_.Word());
    } else {
      Descriptor::kZeroLength.Encode(at, Maybe(input_.Below(8) * vhdx::kSector));
    }
  }

  void AddSector(std::uint64_t sequence) {
    using Sector = vhdx::LogDataSector;
    std::vector<std::byte> sector(Sector::kSize, std::byte(input_.Byte()));
    Sector::kSignature.Encode(sector.data(), vhdx::kDataSectorSignature);
    Sector::kSequenceHigh.Encode(sector.data(), static_cast<std::uint32_t>(sequence >> 32));
    Sector::kSequenceLow.Encode(sector.data(), static_cast<std::uint32_t>(Maybe(sequence)));
    log_.insert(log_.end(), sector.begin(), sector.end());
  }

  InputReader& input_;
  vhdx::Header header_;
  std::uint64_t file_size_;
  std::vector<std::byte> log_;
};

// The start of every 64 KiB of the disk. Empty when it cannot be opened or read.
std::vector<std::byte> Disk(const std::shared_ptr<SparseStorage>& file) {
  DenyGate gate;
  const auto image = FindFormat("vhdx")->open(file, {.limits = SmallLimits(), .gate = &gate});
  if (!image.ok()) {
    Told(image.error());
    return {};
  }
  constexpr std::size_t kPiece = 512;
  const std::uint64_t size = std::min<std::uint64_t>(image.value()->info().virtual_size, 2 * kDisk);
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at + kPiece <= size; at += 65536) {
    bytes.resize(bytes.size() + kPiece);
    if (!image.value()->ReadAt(at, std::span(bytes).last(kPiece)).ok()) return {};
  }
  return bytes;
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  static const auto kEmpty = EmptyImage();
  const auto file = kEmpty->Copy();
  InputReader reader(input);
  auto pair = vhdx::ReadHeaders(*file).value();
  vhdx::Header header = pair.header();
  header.log_guid.bytes[0] = 1;
  Promise(vhdx::UpdateHeaders(*file, pair, header).ok(), "headers can be written");
  Promise(file->WriteAt(header.log.offset, LogMaker(reader, header, file->size()).Make()).ok(), "a log can be written");
  const auto before = file->Copy();
  WalkOpened(*FindFormat("vhdx"), before, {});
  const auto through_log = Disk(file);
  DenyGate gate;
  const auto repaired = FindFormat("vhdx")->check({.storage = file,
                                                   .repair = Repair::kAll,
                                                   .context = {.limits = SmallLimits(), .gate = &gate},
                                                   .log = [](const std::string&) {}});
  if (!repaired.ok()) return Told(repaired.error());
  if (!through_log.empty())
    Promise(Same(Disk(file), through_log), "a log that is replayed gives what was read through it");
}

}  // namespace platter::fuzz

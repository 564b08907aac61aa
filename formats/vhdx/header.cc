#include "formats/vhdx/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vhdx/crc32c.h"
#include "formats/vhdx/utf16.h"

namespace platter::vhdx {
namespace {

std::string NameOf(std::size_t copy) { return fmt::format("header {}", copy + 1); }

std::optional<Header> ParseHeader(std::span<const std::byte, HeaderLayout::kSize> bytes) {
  const RecordView<HeaderLayout> view(bytes);
  if (view.Get<HeaderLayout::kSignature>() != kHeaderSignature) return std::nullopt;
  if (view.Get<HeaderLayout::kChecksum>() != ChecksumOf(bytes)) return std::nullopt;
  Header header;
  header.sequence = view.Get<HeaderLayout::kSequenceNumber>();
  header.file_write = Guid::Load(bytes.data() + HeaderLayout::kFileWriteGuid);
  header.data_write = Guid::Load(bytes.data() + HeaderLayout::kDataWriteGuid);
  header.log_guid = Guid::Load(bytes.data() + HeaderLayout::kLogGuid);
  header.log = {view.Get<HeaderLayout::kLogOffset>(), view.Get<HeaderLayout::kLogLength>()};
  return header;
}

Error HeaderError(ErrorKind kind, std::string what, std::size_t copy, const char* field, std::size_t offset) {
  return Error(kind, std::move(what)).At(NameOf(copy), field, kHeaderOffsets[copy] + offset);
}

Result<> CheckVersions(std::span<const std::byte, HeaderLayout::kSize> bytes, std::size_t copy) {
  const RecordView<HeaderLayout> view(bytes);
  if (view.Get<HeaderLayout::kVersion>() != kVersion) {
    return HeaderError(ErrorKind::kUnsupported, "unknown version of the format", copy, "version",
                       HeaderLayout::kVersion.offset)
        .Found(view.Get<HeaderLayout::kVersion>())
        .Allowed("1");
  }
  if (view.Get<HeaderLayout::kLogVersion>() != kLogVersion) {
    return HeaderError(ErrorKind::kUnsupported, "unknown version of the log", copy, "log_version",
                       HeaderLayout::kLogVersion.offset)
        .Found(view.Get<HeaderLayout::kLogVersion>())
        .Allowed("0");
  }
  return Done{};
}

Result<> CheckLogPlace(const Header& header, std::size_t copy, std::uint64_t file_size) {
  const Region& log = header.log;
  if (log.length == 0 && header.log_guid.IsZero()) return Done{};
  if (!IsAligned(log.length, kMiB)) {
    return HeaderError(ErrorKind::kCorrupt, "log length is not whole MiB", copy, "log_length",
                       HeaderLayout::kLogLength.offset)
        .Found(log.length)
        .Allowed("a multiple of 1048576");
  }
  if (!IsAligned(log.offset, kMiB) || log.offset < kHeaderSectionEnd ||
      !FitsWithin(log.offset, log.length, file_size)) {
    return HeaderError(ErrorKind::kCorrupt, "log lies outside its bounds", copy, "log_offset",
                       HeaderLayout::kLogOffset.offset)
        .Found(fmt::format("{:#x} for {} bytes", log.offset, log.length))
        .Allowed(fmt::format("a multiple of 1048576, from 1048576 on, inside the file's {} bytes", file_size));
  }
  return Done{};
}

Result<> CheckSignature(Storage& storage) {
  std::array<std::byte, kFileSignature.size()> signature{};
  PLATTER_CHECK(storage.ReadPadded(FileIdentifier::kOffset, signature));
  if (std::memcmp(signature.data(), kFileSignature.data(), signature.size()) == 0) return Done{};
  return Error(ErrorKind::kNotThisFormat, "not a VHDX file").At("file identifier", "signature", 0);
}

// Which copy counts. Requires: one is there.
Result<std::size_t> ChooseCurrent(const HeaderPair& pair, bool identical) {
  const auto& [first, second] = pair.copies;
  if (!second) return std::size_t{0};
  if (!first) return std::size_t{1};
  if (first->sequence == second->sequence && !identical) {
    return HeaderError(ErrorKind::kCorrupt, "both headers have the same sequence number and differ", 1,
                       "sequence_number", HeaderLayout::kSequenceNumber.offset)
        .Found(second->sequence)
        .Allowed("another than that of header 1");
  }
  return std::size_t{second->sequence > first->sequence ? 1U : 0U};
}

}  // namespace

Result<HeaderPair> ReadHeaders(Storage& storage) {
  PLATTER_CHECK(CheckSignature(storage));
  HeaderPair pair;
  std::array<std::array<std::byte, HeaderLayout::kSize>, 2> bytes{};
  for (std::size_t copy = 0; copy < 2; ++copy) {
    PLATTER_CHECK(storage.ReadPadded(kHeaderOffsets[copy], bytes[copy]));
    pair.copies[copy] = ParseHeader(bytes[copy]);
  }
  if (!pair.copies[0] && !pair.copies[1]) {
    return HeaderError(ErrorKind::kCorrupt, "neither header is valid", 0, "checksum", HeaderLayout::kChecksum.offset)
        .Allowed("\"head\" and the CRC-32C of the header's 4096 bytes, in one of the two");
  }
  pair.current = PLATTER_TRY(ChooseCurrent(pair, bytes[0] == bytes[1]));
  PLATTER_CHECK(CheckVersions(bytes[pair.current], pair.current));
  PLATTER_CHECK(CheckLogPlace(pair.header(), pair.current, storage.size()));
  return pair;
}

Result<std::string> ReadCreator(Storage& storage) {
  std::vector<std::byte> text(FileIdentifier::kCreatorSize);
  PLATTER_CHECK(storage.ReadPadded(FileIdentifier::kOffset + FileIdentifier::kCreator, text));
  std::string creator = Utf8FromUtf16(text);
  creator.resize(std::min(creator.find('\0'), creator.size()));
  return creator;
}

std::vector<std::byte> SerializeHeader(const Header& header) {
  std::vector<std::byte> bytes(HeaderLayout::kSize);
  RecordEditor<HeaderLayout> editor{std::span(bytes).first<HeaderLayout::kSize>()};
  editor.Set<HeaderLayout::kSignature>(kHeaderSignature);
  editor.Set<HeaderLayout::kSequenceNumber>(header.sequence);
  header.file_write.Store(bytes.data() + HeaderLayout::kFileWriteGuid);
  header.data_write.Store(bytes.data() + HeaderLayout::kDataWriteGuid);
  header.log_guid.Store(bytes.data() + HeaderLayout::kLogGuid);
  editor.Set<HeaderLayout::kLogVersion>(kLogVersion);
  editor.Set<HeaderLayout::kVersion>(kVersion);
  editor.Set<HeaderLayout::kLogLength>(static_cast<std::uint32_t>(header.log.length));
  editor.Set<HeaderLayout::kLogOffset>(header.log.offset);
  editor.Set<HeaderLayout::kChecksum>(ChecksumOf(bytes));
  return bytes;
}

std::vector<std::byte> SerializeFileIdentifier(std::string_view creator) {
  std::vector<std::byte> bytes(FileIdentifier::kSize);
  std::memcpy(bytes.data(), kFileSignature.data(), kFileSignature.size());
  const std::vector<std::byte> text = Utf16FromUtf8(creator);
  std::ranges::copy(std::span(text).first(std::min(text.size(), FileIdentifier::kCreatorSize)),
                    bytes.begin() + FileIdentifier::kCreator);
  return bytes;
}

Result<> UpdateHeaders(Storage& storage, HeaderPair& pair, Header header) {
  for (int round = 0; round < 2; ++round) {
    const std::size_t other = 1 - pair.current;
    header.sequence = pair.header().sequence + 1;
    PLATTER_CHECK(storage.WriteAt(kHeaderOffsets[other], SerializeHeader(header)));
    PLATTER_CHECK(storage.Sync());
    pair.copies[other] = header;
    pair.current = other;
  }
  return Done{};
}

}  // namespace platter::vhdx

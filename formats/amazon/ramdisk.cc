#include "formats/amazon/ramdisk.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/amazon/compression.h"
#include "formats/amazon/cpio.h"
#include "formats/amazon/layout.h"
#include "formats/core/checked.h"

namespace platter::amazon {
namespace {

constexpr std::string_view kTrailer = "TRAILER!!!";

// A name without its closing zero; what is not printable becomes '?'.
std::string NameOf(std::span<const std::byte> bytes) {
  std::string name;
  for (const std::byte b : bytes) {
    const auto c = static_cast<char>(b);
    if (c == 0) break;
    name += c > 0 && (c < 0x20 || c == 0x7F) ? '?' : c;
  }
  return name;
}

// The first entry of an archive that lies in memory; empty for none, and for one without a sound header.
std::optional<Archive> ArchiveAt(std::span<const std::byte> bytes, std::uint64_t offset) {
  if (bytes.size() < CpioHeader::kSize) return std::nullopt;
  const auto entry = ParseCpioHeader(bytes, 0);
  if (!entry.ok()) return std::nullopt;
  const auto name = bytes.subspan(CpioHeader::kSize);
  return Archive{.offset = offset,
                 .type = entry.value().type,
                 .first_name = NameOf(name.first(std::min<std::size_t>(name.size(), entry.value().name_size)))};
}

class RamdiskReader {
 public:
  RamdiskReader(Storage& file, std::size_t most_archives, std::uint64_t most_files)
      : file_(file), most_archives_(most_archives), most_files_(most_files) {}

  Result<std::optional<Ramdisk>> Read() {
    bool more = true;
    while (more && ramdisk_.archives.size() < most_archives_) more = PLATTER_TRY(ReadArchive());
    if (ramdisk_.archives.empty()) return std::optional<Ramdisk>{};
    ramdisk_.reason = Reason();
    return std::optional<Ramdisk>(std::move(ramdisk_));
  }

 private:
  std::uint64_t left() const { return file_.size() - at_; }

  // False when nothing follows that can be looked at.
  Result<bool> ReadArchive() {
    std::vector<std::byte> head(std::min<std::uint64_t>(left(), CpioHeader::kSize));
    PLATTER_CHECK(file_.ReadAt(at_, head));
    if (HasCpioMagic(head)) {
      if (!PLATTER_TRY(WalkArchive())) return false;
      return SkipPadding();
    }
    const auto compression = FindCompression(head);
    if (!compression) return Unknown();
    auto archive = ArchiveAt(PLATTER_TRY(Decompress(file_, at_, *compression)), at_);
    if (!archive) return Unknown();
    archive->compression = CompressionName(*compression);
    ramdisk_.archives.push_back(*std::move(archive));
    return false;
  }

  Result<bool> Unknown() {
    if (!ramdisk_.archives.empty()) {
      ramdisk_.findings.push_back(fmt::format("what follows at {} is no archive", at_));
    }
    return false;
  }

  // From header to header up to the trailer. False when it is not reached.
  Result<bool> WalkArchive() {
    Archive archive{.offset = at_};
    const auto give_up = [&](std::string finding) -> Result<bool> {
      // Damage in the first header: then the magic number may be chance.
      if (archive.files > 0 || !ramdisk_.archives.empty()) ramdisk_.findings.push_back(std::move(finding));
      if (archive.files > 0) ramdisk_.archives.push_back(std::move(archive));
      return false;
    };
    for (;;) {
      if (++headers_ > most_files_) return give_up(fmt::format("only the first {} files were looked at", most_files_));
      std::vector<std::byte> bytes(std::min<std::uint64_t>(left(), CpioHeader::kSize + kNameShown));
      PLATTER_CHECK(file_.ReadAt(at_, bytes));
      if (bytes.size() < CpioHeader::kSize) return give_up("truncated: the last archive has no end");
      const auto parsed = ParseCpioHeader(bytes, at_);
      if (!parsed.ok()) return give_up(parsed.error().Describe());
      const CpioEntry& entry = parsed.value();
      const auto name_bytes = std::span<const std::byte>(bytes).subspan(CpioHeader::kSize);
      std::string name = NameOf(name_bytes.first(std::min<std::size_t>(name_bytes.size(), entry.name_size)));
      const bool trailer = name == kTrailer;
      if (entry.data_offset() + entry.data_size > left() + (trailer ? 3 : 0)) {
        return give_up(fmt::format("truncated: \"{}\" at {} reaches past the file's end", name, at_));
      }
      archive.type = entry.type;
      at_ += std::min(entry.next(), left());
      if (trailer) break;
      if (archive.files++ == 0) archive.first_name = std::move(name);
    }
    ramdisk_.archives.push_back(std::move(archive));
    return true;
  }

  // True when something follows the zeros.
  Result<bool> SkipPadding() {
    std::vector<std::byte> bytes(4096);
    for (std::uint64_t skipped = 0; left() > 0 && skipped < kMaxPadding;) {
      const auto part = std::span(bytes).first(std::min<std::uint64_t>(left(), bytes.size()));
      PLATTER_CHECK(file_.ReadAt(at_, part));
      const auto zeros = std::ranges::find_if(part, [](std::byte b) { return b != std::byte{0}; }) - part.begin();
      at_ += static_cast<std::uint64_t>(zeros);
      skipped += static_cast<std::uint64_t>(zeros);
      if (static_cast<std::size_t>(zeros) < part.size()) return true;
    }
    return false;
  }

  std::string Reason() const {
    std::string text;
    for (const Archive& archive : ramdisk_.archives) {
      if (!text.empty()) text += ", then ";
      if (!archive.compression.empty()) text += fmt::format("{}-compressed ", archive.compression);
      text += fmt::format("cpio ({}) at {}", archive.type, archive.offset);
    }
    return text;
  }

  static constexpr std::size_t kNameShown = 256;

  Storage& file_;
  std::size_t most_archives_;
  std::uint64_t most_files_;
  Ramdisk ramdisk_;
  std::uint64_t at_ = 0;       // bytes
  std::uint64_t headers_ = 0;  // read so far
};

}  // namespace

Result<std::optional<Ramdisk>> RecogniseRamdisk(Storage& file) {
  return RamdiskReader(file, kMaxArchives, kMaxFiles).Read();
}

Result<bool> StartsWithRamdisk(Storage& file) {
  const auto ramdisk = PLATTER_TRY(RamdiskReader(file, 1, 1).Read());
  return ramdisk.has_value();
}

}  // namespace platter::amazon

#include "formats/iso/rock_ridge.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "formats/core/checked.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

constexpr std::size_t kEntryHeader = 4;  // signature, length, version
constexpr int kMostContinuations = 64;
constexpr std::uint32_t kLargestContinuation = 65536;
constexpr std::size_t kLongestName = 1024;
constexpr std::size_t kLongestTarget = 4096;

struct SuspEntry {
  std::string_view signature;
  std::span<const std::byte> data;  // without the four bytes of the entry's header
  std::uint64_t host_offset;        // of the record that it belongs to
};

Error Corrupt(std::string what, const SuspEntry& entry) {
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At("system use area", std::string(entry.signature), entry.host_offset);
}

// A number in both byte orders; the little-endian one counts.
std::uint32_t Number(const SuspEntry& entry, std::size_t offset) {
  return LoadLe<std::uint32_t>(entry.data.data() + offset);
}

using VisitEntry = std::function<Result<>(const SuspEntry&)>;

// Walks the entries of an area and of its continuations.
class SuspWalk {
 public:
  SuspWalk(Storage& storage, std::uint32_t block_size, std::uint64_t host_offset)
      : storage_(storage), block_size_(block_size), host_offset_(host_offset) {}

  Result<> Run(std::span<const std::byte> area, const VisitEntry& visit) {
    std::vector<std::byte> continuation;
    for (int count = 0;; ++count) {
      next_ = {};
      PLATTER_CHECK(Area(area, visit));
      if (next_.length == 0) return Done{};
      if (count >= kMostContinuations) {
        return Corrupt("continuation areas never end", {"CE", {}, host_offset_}).Allowed("up to 64 of them");
      }
      continuation = PLATTER_TRY(ReadContinuation());
      area = continuation;
    }
  }

 private:
  struct Continuation {
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
  };

  Result<> Area(std::span<const std::byte> area, const VisitEntry& visit) {
    while (area.size() >= kEntryHeader) {
      const auto length = std::to_integer<std::size_t>(area[2]);
      SuspEntry entry{AsText(area.first(2)), {}, host_offset_};
      if (area[0] == std::byte{0}) return Done{};
      if (length < kEntryHeader || length > area.size()) {
        return Corrupt("an entry does not fit its system use area", entry)
            .Found(length)
            .Allowed(fmt::format("4 to {} bytes", area.size()));
      }
      entry.data = area.subspan(kEntryHeader, length - kEntryHeader);
      if (entry.signature == "ST") return Done{};
      if (entry.signature == "CE") PLATTER_CHECK(NoteContinuation(entry));
      PLATTER_CHECK(visit(entry));
      area = area.subspan(length);
    }
    return Done{};
  }

  Result<> NoteContinuation(const SuspEntry& entry) {
    if (entry.data.size() < 24) return Corrupt("a continuation entry is too short", entry).Found(entry.data.size());
    next_.offset = std::uint64_t{Number(entry, 0)} * block_size_ + Number(entry, 8);
    next_.length = Number(entry, 16);
    if (next_.length > kLargestContinuation || !FitsWithin(next_.offset, next_.length, storage_.size())) {
      return Corrupt("a continuation area lies outside the file", entry)
          .Found(fmt::format("{} bytes at {}", next_.length, next_.offset))
          .Allowed(fmt::format("up to {} bytes below {}", kLargestContinuation, storage_.size()));
    }
    return Done{};
  }

  Result<std::vector<std::byte>> ReadContinuation() {
    std::vector<std::byte> bytes(next_.length);
    PLATTER_CHECK(storage_.ReadAt(next_.offset, bytes));
    return bytes;
  }

  Storage& storage_;
  std::uint32_t block_size_;
  std::uint64_t host_offset_;
  Continuation next_;
};

// Puts the entries of one record together.
class RockRidgeParser {
 public:
  // What is wrong with an entry does not keep from those behind it.
  void Take(const SuspEntry& entry) {
    auto taken = TakeEntry(entry);
    if (taken.ok()) return;
    Damaged(taken.error(), false);
    name_damaged_ = name_damaged_ || entry.signature == "NM";
    parsed_.zisofs_damaged = parsed_.zisofs_damaged || entry.signature == "ZF";
    if (entry.signature != "SL") return;
    target_damaged_ = true;
    if (!parsed_.target) parsed_.target.emplace();
  }

  // An entry, or all behind one, could not be taken.
  void Damaged(const Error& error, bool cut) {
    if (parsed_.damage.empty()) parsed_.damage = error.Describe();
    parsed_.cut = parsed_.cut || cut;
  }

  // Half a target leads elsewhere, half a name is another's.
  RockRidge Finish() {
    if (parsed_.target && (target_damaged_ || parsed_.cut)) parsed_.target->clear();
    if (name_damaged_) parsed_.name.reset();
    return std::move(parsed_);
  }

 private:
  static Error TooShort(const SuspEntry& entry) {
    return Corrupt("a Rock Ridge entry is too short", entry).Found(entry.data.size() + kEntryHeader);
  }

  Result<> TakeEntry(const SuspEntry& entry) {
    if (entry.signature == "NM") return TakeName(entry);
    if (entry.signature == "PX") return TakeAttributes(entry);
    if (entry.signature == "SL") return TakeLink(entry);
    if (entry.signature == "TF") return TakeTimes(entry);
    if (entry.signature == "ZF") return TakeZisofs(entry);
    if (entry.signature == "CE") {
      Both(entry, 0, "block");
      Both(entry, 8, "offset");
      Both(entry, 16, "length");
    }
    if (entry.signature == "RE") parsed_.relocated = true;
    if (entry.signature == "CL" || entry.signature == "PL") {
      if (entry.data.size() < 8) return TooShort(entry);
      (entry.signature == "CL" ? parsed_.child_link : parsed_.parent_link) = Both(entry, 0, "block");
    }
    return Done{};
  }

  // The number, once its two readings have been compared.
  std::uint32_t Both(const SuspEntry& entry, std::size_t offset, const char* field) {
    const std::uint32_t little = Number(entry, offset);
    const auto big = LoadBe<std::uint32_t>(entry.data.data() + offset + sizeof little);
    if (little != big && parsed_.disagreement.empty()) {
      parsed_.disagreement =
          fmt::format("{}, field {}: {} little-endian, {} big-endian", entry.signature, field, little, big);
    }
    return little;
  }

  Result<> TakeName(const SuspEntry& entry) {
    if (entry.data.empty()) return TooShort(entry);
    const auto flags = std::to_integer<unsigned>(entry.data[0]);
    if ((flags & 6U) != 0) return Done{};  // "." and "..": the record's own name says so too
    std::string& name = parsed_.name ? *parsed_.name : parsed_.name.emplace();
    name += AsText(entry.data.subspan(1));
    if (name.size() <= kLongestName) return Done{};
    return Corrupt("a Rock Ridge name is too long", entry).Found(name.size()).Allowed("up to 1024 bytes");
  }

  Result<> TakeAttributes(const SuspEntry& entry) {
    if (entry.data.size() < 32) return TooShort(entry);
    parsed_.mode = Both(entry, 0, "mode");
    parsed_.links = Both(entry, 8, "links");
    parsed_.user = Both(entry, 16, "user");
    parsed_.group = Both(entry, 24, "group");
    return Done{};
  }

  Result<> TakeLink(const SuspEntry& entry) {
    if (entry.data.empty()) return TooShort(entry);
    std::string& target = parsed_.target ? *parsed_.target : parsed_.target.emplace();
    for (auto rest = entry.data.subspan(1); !rest.empty();) {
      if (rest.size() < 2 || rest.size() - 2 < std::to_integer<std::size_t>(rest[1])) {
        return Corrupt("a component of a symbolic link does not fit its entry", entry);
      }
      const auto flags = std::to_integer<unsigned>(rest[0]);
      const auto length = std::to_integer<std::size_t>(rest[1]);
      AddComponent(target, flags, AsText(rest.subspan(2, length)));
      rest = rest.subspan(2 + length);
    }
    if (target.size() <= kLongestTarget) return Done{};
    return Corrupt("a symbolic link's target is too long", entry).Found(target.size()).Allowed("up to 4096 bytes");
  }

  void AddComponent(std::string& target, unsigned flags, std::string_view text) {
    const bool root = (flags & 8U) != 0;
    // A root stands for a slash of its own: in the middle of a target for two in a row, and none is needed behind it.
    if (!target.empty() && !component_continues_ && !after_root_) target += '/';
    after_root_ = root;
    if (root) {
      target += '/';
    } else if ((flags & 4U) != 0) {
      target += "..";
    } else if ((flags & 2U) != 0) {
      target += ".";
    } else {
      target += text;
    }
    component_continues_ = (flags & 1U) != 0;
  }

  Result<> TakeTimes(const SuspEntry& entry) {
    if (entry.data.empty()) return TooShort(entry);
    const auto flags = std::to_integer<unsigned>(entry.data[0]);
    const bool long_form = (flags & 0x80U) != 0;
    const std::size_t before = (flags & 1U) != 0 ? 1 : 0;  // the time of creation stands in front
    const std::size_t at = 1 + before * (long_form ? 17 : 7);
    if ((flags & 2U) == 0 || long_form) return Done{};
    if (entry.data.size() < at + 7) return TooShort(entry);
    parsed_.modified = RecordTime(entry.data.subspan(at).first<7>());
    return Done{};
  }

  Result<> TakeZisofs(const SuspEntry& entry) {
    if (entry.data.size() < 12) return TooShort(entry);
    Zisofs& zisofs = parsed_.zisofs.emplace();
    zisofs.algorithm = AsText(entry.data.first(2));
    zisofs.header_size = std::to_integer<std::uint32_t>(entry.data[2]) * 4;
    zisofs.block_bits = std::to_integer<std::uint8_t>(entry.data[3]);
    zisofs.size = Both(entry, 4, "size");
    return Done{};
  }

  RockRidge parsed_;
  bool component_continues_ = false;
  bool after_root_ = false;
  bool name_damaged_ = false;
  bool target_damaged_ = false;
};

}  // namespace

Result<std::optional<SuspHeader>> ReadSuspHeader(Storage& storage, std::uint32_t block_size,
                                                 const DirectoryRecord& root_self) {
  SuspWalk walk(storage, block_size, root_self.host_offset);
  SuspHeader header;
  std::span<const std::byte> area = root_self.system_use;
  // SP is the first entry; on CD-ROM XA discs it stands behind 14 bytes of theirs.
  constexpr std::size_t kXaBytes = 14;
  const auto has_sp = [](std::span<const std::byte> bytes) {
    return bytes.size() >= 7 && AsText(bytes.first(2)) == "SP" && bytes[4] == std::byte{0xBE} &&
           bytes[5] == std::byte{0xEF};
  };
  if (!has_sp(area) && area.size() > kXaBytes) area = area.subspan(kXaBytes);
  if (!has_sp(area)) return std::optional<SuspHeader>();
  header.skip = std::to_integer<std::uint8_t>(area[6]);
  PLATTER_CHECK(walk.Run(area, [&header](const SuspEntry& entry) -> Result<> {
    if (entry.signature != "ER" || entry.data.size() < 4) return Done{};
    const auto length = std::to_integer<std::size_t>(entry.data[0]);
    if (length > entry.data.size() - 4) return Corrupt("an extension's identifier does not fit its entry", entry);
    header.extensions.emplace_back(AsText(entry.data.subspan(4, length)));
    return Done{};
  }));
  return std::optional<SuspHeader>(std::move(header));
}

Result<RockRidge> ReadRockRidge(Storage& storage, std::uint32_t block_size, const SuspHeader& header,
                                const DirectoryRecord& record) {
  const std::span<const std::byte> area = record.system_use;
  RockRidgeParser parser;
  SuspWalk walk(storage, block_size, record.host_offset);
  const auto entries = area.subspan(std::min<std::size_t>(header.skip, area.size()));
  auto walked = walk.Run(entries, [&parser](const SuspEntry& entry) -> Result<> {
    parser.Take(entry);
    return Done{};
  });
  if (!walked.ok() && walked.error().kind() != ErrorKind::kCorrupt) return std::move(walked).error();
  if (!walked.ok()) parser.Damaged(walked.error(), true);
  return parser.Finish();
}

}  // namespace platter::iso

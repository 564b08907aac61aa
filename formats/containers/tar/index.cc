#include "formats/containers/tar/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "formats/containers/tar/header.h"
#include "formats/containers/tar/names.h"
#include "formats/containers/tar/pax.h"
#include "formats/core/checked.h"
#include "formats/core/finding_count.h"

namespace platter::tar {
namespace {

constexpr std::uint64_t kLargestOctal = (std::uint64_t{1} << 33) - 1;  // eleven digits
// Of what follows the archive's end: padding to a tape's record.
constexpr std::uint64_t kMostPadding = std::uint64_t{16} << 10;
constexpr std::uint64_t kPiece = std::uint64_t{64} << 10;

Error Wrong(std::string what, std::string field, std::uint64_t offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("tar header", std::move(field), offset);
}

class IndexReader {
 public:
  IndexReader(Storage& archive, const Limits& limits, Index& index, const AllowsLink& allows_link)
      : archive_(archive), room_(limits.metadata_bytes), index_(index), allows_link_(allows_link) {}

  Result<> Run() {
    auto done = ReadMembers();
    AddDuplicates();
    return done;
  }

 private:
  static bool IsZero(std::span<const std::byte> bytes) {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
  }

  Result<> ReadMembers() {
    while (at_ < archive_.size()) {
      const Block block = PLATTER_TRY(ReadBlock());
      if (!IsZero(block)) {
        PLATTER_CHECK(TakeHeader(block));
        continue;
      }
      if (PLATTER_TRY(AtEnd())) return LookBehindEnd();
    }
    PLATTER_CHECK(CheckNothingAnnounced());
    Add("tar.missing_end", Concern::kNone, "the archive ends without its mark", "", at_);
    index_.end = at_;
    return Done{};
  }

  // The block at `at_`, which is passed.
  Result<Block> ReadBlock() {
    Block block{};
    if (!FitsWithin(at_, kBlock, archive_.size())) {
      return Wrong("the archive ends within a block", "size", at_).Found(archive_.size());
    }
    PLATTER_CHECK(archive_.ReadAt(at_, block));
    at_ += kBlock;
    return block;
  }

  // Behind a block of zeros: whether a second one makes it the end's mark.
  Result<bool> AtEnd() {
    PLATTER_CHECK(CheckNothingAnnounced());
    if (at_ == archive_.size()) return false;
    const Block second = PLATTER_TRY(ReadBlock());
    if (IsZero(second)) {
      index_.end = at_;
      return true;
    }
    Add("tar.lone_zero_block", Concern::kAmbiguous, "more follows a lone block of zeros: some programs stop there", "",
        at_ - 2 * kBlock);
    at_ -= kBlock;
    return false;
  }

  Result<> CheckNothingAnnounced() {
    if (announced_.empty()) return Done{};
    return Wrong("the header describes a member that does not follow", "typeflag", announced_at_);
  }

  // Another archive behind the end is read by some programs and not by others.
  Result<> LookBehindEnd() {
    for (std::uint64_t passed = 0; passed < kMostPadding && at_ < archive_.size(); passed += kBlock, at_ += kBlock) {
      Block block{};
      const std::size_t length = std::min(kBlock, archive_.size() - at_);
      PLATTER_CHECK(archive_.ReadAt(at_, std::span(block).first(length)));
      if (!IsZero(block)) return AddTrailingData();
    }
    if (at_ >= archive_.size()) return Done{};
    if (!PLATTER_TRY(IsZeroFrom(at_))) return AddTrailingData();
    Add("tar.padding", Concern::kNone, "more than a tape's padding follows the archive's end", "", at_);
    return Done{};
  }

  Result<> AddTrailingData() {
    Add("tar.trailing_data", Concern::kAmbiguous, "more follows the archive's end: some programs read on", "", at_);
    return Done{};
  }

  Result<bool> IsZeroFrom(std::uint64_t at) {
    std::vector<std::byte> piece;
    while (at < archive_.size()) {
      const DataRun run = PLATTER_TRY(archive_.DataMap(at));
      const std::uint64_t end = at + run.length;
      // The last byte first: of a stream that has passed by, it is the one that is known.
      piece.resize(run.data ? 1 : 0);
      PLATTER_CHECK(archive_.ReadAt(end - piece.size(), piece));
      if (!IsZero(piece)) return false;
      for (; run.data && at < end; at += piece.size()) {
        piece.resize(std::min(kPiece, end - at));
        PLATTER_CHECK(archive_.ReadAt(at, piece));
        if (!IsZero(piece)) return false;
      }
      at = end;
    }
    return true;
  }

  Result<> TakeHeader(const Block& block) {
    const std::uint64_t at = at_ - kBlock;
    if (at == 0 && !ChecksumFits(block)) return Error(ErrorKind::kNotThisFormat, "not a tar archive");
    const Header header = PLATTER_TRY(ParseHeader(block, at));
    if (!header.numbers) {
      Add("tar.header", Concern::kAmbiguous, "a number in the header is none: some programs take the archive to end",
          "", at);
    }
    switch (header.type) {
      case kTypeGnuName:
      case kTypeGnuLink:
      case kTypePax:
      case kTypePaxGlobal:
        return TakeExtended(header, at);
      default:
        return TakeMember(header, at);
    }
  }

  Result<> TakeExtended(const Header& header, std::uint64_t at) {
    const std::string text = PLATTER_TRY(ReadExtended(header, at));
    if (header.type == kTypePaxGlobal) return TakeGlobal(text, at);
    if (announced_.empty()) announced_at_ = at;
    if (header.type == kTypePax) {
      if (announced_.pax) return Wrong("a second pax header for one member", "typeflag", at + kTypeAt);
      announced_.pax = PLATTER_TRY(ParsePax(text, at + kBlock));
      return Done{};
    }
    auto& target = header.type == kTypeGnuName ? announced_.name : announced_.link;
    if (target) return Wrong("a second long name for one member", "typeflag", at + kTypeAt);
    target = text.substr(0, text.find('\0'));
    return Done{};
  }

  // Of records for all members that follow: none that say where a member is. Go forgets what stood in front of them.
  Result<> TakeGlobal(const std::string& text, std::uint64_t at) const {
    if (!announced_.empty()) return Wrong("a global header between a member's headers", "typeflag", at + kTypeAt);
    const PaxRecords records = PLATTER_TRY(ParsePax(text, at + kBlock));
    if (!records.path && !records.link_path && !records.size && !records.sparse) return Done{};
    return Wrong("a global header gives all members one name or size", "typeflag", at + kTypeAt);
  }

  Result<std::string> ReadExtended(const Header& header, std::uint64_t at) {
    if (header.size > kMostExtended) {
      return Error(ErrorKind::kLimit, "the header's text is too long")
          .At("tar header", "size", at + kSize.offset)
          .Found(header.size)
          .Allowed(fmt::format("at most {}", kMostExtended));
    }
    PLATTER_CHECK(Spend(header.size));
    const std::uint64_t content = at_;
    PLATTER_CHECK(PassContent(header.size, at));
    std::string text(header.size, '\0');
    PLATTER_CHECK(archive_.ReadAt(content, std::as_writable_bytes(std::span(text))));
    return text;
  }

  Result<> TakeMember(const Header& header, std::uint64_t at) {
    const Announced announced = std::exchange(announced_, {});
    Names names = NamesOf(header, announced);
    Member member;
    member.type = TypeOf(header.type, names.name);
    member.name = std::move(names.name);
    member.link = std::move(names.link);
    member.header = at;
    member.size = header.size;
    if (announced.pax) ApplyPax(*announced.pax, header, member);
    if (header.sparse) TakeSparse(member);
    PLATTER_CHECK(Spend(sizeof(Member) + member.name.size() + member.link.size()));
    PLATTER_CHECK(PassSparseMap(header.sparse_continues));
    if (!HasContent(member.type) && member.size != 0) {
      Add("tar.size", Concern::kAmbiguous,
          fmt::format("a {} with content: some programs skip it, some read it as headers", TypeName(member.type)),
          std::to_string(member.size), at + kSize.offset);
      member.size = 0;
    }
    member.offset = at_;
    Judge(member);
    JudgeOtherNames(names, member);
    if (announced.pax && announced.pax->path) PLATTER_CHECK(TakeShortName(header.name, *announced.pax->path));
    const std::uint64_t size = member.size;
    // Before it is passed: of a file that is still arriving, its last member can be looked at, too.
    index_.members.push_back(std::move(member));
    return PassContent(size, at);
  }

  // What the next member is called by who passes over pax headers. Of the names that are cut where a header ends, two
  // may well be one.
  Result<> TakeShortName(const std::string& name, const std::string& whole) {
    const bool cut = name.size() + 1 >= kName.length && whole.starts_with(name);
    if (cut || name == whole) return Done{};
    PLATTER_CHECK(Spend(name.size()));
    short_names_.emplace_back(PlainName(name), index_.members.size());
    return Done{};
  }

  void ApplyPax(const PaxRecords& pax, const Header& header, Member& member) {
    if (pax.sparse && member.type == MemberType::kFile) member.type = MemberType::kSparseFile;
    if (!pax.size) return;
    member.size = *pax.size;
    if (*pax.size != header.size && *pax.size <= kLargestOctal) {
      Add("tar.size", Concern::kAmbiguous, "the member has another size to programs that know no pax headers",
          fmt::format("{} and {}", header.size, *pax.size), member.header + kSize.offset)
          .cves.emplace_back("CVE-2025-62518");
    }
  }

  void TakeSparse(Member& member) {
    if (member.type == MemberType::kFile) member.type = MemberType::kSparseFile;
    if (member.type == MemberType::kSparseFile) return;  // which is named as such
    Add("tar.sparse", Concern::kAmbiguous, "the map of a sparse file in the header of what is none", member.name,
        member.header + kGnuSparse.offset);
  }

  // The rest of a sparse file's map, which its size does not count.
  Result<> PassSparseMap(bool continues) {
    while (continues) {
      PLATTER_CHECK(Spend(kBlock));
      const Block block = PLATTER_TRY(ReadBlock());
      continues = block[kSparseMapContinuesAt] != std::byte{0};
    }
    return Done{};
  }

  Result<> PassContent(std::uint64_t size, std::uint64_t header_at) {
    const auto padded = CheckedAlignUp(size, kBlock);
    // The padding of the last member is not missed by anyone.
    if (!padded || !FitsWithin(at_, size, archive_.size())) {
      return Wrong("the member reaches past the archive's end", "size", header_at + kSize.offset)
          .Found(size)
          .Allowed(fmt::format("at most {}", archive_.size() - std::min(at_, archive_.size())));
    }
    at_ = std::min(at_ + *padded, archive_.size());
    return Done{};
  }

  Result<> Spend(std::uint64_t bytes) {
    if (bytes <= room_) {
      room_ -= bytes;
      return Done{};
    }
    return Error(ErrorKind::kLimit, "the archive's names take too much memory")
        .At("tar members", "count")
        .Found(index_.members.size());
  }

  void Judge(const Member& member) {
    const auto add = [&](std::string_view code, std::string message, const std::string& value) -> Finding& {
      return Add(code, Concern::kReference, std::move(message), value, member.header);
    };
    if (member.name.empty()) Add("tar.name", Concern::kAmbiguous, "a member without a name", "", member.header);
    JudgeName(member.name, member);
    JudgeLink(member.link, member);
    if (member.type == MemberType::kDevice || member.type == MemberType::kPipe) {
      add("tar.device", fmt::format("a {} would be made where it is unpacked", TypeName(member.type)), member.name);
    }
    if (member.type == MemberType::kOther) {
      Add("tar.type", Concern::kAmbiguous, "a member that is a file to some programs, and a header to others",
          member.name, member.header + kTypeAt);
    }
    if (member.type == MemberType::kSparseFile) {
      Add("tar.sparse", Concern::kAmbiguous, "a sparse file of GNU tar: other programs read other bytes", member.name,
          member.header);
    }
  }

  void JudgeName(const std::string& name, const Member& member) {
    if (!LeadsOut(name)) return;
    Add("tar.name", Concern::kReference, "a member's name leads out of the folder where it is unpacked", name,
        member.header)
        .cves.emplace_back("CVE-2007-4559");
  }

  void JudgeLink(const std::string& link, const Member& member) {
    if (member.type != MemberType::kHardLink && member.type != MemberType::kSymbolicLink) return;
    if (!LeadsOut(link) || (allows_link_ && allows_link_(member))) return;
    Add("tar.link", Concern::kReference, "a link leads out of the folder where it is unpacked", link, member.header);
  }

  void JudgeOtherNames(const Names& names, const Member& member) {
    for (const std::string& name : names.other_names) {
      Add("tar.name", Concern::kAmbiguous, "the member has another name to some programs", name, member.header);
      JudgeName(name, member);
    }
    for (const std::string& link : names.other_links) {
      Add("tar.link", Concern::kAmbiguous, "the link leads elsewhere to some programs", link, member.header);
      JudgeLink(link, member);
    }
  }

  // A folder may be there twice; one in the place of a file is what some programs take for the file.
  bool IsDuplicate(const Member& a, const Member& b) const {
    const bool folders[] = {a.type == MemberType::kFolder, b.type == MemberType::kFolder};
    if (!folders[0] && !folders[1]) return true;
    return folders[0] != folders[1] && (folders[0] ? b : a).type == MemberType::kFile;
  }

  void AddDuplicates() {
    std::vector<std::pair<std::string, std::size_t>> names;
    for (std::size_t at = 0; at < index_.members.size(); ++at) {
      names.emplace_back(PlainName(index_.members[at].name), at);
    }
    std::ranges::sort(names);
    for (std::size_t at = 1; at < names.size(); ++at) {
      if (names[at].first != names[at - 1].first) continue;
      if (!IsDuplicate(index_.members[names[at - 1].second], index_.members[names[at].second])) continue;
      Add("tar.duplicate", Concern::kAmbiguous, "two members of one name: some programs read the first, some the last",
          names[at].first, index_.members[names[at].second].header);
    }
    for (const auto& [name, place] : short_names_) {
      const auto found = std::ranges::lower_bound(names, std::pair(name, std::size_t{0}));
      if (found == names.end() || found->first != name || found->second == place) continue;
      if (place >= index_.members.size() || !IsDuplicate(index_.members[found->second], index_.members[place]))
        continue;
      Add("tar.duplicate", Concern::kAmbiguous, "a member has another one's name to programs that know no pax headers",
          name, index_.members[place].header);
    }
  }

  // One that is not kept, as there are many like it, lives until the next.
  Finding& Add(std::string_view code, Concern concern, std::string message, std::string value, std::uint64_t offset) {
    Finding& finding = count_.Keeps(code, concern) ? index_.findings.emplace_back() : not_kept_.emplace();
    finding.code = code;
    finding.concern = concern;
    finding.severity = concern == Concern::kNone ? Severity::kWarning : SeverityOf(concern);
    finding.offset = offset;
    finding.value = std::move(value);
    finding.message = std::move(message);
    return finding;
  }

  Storage& archive_;
  std::uint64_t room_;  // bytes that names may still take
  Index& index_;
  const AllowsLink& allows_link_;
  FindingCount count_;
  std::optional<Finding> not_kept_;
  std::uint64_t at_ = 0;                                          // host byte of the next block
  std::vector<std::pair<std::string, std::size_t>> short_names_;  // plain, and whose: in index_.members
  Announced announced_;
  std::uint64_t announced_at_ = 0;  // host byte of its first header
};

}  // namespace

MemberType TypeOf(char type, std::string_view name) noexcept {
  switch (type) {
    case kTypeFile:
    case kTypeOldFile:
    case kTypeContiguous:
      // As V7 had it: a file whose name ends in a slash.
      return name.ends_with('/') ? MemberType::kFolder : MemberType::kFile;
    case kTypeGnuSparse:
      return MemberType::kSparseFile;
    case kTypeHardLink:
      return MemberType::kHardLink;
    case kTypeSymbolicLink:
      return MemberType::kSymbolicLink;
    case kTypeCharacterDevice:
    case kTypeBlockDevice:
      return MemberType::kDevice;
    case kTypeFolder:
      return MemberType::kFolder;
    case kTypePipe:
      return MemberType::kPipe;
    default:
      return MemberType::kOther;
  }
}

bool HasContent(MemberType type) noexcept {
  return type == MemberType::kFile || type == MemberType::kSparseFile || type == MemberType::kOther;
}

std::string_view TypeName(MemberType type) noexcept {
  constexpr std::string_view kNames[] = {"file",          "sparse file", "folder", "hard link",
                                         "symbolic link", "device",      "pipe",   "other"};
  return kNames[static_cast<std::size_t>(type)];
}

Result<> ReadIndex(Storage& archive, const Limits& limits, Index& index, const AllowsLink& allows_link) {
  if (archive.size() < kBlock) return Error(ErrorKind::kNotThisFormat, "not a tar archive").In(archive.name());
  auto done = IndexReader(archive, limits, index, allows_link).Run();
  if (!done.ok()) return std::move(done).error().In(archive.name());
  return Done{};
}

std::string PlainName(std::string_view name) {
  std::string plain;
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, slash);
    name.remove_prefix(std::min(slash + 1, name.size()));
    if (part.empty() || part == ".") continue;
    if (!plain.empty()) plain += '/';
    plain += part;
  }
  return plain;
}

bool LeadsOut(std::string_view name) noexcept {
  const bool drive = name.size() >= 2 && name[1] == ':' && std::isalpha(static_cast<unsigned char>(name[0])) != 0;
  if (name.starts_with('/') || drive || name.find('\\') != std::string_view::npos) return true;
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    if (name.substr(0, slash) == "..") return true;
    name.remove_prefix(std::min(slash + 1, name.size()));
  }
  return false;
}

}  // namespace platter::tar

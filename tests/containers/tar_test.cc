// The index of tar archives: what tools write is found as other tools find it, and what a forger writes is named.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "formats/containers/tar/header.h"
#include "formats/containers/tar/index.h"
#include "formats/containers/tar/scanner.h"
#include "formats/core/memory_storage.h"
#include "tests/containers/tar_bytes.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

using tar::Index;
using tar::Member;
using tar::MemberType;

struct Reading {
  Index index;
  std::string error;  // its kind and story; "" when all was read
};

Reading Read(const std::vector<std::byte>& bytes, const Limits& limits = {}) {
  MemoryStorage archive("a.tar", bytes);
  Reading reading;
  const auto done = ReadIndex(archive, limits, reading.index);
  if (!done.ok()) reading.error = fmt::format("{}: {}", ErrorKindName(done.error().kind()), done.error().Describe());
  return reading;
}

Reading Read(const std::string& bytes) { return Read(AsBytes(bytes)); }

std::vector<std::string> Codes(const Index& index) {
  std::vector<std::string> codes;
  for (const Finding& finding : index.findings) codes.push_back(finding.code);
  return codes;
}

// "TYPE NAME SIZE DIGEST-OF-LINK" lines, as python's tarfile has them.
constexpr const char* kPythonListing = R"(
import sys, tarfile
kinds = {b"0": "file", b"\0": "file", b"1": "hard link", b"2": "symbolic link", b"5": "folder", b"6": "pipe",
         b"S": "sparse file", b"3": "device", b"4": "device"}
for m in tarfile.open(sys.argv[1]):
    kind = "sparse file" if m.issparse() else kinds[m.type]
    size = 0 if kind in ("folder", "sparse file") else m.size
    offset = 0 if kind == "sparse file" else m.offset_data
    print(kind, m.name.rstrip("/"), m.linkname, size, offset, sep="|")
)";

std::string OurListing(const Index& index) {
  std::string text;
  for (const Member& member : index.members) {
    const bool sparse = member.type == MemberType::kSparseFile;
    std::string name = member.name;
    while (name.ends_with('/')) name.pop_back();
    text += fmt::format("{}|{}|{}|{}|{}\n", TypeName(member.type), name, member.link, sparse ? 0 : member.size,
                        sparse ? 0 : member.offset);
  }
  return text;
}

struct Made {
  std::string name;
  std::vector<std::string> command;  // run in a folder of files; makes a.tar
};

void PrintTo(const Made& made, std::ostream* out) { *out << made.name; }

class TarOfTools : public testing::TestWithParam<Made> {};

TEST_P(TarOfTools, IsIndexedAsPythonReadsIt) {
  const TempDir dir;
  CommandOptions options;
  options.folder = dir.path().string();
  MustRun({"sh", "-c",
           "mkdir -p in/folder && cd in && seq 1000 > small && : > empty && seq 5000 > 'with space' && "
           "ln -s small link && ln small hard && mkfifo pipe && truncate -s 3M sparse && echo x >> sparse && "
           "n=$(printf 'n%.0s' $(seq 120)) && mkdir $n && echo y > $n/$n && ln -s $n/$n long"},
          options);
  MustRun(GetParam().command, options);
  const Reading reading = Read(FileBytes(dir.File("a.tar")));
  EXPECT_EQ(reading.error, "");
  EXPECT_EQ(OurListing(reading.index), MustRun({"python3", "-c", kPythonListing, dir.File("a.tar")}));
  EXPECT_GT(reading.index.members.size(), 3U);
  for (const char* code : {"tar.header", "tar.name", "tar.type", "tar.size", "tar.duplicate"}) {
    EXPECT_THAT(Codes(reading.index), testing::Not(testing::Contains(code)));
  }
}

std::vector<Made> Tools() {
  const auto gnu = [](const std::string& format, const std::string& words) {
    return std::vector<std::string>{"sh", "-c", "tar " + words + " --format=" + format + " -cf a.tar in"};
  };
  const auto bsd = [](const std::string& format) {
    return std::vector<std::string>{"bsdtar", "--format", format, "-cf", "a.tar", "in"};
  };
  return {
      {"GnuUstar", {"sh", "-c", "tar --format=ustar --exclude='n*' --exclude=long -cf a.tar in"}},
      {"GnuGnu", gnu("gnu", "")},
      {"GnuPax", gnu("pax", "")},
      {"GnuV7", {"sh", "-c", "tar --format=v7 --exclude='n*' --exclude=long --exclude=pipe -cf a.tar in"}},
      {"GnuOldgnu", gnu("oldgnu", "")},
      {"GnuSparse", gnu("gnu", "-S")},
      {"GnuPaxSparse00", gnu("pax", "-S --sparse-version=0.0")},
      {"GnuPaxSparse01", gnu("pax", "-S --sparse-version=0.1")},
      {"GnuPaxSparse10", gnu("pax", "-S --sparse-version=1.0")},
      {"BsdPax", bsd("pax")},
      {"BsdGnu", bsd("gnutar")},
      {"BsdUstar", {"sh", "-c", "bsdtar --format ustar --exclude 'n*' --exclude long -cf a.tar in"}},
      {"SevenZip", {"sh", "-c", "cd in && rm pipe link long hard && 7zz a -ttar ../a.tar . >/dev/null"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Writers, TarOfTools, testing::ValuesIn(Tools()),
                         [](const auto& row) { return row.param.name; });

TEST(TarOfTools, SparseFilesAreNamed) {
  const TempDir dir;
  CommandOptions options;
  options.folder = dir.path().string();
  // Ten runs: more than a header's map holds.
  MustRun({"sh", "-c",
           "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i | dd of=s seek=$((i*64)) bs=4k conv=notrunc 2>/dev/null; "
           "done; echo end > last; tar -S --format=gnu -cf gnu.tar s last; "
           "tar -S --format=pax -cf pax.tar s last"},
          options);
  for (const char* file : {"gnu.tar", "pax.tar"}) {
    const Reading reading = Read(FileBytes(dir.File(file)));
    EXPECT_EQ(reading.error, "") << file;
    ASSERT_EQ(reading.index.members.size(), 2U) << file;
    EXPECT_EQ(reading.index.members[0].name, "s");
    EXPECT_EQ(reading.index.members[0].type, MemberType::kSparseFile);
    EXPECT_EQ(reading.index.members[1].size, 4U);
    EXPECT_THAT(Codes(reading.index), testing::Contains("tar.sparse"));
  }
}

TEST(TarNumbers, AreOctalOrBase256) {
  using namespace std::string_view_literals;
  EXPECT_EQ(tar::ParseNumber("00000001750\0"sv), 1000U);
  EXPECT_EQ(tar::ParseNumber("   1750 "), 1000U);
  EXPECT_EQ(tar::ParseNumber("777777777777"), (std::uint64_t{1} << 36) - 1);
  EXPECT_EQ(tar::ParseNumber("\0\0\0"sv), 0U);
  EXPECT_EQ(tar::ParseNumber("1750 \0 "sv), 1000U);
  EXPECT_EQ(tar::ParseNumber("   "), 0U);
  EXPECT_EQ(tar::ParseNumber("\x80\0\0\0\0\0\0\2\0\0\0\0"sv), std::uint64_t{1} << 33);
  EXPECT_EQ(tar::ParseNumber("\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"sv), INT64_MAX);
  for (const auto wrong : {"12a"sv, "8"sv, "-1"sv, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"sv,
                           "\x80\0\0\0\x80\0\0\0\0\0\0\0"sv, "\x80\1\0\0\0\0\0\0\0\0\0\0"sv, "7777777777777777777777"sv,
                           "\0"
                           "1750"sv,
                           " \0"
                           "1750"sv,
                           "1750 1"sv,
                           "1750\0"
                           "1"sv,
                           "1750\0x"sv, "\x81\0\0\0\0\0\0\1"sv, "\t1750"sv}) {
    EXPECT_EQ(tar::ParseNumber(wrong), std::nullopt) << wrong;
  }
}

TEST(TarHeaders, OfOurOwnAreRead) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1000}, (std::uint64_t{1} << 33) - 1,
                                   std::uint64_t{1} << 33, std::uint64_t{0x123456789ABCDEF}}) {
    const tar::Block block = tar::MakeFileHeader("name", size);
    EXPECT_TRUE(tar::HasMagic(block));
    const auto header = tar::ParseHeader(block, 0);
    ASSERT_TRUE(header.ok()) << header.error().Describe();
    EXPECT_EQ(header.value().size, size);
    EXPECT_EQ(header.value().name, "name");
  }
}

TEST(TarHeaders, MayHaveASignedChecksum) {
  std::string member = TarMember({.name = "\xC3\xA4", .content = "x"});
  // Each of the two bytes counts 256 less.
  const auto sum = *tar::ParseNumber(std::string_view(member).substr(148, 8));
  member.replace(148, 6, fmt::format("{:06o}", sum - 512));
  const Reading reading = Read(TarArchive({member}));
  EXPECT_EQ(reading.error, "");
  ASSERT_EQ(reading.index.members.size(), 1U);
}

TEST(TarHeaders, MayNotHaveAChecksumInBase256) {
  tar::Block block = tar::MakeFileHeader("name", 0);
  // With a digit in it, as if it were octal.
  block[0] = static_cast<std::byte>(block[0]);
  std::uint64_t sum = 8 * std::uint64_t{' '};
  for (std::size_t at = 0; at < block.size(); ++at) {
    if (at < 148 || at >= 156) sum += std::to_integer<std::uint64_t>(block[at]);
  }
  const std::uint64_t wanted = (sum & ~std::uint64_t{0xFF}) | '1';
  block[0] = static_cast<std::byte>(std::to_integer<std::uint64_t>(block[0]) + wanted - sum);
  for (std::size_t byte = 0; byte < 8; ++byte) block[155 - byte] = static_cast<std::byte>(wanted >> (8 * byte));
  block[148] = std::byte{0x80};
  EXPECT_FALSE(tar::ChecksumFits(block));
}

// Of GNU's header, whose times stand where ustar has the prefix, which is one to Python; and of star's.
TEST(TarHeaders, KnowWhatIsNoPrefix) {
  const auto other = [](const TarEntry& entry, const std::string& behind = "") {
    std::string member = TarMember(entry);
    member.replace(512 - behind.size(), behind.size(), behind);
    MendTarHeader(member, 0);
    const auto header = tar::ParseHeader(std::as_bytes(std::span(member)).first<512>(), 0);
    return header.ok() ? header.value().other_name : header.error().Describe();
  };
  using namespace std::string_literals;
  const std::string gnu = "ustar  \0"s;
  EXPECT_EQ(other({.name = "a", .prefix = "b"}), std::nullopt);
  EXPECT_EQ(other({.name = "a", .magic = gnu}), std::nullopt);
  EXPECT_EQ(other({.name = "a", .prefix = "14612462517\00014612462517\0"s, .magic = gnu}), "14612462517/a");
  EXPECT_EQ(other({.name = "a", .prefix = "b", .magic = gnu}), "b/a");
  EXPECT_EQ(other({.name = "a", .prefix = "146124625170/..", .magic = gnu}), "146124625170/../a");
  EXPECT_EQ(other({.name = "a", .ustar = false, .prefix = "1"}), "1/a");
  EXPECT_EQ(other({.name = "a", .prefix = "1", .magic = "ustar1"}), "1/a");
  const std::string long_prefix(140, 'b');
  EXPECT_EQ(other({.name = "a", .prefix = long_prefix}), std::nullopt);
  EXPECT_EQ(other({.name = "a", .prefix = long_prefix}, "tar\0"s), long_prefix.substr(0, 131) + "/a");
  EXPECT_EQ(other({.name = "a", .prefix = long_prefix.substr(0, 130)}, "tar\0"s), std::nullopt);
}

TEST(TarIndex, KnowsWhereTheArchiveEnds) {
  const std::string one = TarMember({.name = "a", .content = "content"});
  EXPECT_EQ(Read(TarArchive({one})).index.end, 2048U);
  EXPECT_TRUE(Codes(Read(TarArchive({one}) + std::string(8192, '\0')).index).empty());
  EXPECT_THAT(Codes(Read(one).index), testing::ElementsAre("tar.missing_end"));
  EXPECT_THAT(Codes(Read(one + std::string(512, '\0')).index), testing::ElementsAre("tar.missing_end"));
  EXPECT_THAT(Codes(Read(TarArchive({one}) + std::string(1 << 20, '\0')).index), testing::ElementsAre("tar.padding"));
  // Without the padding of its last member.
  EXPECT_THAT(Codes(Read(one.substr(0, 512 + 7)).index), testing::ElementsAre("tar.missing_end"));
  EXPECT_THAT(Codes(Read(TarArchive({one}) + one).index), testing::ElementsAre("tar.trailing_data"));
  for (const std::size_t padding : {std::size_t{20480}, std::size_t{1} << 20}) {
    const std::string zeros(padding, '\0');
    EXPECT_THAT(Codes(Read(TarArchive({one}) + zeros + one).index), testing::ElementsAre("tar.trailing_data"));
    EXPECT_THAT(Codes(Read(TarArchive({one}) + zeros + one + zeros).index), testing::ElementsAre("tar.trailing_data"));
  }
  EXPECT_THAT(Codes(Read(one + std::string(512, '\0') + TarArchive({TarMember({.name = "b"})})).index),
              testing::ElementsAre("tar.lone_zero_block"));
}

struct Hostile {
  std::string name;
  std::string archive;
  std::string code;   // of a finding, or
  std::string error;  // what is told, where there is no index
};

void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

std::vector<Hostile> HostileArchives() {
  using namespace std::string_literals;
  const auto alone = [](const TarEntry& entry) { return TarArchive({TarMember(entry)}); };
  const std::string plain = TarMember({.name = "a", .content = "1"});
  std::string changed = plain;
  changed[3] = 'x';
  const std::string gnu_name = TarMember({.name = "././@LongLink", .content = "../y", .type = 'L'});
  const std::string gnu_link = TarMember({.name = "././@LongLink", .content = "c", .type = 'K'});
  const std::string link = TarMember({.name = "a", .type = '2', .link = "b"});
  const std::string plain_header = TarMember({.name = "hidden"});
  const auto with_field = [](std::size_t at, std::string_view field) {
    std::string member = TarMember({.name = "a", .type = 0});
    member.replace(at, field.size(), field);
    MendTarHeader(member, 0);
    return TarArchive({member});
  };
  return {
      {"AbsoluteName", alone({.name = "/etc/passwd"}), "tar.name", ""},
      {"NameOutside", alone({.name = "a/../../b"}), "tar.name", ""},
      {"NameWithBackslash", alone({.name = "..\\b"}), "tar.name", ""},
      {"NameOnADrive", alone({.name = "C:b"}), "tar.name", ""},
      {"NoName", alone({.name = ""}), "tar.name", ""},
      {"PaxNameOutside", TarArchive({TarPax({"path=../x"}), plain}), "tar.name", ""},
      {"GnuNameOutside", TarArchive({TarMember({.name = "././@LongLink", .content = "../y", .type = 'L'}), plain}),
       "tar.name", ""},
      {"LinkOutside", alone({.name = "a", .type = '2', .link = "/etc/passwd"}), "tar.link", ""},
      {"HardLinkOutside", alone({.name = "a", .type = '1', .link = "../../x"}), "tar.link", ""},
      {"PaxLinkOutside", TarArchive({TarPax({"linkpath=/x"}), TarMember({.name = "a", .type = '2', .link = "b"})}),
       "tar.link", ""},
      {"CharacterDevice", alone({.name = "null", .type = '3'}), "tar.device", ""},
      {"BlockDevice", alone({.name = "sda", .type = '4'}), "tar.device", ""},
      {"Pipe", alone({.name = "fifo", .type = '6'}), "tar.device", ""},
      {"Duplicate", TarArchive({plain, TarMember({.name = "./a", .content = "2"})}), "tar.duplicate", ""},
      {"DuplicateThroughALink", TarArchive({plain, TarMember({.name = "a", .type = '2', .link = "b"})}),
       "tar.duplicate", ""},
      {"LinkWithContent", alone({.name = "a", .type = '2', .link = "b", .size_field = "00000001000"}), "tar.size", ""},
      {"FolderWithContent", alone({.name = "a", .type = '5', .size_field = "00000001000"}), "tar.size", ""},
      {"OtherSizeWithPax", TarArchive({TarPax({"size=1"}), TarMember({.name = "a", .content = std::string(600, 'x')})}),
       "", "checksum"},
      {"SizePastTheEnd", alone({.name = "a", .size_field = "00000100000"}), "", "past the archive's end"},
      {"SizeThatWraps", alone({.name = "a", .size_field = Base256("\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF")}), "",
       "past the archive's end"},
      {"SizeBelowZero", alone({.name = "a", .size_field = std::string(12, '\xFF')}), "", "no number"},
      {"SizeOfLetters", alone({.name = "a", .size_field = "0000000000x"}), "", "no number"},
      {"PaxSizeOfLetters", TarArchive({TarPax({"size=1x"}), plain}), "", "no number"},
      {"PaxSizePastTheEnd", TarArchive({TarPax({"size=9223372036854775807"}), plain}), "", "past the archive's end"},
      {"PaxRecordTooLong", TarArchive({TarMember({.name = "p", .content = "99 path=x\n", .type = 'x'}), plain}), "",
       "not as long as it says"},
      {"PaxRecordOfNothing", TarArchive({TarMember({.name = "p", .content = "0 \n", .type = 'x'}), plain}), "",
       "not as long as it says"},
      {"PaxWithoutMember", TarArchive({TarPax({"path=x"})}), "", "does not follow"},
      {"GnuNameWithoutMember", TarMember({.name = "L", .content = "x", .type = 'L'}), "", "does not follow"},
      {"TwoPaxHeaders", TarArchive({TarPax({"path=x"}), TarPax({"path=y"}), plain}), "", "second pax header"},
      {"GlobalName", TarArchive({TarPax({"path=x"}, 'g'), plain}), "", "global header"},
      {"GlobalSize", TarArchive({TarPax({"size=512"}, 'g'), plain}), "", "global header"},
      {"LongNameOfMegabytes", TarArchive({TarMember({.name = "L", .type = 'L', .size_field = "00010000000"}), plain}),
       "", "too long"},
      {"SizeBehindANul", alone({.name = "a", .size_field = "\0001000"s}), "", "no number"},
      {"SizeInTwoParts", alone({.name = "a", .size_field = "1000 1000"}), "", "no number"},
      {"PaxNameWithNul", TarArchive({TarPax({"path=a\0x"s}), plain}), "", "a name in a record is none"},
      {"PaxLinkWithNul", TarArchive({TarPax({"linkpath=a\0x"s}), link}), "", "a name in a record is none"},
      {"PaxSparseNameWithNul", TarArchive({TarPax({"GNU.sparse.name=a\0x"s}), plain}), "",
       "a name in a record is none"},
      {"PaxKeyWithNul", TarArchive({TarPax({"path\0x=a"s}), plain}), "", "a name in a record is none"},
      {"PaxNameOfNothing", TarArchive({TarPax({"path="}), plain}), "", "a name in a record is none"},
      {"PaxLinkOfNothing", TarArchive({TarPax({"linkpath="}), link}), "", "a name in a record is none"},
      {"TwoNames", TarArchive({gnu_name, TarPax({"path=a"}), plain}), "tar.name", ""},
      {"TwoNamesTheOtherWay", TarArchive({TarPax({"path=a"}), gnu_name, plain}), "tar.name", ""},
      {"TwoLinks", TarArchive({gnu_link, TarPax({"linkpath=d"}), link}), "tar.link", ""},
      {"PaxNameOfAnother", TarArchive({TarPax({"path=b"}), plain}), "tar.name", ""},
      {"ShortNameOfAnother", TarArchive({plain, TarPax({"path=" + std::string(101, 'b')}), TarMember({.name = "a"})}),
       "tar.duplicate", ""},
      {"ShortNameOfALaterOne", TarArchive({TarPax({"path=\xC3\xA4"}), TarMember({.name = "a"}), plain}),
       "tar.duplicate", ""},
      {"PrefixOfNoUstar", alone({.name = "b", .ustar = false, .prefix = "a"}), "tar.name", ""},
      {"PrefixOfGnu", alone({.name = "b", .prefix = "../a", .magic = "ustar  \0"s}), "tar.name", ""},
      {"GlobalHeaderBetween", TarArchive({TarPax({"path=x"}), TarPax({"comment=x"}, 'g'), plain}), "",
       "between a member's headers"},
      {"SunsPaxHeader", TarArchive({TarPax({"path=x"}, 'X'), plain}), "tar.type", ""},
      {"VolumeLabel", alone({.name = "label", .content = "x", .type = 'V'}), "tar.type", ""},
      {"UnknownType", alone({.name = "a", .content = "x", .type = 'q'}), "tar.type", ""},
      {"StarsSparse", TarArchive({TarPax({"SCHILY.realsize=4"}), plain}), "tar.sparse", ""},
      {"SunsSparse", TarArchive({TarPax({"SUN.holesdata= 0 1"}), plain}), "tar.sparse", ""},
      {"SparseMapOfAFile", alone({.name = "a", .prefix = GnuSparseMap(), .magic = GnuMagic()}), "tar.sparse", ""},
      {"SparseMapOfALink",
       alone({.name = "a", .type = '2', .link = "b", .prefix = GnuSparseMap(), .magic = GnuMagic()}), "tar.sparse", ""},
      {"SizeWithHoles", alone({.name = "a", .prefix = std::string(149, '\0') + "1", .magic = GnuMagic()}), "tar.sparse",
       ""},
      {"FileThatIsAFolder", alone({.name = "a/", .content = plain_header}), "tar.size", ""},
      {"FileThatPaxMakesAFolder", TarArchive({TarPax({"path=a/"}), TarMember({.name = "a", .content = plain_header})}),
       "tar.size", ""},
      {"FolderThatPaxMakesAFile",
       TarArchive({TarPax({"path=a"}), TarMember({.name = "a/", .content = "x", .type = 0})}), "tar.name", ""},
      {"FileAndFolder", TarArchive({plain, TarMember({.name = "a/", .type = '5'})}), "tar.duplicate", ""},
      {"ModeOfLetters", with_field(100, "rw-r--r"), "tar.header", ""},
      {"TimeBehindANul", with_field(136, "\0001"s), "tar.header", ""},
      {"DeviceOfLetters", with_field(329, "x"), "tar.header", ""},
      {"ChecksumLater", TarArchive({plain, changed}), "", "checksum is wrong"},
      {"EndsWithinABlock", plain + plain.substr(0, 100), "", "within a block"},
      {"SparseMapWithoutEnd",
       TarArchive({[] {
         std::string member = TarMember({.name = "s", .type = 'S'});
         member[482] = 1;
         MendTarHeader(member, 0);
         return member + std::string(504, '\0') + std::string(8, '\1') + std::string(504, '\0') + std::string(8, '\1');
       }()})
           .substr(0, 1536),
       "", "within a block"},
  };
}

class HostileTar : public testing::TestWithParam<Hostile> {};

TEST_P(HostileTar, IsNamed) {
  const Hostile& hostile = GetParam();
  const Reading reading = Read(hostile.archive);
  if (!hostile.error.empty()) {
    EXPECT_THAT(reading.error, testing::HasSubstr(hostile.error));
    return;
  }
  EXPECT_EQ(reading.error, "");
  EXPECT_THAT(Codes(reading.index), testing::Contains(hostile.code));
}

INSTANTIATE_TEST_SUITE_P(Tar, HostileTar, testing::ValuesIn(HostileArchives()),
                         [](const auto& row) { return row.param.name; });

// What passes by is read without findings: what programs read differently is an error there.
TEST(HostileTar, IsRefusedWhileItPassesBy) {
  const std::set<std::string> rows = {"SizeBehindANul",
                                      "SizeInTwoParts",
                                      "PaxNameWithNul",
                                      "PaxLinkOfNothing",
                                      "TwoNames",
                                      "TwoNamesTheOtherWay",
                                      "TwoLinks",
                                      "PrefixOfNoUstar",
                                      "PrefixOfGnu",
                                      "GlobalHeaderBetween",
                                      "SunsPaxHeader",
                                      "VolumeLabel",
                                      "UnknownType",
                                      "StarsSparse",
                                      "SunsSparse",
                                      "SparseMapOfAFile",
                                      "SparseMapOfALink",
                                      "SizeWithHoles",
                                      "FolderThatPaxMakesAFile",
                                      "ModeOfLetters",
                                      "TimeBehindANul",
                                      "DeviceOfLetters"};
  std::size_t seen = 0;
  for (const Hostile& hostile : HostileArchives()) {
    if (!rows.contains(hostile.name)) continue;
    ++seen;
    tar::Scanner scanner([](const tar::FullMember&) { return Done{}; });
    EXPECT_FALSE(scanner.Take(AsBytes(hostile.archive)).ok()) << hostile.name;
  }
  EXPECT_EQ(seen, rows.size());
}

// As Go and Python cut them.
TEST(TarIndex, TakesNamesThatAreCutForTwo) {
  const std::string name = std::string(97, 'n') + ".py";
  const Reading reading = Read(TarArchive(
      {TarMember({.name = name}), TarPax({"path=" + name + "c"}), TarMember({.name = name, .content = "content"})}));
  EXPECT_EQ(reading.error, "");
  EXPECT_TRUE(Codes(reading.index).empty());
}

// A name whose first hundred bytes end in a slash is no folder's.
TEST(TarIndex, JudgesByTheWholeName) {
  const std::string folder = std::string(99, 'n') + "/";
  const std::string name = folder + "file";
  for (const std::string& first : {TarPax({"path=" + name}), TarMember({.name = "L", .content = name, .type = 'L'})}) {
    const Reading reading = Read(TarArchive({first, TarMember({.name = folder, .content = "content"})}));
    EXPECT_EQ(reading.error, "");
    EXPECT_TRUE(Codes(reading.index).empty());
    ASSERT_EQ(reading.index.members.size(), 1U);
    EXPECT_EQ(reading.index.members[0].type, MemberType::kFile);
    EXPECT_EQ(reading.index.members[0].size, 7U);
  }
}

TEST(HostileTar, IsNoArchiveWithoutAFirstHeader) {
  EXPECT_THAT(Read(std::string(1024, 'x')).error, testing::HasSubstr("not a tar archive"));
  EXPECT_THAT(Read("short").error, testing::HasSubstr("not a tar archive"));
}

TEST(HostileTar, TakesNoMoreMemoryThanItMay) {
  std::string archive;
  for (int count = 0; count < 4000; ++count) archive += TarMember({.name = fmt::format("file {}", count)});
  const Reading reading = Read(AsBytes(archive), {.metadata_bytes = std::uint64_t{256} << 10});
  EXPECT_THAT(reading.error, testing::HasSubstr("too much memory"));
  EXPECT_LT(reading.index.members.size(), 4000U);
  EXPECT_EQ(Read(archive).index.members.size(), 4000U);
}

// What repeats without end is kept so often that a report is the same; links that are allowed hide no other.
TEST(HostileTar, FindingsAreKeptAFewTimes) {
  std::string archive;
  for (int count = 0; count < 200; ++count) archive += TarMember({.name = "../a", .type = '3'});
  for (int count = 0; count < 200; ++count) archive += TarMember({.name = "in", .type = '2', .link = "/in"});
  archive += TarMember({.name = "out", .type = '2', .link = "/out"});
  Index index;
  MemoryStorage storage("a.tar", AsBytes(archive));
  const auto allowed = [](const Member& member) { return member.link == "/in"; };
  ASSERT_TRUE(ReadIndex(storage, {}, index, allowed).ok());
  EXPECT_EQ(index.members.size(), 401U);
  const std::vector<std::string> codes = Codes(index);
  for (const char* code : {"tar.name", "tar.device", "tar.duplicate"}) {
    EXPECT_EQ(std::ranges::count(codes, code), 64) << code;
  }
  EXPECT_EQ(std::ranges::count(codes, "tar.link"), 1);
  EXPECT_EQ(index.findings[0].offset, 0U);
  EXPECT_THAT(index.findings[0].cves, testing::ElementsAre("CVE-2007-4559"));
}

TEST(HostileTar, SizesThatPaxChangesAreNamed) {
  // The same blocks, read with and without the pax header: one member of 512 bytes, or an empty one and another.
  const std::string hidden = TarMember({.name = "hidden"});
  const Reading reading = Read(TarArchive({TarPax({"size=512"}), TarMember({.name = "a"}) + hidden}));
  EXPECT_EQ(reading.error, "");
  ASSERT_EQ(reading.index.members.size(), 1U);
  EXPECT_THAT(Codes(reading.index), testing::ElementsAre("tar.size"));
}

// Every archive cut at every block, and with every byte of its first headers changed: an answer, whatever it is.
TEST(HostileTar, CutAndChangedAnywhereIsAnswered) {
  for (const Hostile& hostile : HostileArchives()) {
    for (std::size_t length = 0; length < hostile.archive.size(); length += 256) {
      const Reading reading = Read(hostile.archive.substr(0, length));
      for (const Member& member : reading.index.members) {
        EXPECT_TRUE(!reading.error.empty() || member.offset + member.size <= length) << hostile.name;
      }
    }
  }
}

}  // namespace
}  // namespace platter::test

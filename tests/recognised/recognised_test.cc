// Formats that are named and described, and whose contents are refused; qemu-img is the second opinion where it knows
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "formats/core/bytes.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/support/command.h"
#include "tests/support/temp_dir.h"

namespace platter {
namespace {

using Bytes = std::vector<std::byte>;

void PutText(Bytes& bytes, std::size_t at, std::string_view text) {
  std::ranges::copy(std::as_bytes(std::span(text)), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

Bytes Qed() {
  Bytes bytes(65536 * 5);
  PutText(bytes, 0, std::string_view("QED\0", 4));
  StoreLe(bytes.data() + 4, 65536U);
  StoreLe(bytes.data() + 8, 4U);
  StoreLe(bytes.data() + 12, 1U);
  StoreLe(bytes.data() + 40, std::uint64_t{65536});
  StoreLe(bytes.data() + 48, std::uint64_t{10} << 20);
  return bytes;
}

Bytes Bochs(std::uint32_t version) {
  Bytes bytes(512 + 4096 * 4);
  PutText(bytes, 0, "Bochs Virtual HD Image");
  PutText(bytes, 32, "Redolog");
  PutText(bytes, 48, "Growing");
  StoreLe(bytes.data() + 64, version);
  StoreLe(bytes.data() + 68, 512U);
  StoreLe(bytes.data() + 72, 1024U);
  StoreLe(bytes.data() + 76, 1U);
  StoreLe(bytes.data() + 80, 4096U);
  StoreLe(bytes.data() + (version == 0x10000 ? 84 : 88), std::uint64_t{4} << 20);
  return bytes;
}

constexpr std::string_view kCloopScript =
    "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";

// Three blocks of 64 KiB, each 100 bytes when compressed (they are never inflated).
Bytes Cloop() {
  Bytes bytes(136 + 4 * 8 + 300);
  PutText(bytes, 0, kCloopScript);
  StoreBe(bytes.data() + 128, 65536U);
  StoreBe(bytes.data() + 132, 3U);
  for (std::uint64_t at = 0; at < 4; ++at) StoreBe(bytes.data() + 136 + at * 8, 168 + at * 100);
  return bytes;
}

Bytes Dmg() {
  Bytes bytes(4096);
  PutText(bytes, 4096 - 512, "koly");
  StoreBe(bytes.data() + 4096 - 512 + 4, 4U);
  StoreBe(bytes.data() + 4096 - 512 + 8, 512U);
  StoreBe(bytes.data() + 4096 - 512 + 492, std::uint64_t{2048});
  return bytes;
}

Bytes Cow(bool packed) {
  Bytes bytes(8192);
  PutText(bytes, 0, "OOOM");
  StoreBe(bytes.data() + 4, 2U);
  PutText(bytes, 8, "base.img");
  StoreBe(bytes.data() + (packed ? 1036 : 1040), std::uint64_t{3} << 20);
  StoreBe(bytes.data() + (packed ? 1044 : 1048), 512U);
  return bytes;
}

Bytes Luks2() {
  Bytes bytes(1 << 20);
  PutText(bytes, 0, std::string_view("LUKS\xBA\xBE\0\2", 8));
  return bytes;
}

Bytes Text(std::string_view text) {
  Bytes bytes(text.size());
  PutText(bytes, 0, text);
  return bytes;
}

constexpr std::string_view kVirtualIso =
    "--iprt-iso-maker-file-marker-bourne-sh 11111111-2222-3333-4444-555555555555\n/passwd=/etc/passwd\n";
constexpr std::string_view kCueSheet =
    "REM made by hand\nFILE \"/etc/passwd\" BINARY\n  TRACK 01 MODE1/2048\n    INDEX 01 00:00:00\n";

struct Sample {
  const char* format;
  Bytes bytes;
  std::uint64_t virtual_size;
};

std::vector<Sample> Samples() {
  return {{"qed", Qed(), 10U << 20},
          {"bochs", Bochs(0x10000), 4U << 20},
          {"bochs", Bochs(0x20000), 4U << 20},
          {"cloop", Cloop(), 3 * 65536},
          {"dmg", Dmg(), 1U << 20},
          {"cow", Cow(true), 3U << 20},
          {"cow", Cow(false), 3U << 20},
          {"luks", Luks2(), 1U << 20},
          {"viso", Text(kVirtualIso), 0},
          {"cue", Text(kCueSheet), 0}};
}

std::shared_ptr<MemoryStorage> Memory(Bytes bytes) {
  return std::make_shared<MemoryStorage>("memory", std::move(bytes));
}

Result<std::shared_ptr<Image>> Open(std::string_view format, Bytes bytes, bool contents) {
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.contents = contents;
  return FindFormat(format)->open(Memory(std::move(bytes)), context);
}

TEST(Recognised, DescribedAndNotRead) {
  for (const Sample& sample : Samples()) {
    EXPECT_EQ(ProbeFormat(*Memory(sample.bytes)).value()->name, sample.format);
    const auto image = Open(sample.format, sample.bytes, false);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    EXPECT_EQ(image.value()->info().virtual_size, sample.virtual_size) << sample.format;
    const auto refused = Open(sample.format, sample.bytes, true);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind(), ErrorKind::kUnsupported);
    EXPECT_THAT(refused.error().Describe(), testing::HasSubstr(std::string(sample.format) + " images are recognised"));
    if (sample.virtual_size == 0) continue;  // nobody knows, but for the files that are named
    Bytes sector(512);
    EXPECT_EQ(image.value()->ReadAt(0, sector).error().kind(), ErrorKind::kUnsupported);
    EXPECT_EQ(image.value()->Map(0, 512).error().kind(), ErrorKind::kUnsupported);
  }
}

TEST(Recognised, EveryCutIsSafe) {
  for (const Sample& sample : Samples()) {
    for (std::size_t size = 0; size < std::min<std::size_t>(sample.bytes.size(), 1100); size += 13) {
      const Bytes cut(sample.bytes.begin(), sample.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      (void)ProbeFormat(*Memory(cut)).ok();
      (void)Open(sample.format, cut, false).ok();
    }
    EXPECT_EQ(Open(sample.format, Bytes(4096), false).error().kind(), ErrorKind::kNotThisFormat) << sample.format;
    EXPECT_EQ(Open(sample.format, {}, false).error().kind(), ErrorKind::kNotThisFormat) << sample.format;
  }
}

struct Words {
  std::string_view text;
  const char* format;
};

TEST(Recognised, TextsAsLooseAsVirtualBoxTakesThem) {
  using namespace std::string_view_literals;
  constexpr Words kWords[] = {
      {" \t\r\n--iprt-iso-maker-file-marker=x -o a", "viso"},
      {"x --iprt-iso-maker-file-marker", "raw"},
      {"FILE a.bin MOTOROLA TRACK 01 AUDIO INDEX 01 00:00:00 ", "cue"},
      {"\r\n\tF \"a\"B\nTR 1 A", "cue"},
      {"file \"a b.wav\" wave\r\ntitle \"x\"\r\n  track 01 audio\r\n", "cue"},
      {"CATALOG 1234567890123\nTITLE \"FILE\"\nFILE \"a\" BINARY\nTRACK 01 AUDIO\n", "cue"},
      {"FILE \"a\" BINARY\n", "raw"},
      {"FILE \"a\" TRACK 01\n", "raw"},
      {"A FILE \"a\" BINARY\nTRACK 01 AUDIO\n", "raw"},
      {"FILE \"TRACK BINARY TRACK", "raw"},
      {"REM", "raw"},
      {"FILE \"a\" BINARY\n\0TRACK 01 AUDIO\n"sv, "raw"},
  };
  for (const auto& [text, format] : kWords) {
    EXPECT_EQ(ProbeFormat(*Memory(Text(text))).value()->name, format) << text;
  }
  for (const std::size_t blanks : {std::size_t{995}, std::size_t{1024}}) {
    Bytes text(blanks + 28, std::byte{' '});
    PutText(text, blanks, "--iprt-iso-maker-file-marker");
    EXPECT_EQ(ProbeFormat(*Memory(text)).value()->name, blanks < 1000 ? "viso" : "raw");
  }
}

struct Short {
  const char* format;
  Bytes bytes;
};

// qemu reads a sector of a file that is shorter, and zeros are as good to it as any header's rest.
TEST(Recognised, ByAFewBytesAsToQemu) {
  using namespace std::string_view_literals;
  const auto first = [](Bytes bytes, std::size_t length) {
    bytes.resize(length);
    return bytes;
  };
  Bytes vdi(68);
  PutText(vdi, 64, "\x7F\x10\xDA\xBE");
  const Short rows[] = {
      {"ploop", Text("WithouFreSpacExt\2"sv)},
      {"ploop", Text("WithoutFreeSpace\2"sv)},
      {"bochs", first(Bochs(0x20000), 96)},
      {"qed", Text("QED\0"sv)},
      {"qcow", Text("QFI\xFB\0\0\0\1"sv)},
      {"qcow2", Text("QFI\xFB\0\0\0\2"sv)},
      {"vdi", vdi},
      {"vhd", Text("conectix"sv)},
      {"vhdx", Text("vhdxfile"sv)},
      {"vmdk", Text("KDMV"sv)},
      {"vmdk", Text("# a comment\nversion=1\n"sv)},
      {"luks", Text("LUKS\xBA\xBE\0\1"sv)},
      {"cloop", Text(kCloopScript)},
      {"raw", Text("KDM"sv)},
      {"raw", {}},
  };
  for (const auto& [format, bytes] : rows) {
    for (const Dialect dialect : {Dialect::kPlatter, Dialect::kQemu}) {
      EXPECT_EQ(ProbeFormat(*Memory(bytes), dialect).value()->name, format);
    }
    if (format == "raw"sv) continue;
    const auto image = Open(format, bytes, true);
    ASSERT_FALSE(image.ok()) << format;
    EXPECT_NE(image.error().kind(), ErrorKind::kNotThisFormat) << format;
    EXPECT_NE(image.error().kind(), ErrorKind::kIo) << format;
  }
  EXPECT_EQ(ProbeFormat(*Memory(first(Cow(true), 20))).value()->name, "cow"sv);
}

Bytes CowOf(std::uint32_t version, std::size_t name, std::size_t size) {
  const bool big = version != 1;
  Bytes bytes(8192);
  PutText(bytes, 0, big ? "OOOM" : "MOOO");
  const auto put = [&](std::size_t at, auto value) {
    if (big) {
      StoreBe(bytes.data() + at, value);
    } else {
      StoreLe(bytes.data() + at, value);
    }
  };
  put(4, version);
  PutText(bytes, name, "base.img");
  put(size, std::uint64_t{3} << 20);
  put(size + 8, 512U);
  return bytes;
}

TEST(Recognised, CowOfEveryVersion) {
  for (const Bytes& bytes : {CowOf(1, 8, 268), CowOf(1, 8, 272), CowOf(3, 32, 12), CowOf(3, 36, 16)}) {
    EXPECT_EQ(ProbeFormat(*Memory(bytes)).value()->name, "cow");
    const auto image = Open("cow", bytes, false);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    EXPECT_EQ(image.value()->info().virtual_size, 3U << 20);
    EXPECT_EQ(image.value()->info().backing->text, "base.img");
  }
  const Bytes later = CowOf(4, 32, 12);
  EXPECT_EQ(ProbeFormat(*Memory(later)).value()->name, "cow");
  EXPECT_EQ(Open("cow", later, false).error().field(), "version");
}

// As qemu looks for the trailer in a file that is named *.dmg.
TEST(Recognised, DmgWithBytesBehindItsTrailer) {
  struct Row {
    std::size_t behind;
    const char* format;
  };
  for (const auto& [behind, format] : {Row{0, "dmg"}, Row{1, "dmg"}, Row{212, "dmg"}, Row{213, "raw"}}) {
    Bytes bytes(300);
    const Bytes image = Dmg();
    bytes.insert(bytes.end(), image.begin(), image.end());
    bytes.resize(bytes.size() + behind);
    EXPECT_EQ(ProbeFormat(*Memory(bytes)).value()->name, format) << behind;
    if (behind > 212) continue;
    const auto opened = Open("dmg", bytes, false);
    ASSERT_TRUE(opened.ok()) << opened.error().Describe();
    EXPECT_EQ(opened.value()->info().virtual_size, 1U << 20) << behind;
  }
}

TEST(Recognised, LuksByItsSecondHeader) {
  for (const std::uint64_t place : {0x4000U, 0x8000U, 0x20000U, 0x400000U}) {
    Bytes bytes(8 << 20);
    PutText(bytes, place, std::string_view("SKUL\xBA\xBE\0\2", 8));
    StoreBe(bytes.data() + place + 256, place);
    const auto image = Open("luks", bytes, false);
    ASSERT_TRUE(image.ok()) << image.error().Describe();
    EXPECT_TRUE(image.value()->info().encrypted);
    StoreBe(bytes.data() + place + 256, place + 1);
    EXPECT_EQ(Open("luks", bytes, false).error().kind(), ErrorKind::kNotThisFormat);
  }
}

struct Damage {
  const char* format;
  const char* field;
  std::size_t offset;
  std::size_t width;
  std::uint64_t value;
  bool big_endian = false;
};

constexpr std::uint64_t kMax = ~std::uint64_t{0};

TEST(Recognised, FieldsAreChecked) {
  constexpr Damage kDamages[] = {
      {"qed", "cluster_size", 4, 4, 0},
      {"qed", "cluster_size", 4, 4, 2048},
      {"qed", "cluster_size", 4, 4, 65537},
      {"qed", "cluster_size", 4, 4, kMax},
      {"qed", "table_size", 8, 4, 0},
      {"qed", "table_size", 8, 4, 3},
      {"qed", "table_size", 8, 4, 32},
      {"qed", "table_size", 8, 4, kMax},
      {"qed", "features", 16, 8, 8},
      {"qed", "features", 16, 8, kMax},
      {"qed", "image_size", 48, 8, 511},
      {"qed", "image_size", 48, 8, kMax - 511},
      {"bochs", "catalog", 72, 4, kMax},
      {"bochs", "extent", 80, 4, 0},
      {"bochs", "extent", 80, 4, 513},
      {"bochs", "extent", 80, 4, 0x1000000},
      {"bochs", "disk", 84, 8, kMax},
      {"cloop", "block_size", 128, 4, 0, true},
      {"cloop", "block_size", 128, 4, 513, true},
      {"cloop", "block_size", 128, 4, kMax, true},
      {"cloop", "num_blocks", 132, 4, kMax, true},
      {"cloop", "num_blocks", 132, 4, 1000, true},
      {"dmg", "sector_count", 4096 - 20, 8, kMax, true},
      {"cow", "size", 1036, 8, kMax, true},
  };
  const auto samples = Samples();
  for (const Damage& damage : kDamages) {
    const auto sample =
        std::ranges::find_if(samples, [&](const Sample& s) { return std::string(s.format) == damage.format; });
    Bytes bytes = sample->bytes;
    for (std::size_t at = 0; at < damage.width; ++at) {
      const std::size_t shift = 8 * (damage.big_endian ? damage.width - 1 - at : at);
      bytes[damage.offset + at] = static_cast<std::byte>(damage.value >> shift);
    }
    const auto image = Open(damage.format, bytes, false);
    ASSERT_FALSE(image.ok()) << damage.format << damage.field << damage.value;
    EXPECT_EQ(image.error().field(), damage.field) << image.error().Describe();
  }
  Bytes far = Qed();
  far[16] = std::byte{1};
  StoreLe(far.data() + 56, 0xFFFFFFF0U);
  StoreLe(far.data() + 60, 100U);
  EXPECT_EQ(Open("qed", far, false).error().field(), "backing_filename_offset");
  StoreLe(far.data() + 60, 1024U);
  EXPECT_EQ(Open("qed", far, false).error().field(), "backing_filename_size");
}

class BesideQemu : public testing::Test {
 protected:
  BesideQemu() { std::filesystem::create_symlink(PLATTER_TOOL, folder_.File("qemu-img")); }

  void Write(const Bytes& bytes) {
    std::ofstream(folder_.File("image"), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  std::string Info(const std::string& tool, const char* form) {
    return test::MustRun({tool, "info", form, "image"},
                         {.folder = folder_.path().string(), .environment = {}, .merge_streams = false});
  }
  void ExpectSameInfo() {
    for (const char* form : {"--output=human", "--output=json"})
      EXPECT_EQ(Info("./qemu-img", form), Info("qemu-img", form));
  }

  test::TempDir folder_;
};

TEST_F(BesideQemu, InfoIsTheSame) {
  Bytes cut = Bochs(0x20000);
  cut.resize(96);
  for (const Bytes& bytes :
       {Qed(), Bochs(0x10000), Bochs(0x20000), cut, Cloop(), Cow(true), Luks2(), Text(kVirtualIso), Text(kCueSheet)}) {
    Write(bytes);
    ExpectSameInfo();
  }
}

TEST_F(BesideQemu, QedAndLuksAsQemuMakesThem) {
  const auto run = [&](const std::vector<std::string>& argv) {
    test::MustRun(argv, {.folder = folder_.path().string(), .environment = {}, .merge_streams = false});
  };
  run({"qemu-img", "create", "-q", "-f", "qed", "-o", "cluster_size=4k,table_size=2", "image", "7M"});
  ExpectSameInfo();
  run({"qemu-img", "create", "-q", "-f", "raw", "base", "5M"});
  run({"qemu-img", "create", "-q", "-f", "qed", "-b", "base", "-F", "raw", "image"});
  ExpectSameInfo();
  for (const char* options : {"key-secret=s,iter-time=10",
                              "key-secret=s,iter-time=10,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256"}) {
    run({"qemu-img", "create", "-q", "-f", "luks", "--object", "secret,id=s,data=abc", "-o", options, "image", "1M"});
    ExpectSameInfo();
  }
}

TEST_F(BesideQemu, ContentsAreRefusedByName) {
  Write(Qed());
  for (const char* verb : {"map", "check"}) {
    const auto result = test::RunCommand({PLATTER_TOOL, verb, folder_.File("image")});
    EXPECT_NE(result.exit_code, 0) << verb;
    EXPECT_THAT(result.err, testing::HasSubstr("qed")) << verb;
  }
  const auto result = test::RunCommand({PLATTER_TOOL, "convert", folder_.File("image"), folder_.File("out")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              testing::HasSubstr("qed images are recognised, but not read; convert it with qemu-img first"));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("out")));
}

}  // namespace
}  // namespace platter

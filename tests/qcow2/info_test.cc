// What an image says about itself, against `qemu-img info`; its internal snapshots and bitmaps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "tests/qcow2/opened_image.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/digest.h"
#include "tests/support/image_bytes.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

std::string Json(const Detail& detail, int indent);

template <class Items, class Print>
std::string JsonBlock(char open, char close, const Items& items, int indent, Print print) {
  std::string text(1, open);
  const std::string margin(static_cast<std::size_t>(indent) + 4, ' ');
  for (std::size_t index = 0; index < items.size(); ++index) {
    text += (index == 0 ? "\n" : ",\n") + margin + print(items[index]);
  }
  return text + "\n" + std::string(static_cast<std::size_t>(indent), ' ') + close;
}

// As qemu-img prints it.
std::string Json(const Detail& detail, int indent) {
  return std::visit(
      [&](const auto& value) -> std::string {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, bool>) {
          return value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::string>) {
          return '"' + value + '"';
        } else if constexpr (std::is_same_v<T, Detail::List>) {
          return JsonBlock('[', ']', value, indent, [&](const Detail& item) { return Json(item, indent + 4); });
        } else if constexpr (std::is_same_v<T, Detail::Object>) {
          return JsonBlock('{', '}', value, indent, [&](const auto& member) {
            return '"' + member.first + "\": " + Json(member.second, indent + 4);
          });
        } else {
          return std::to_string(value);
        }
      },
      detail.value());
}

class Info : public testing::Test {
 protected:
  std::string Run(const std::string& script) {
    CommandOptions here;
    here.folder = folder_.path().string();
    return MustRun({"sh", "-ec", script}, here);
  }
  std::string Path() const { return folder_.File("disk.qcow2"); }

  TempDir folder_;
};

struct InfoCase {
  const char* name;
  const char* script;  // makes disk.qcow2
};

void PrintTo(const InfoCase& info, std::ostream* out) { *out << info.name; }

// create_luks OPTIONS, for the scripts. qemu-img measures how fast the machine derives keys; on a busy one the clock of
// its thread may not have moved meanwhile, which it reports with this message.
const std::string kCreateLuks = R"(create_luks() {
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    said=$(qemu-img create -q -f qcow2 --object secret,id=s,data=x \
           -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,$1 disk.qcow2 1M 2>&1) && return
    case $said in *'Unable to get accurate CPU usage'*) ;; *) break ;; esac
  done
  echo "$said" >&2
  return 1
}
)";

const InfoCase kInfos[] = {
    {"Defaults", "qemu-img create -q -f qcow2 disk.qcow2 1M"},
    {"Version2", "qemu-img create -q -f qcow2 -o compat=0.10 disk.qcow2 1M"},
    {"Zstd", "qemu-img create -q -f qcow2 -o compression_type=zstd disk.qcow2 1M"},
    {"LazyRefcount1", "qemu-img create -q -f qcow2 -o lazy_refcounts=on,refcount_bits=1 disk.qcow2 1M"},
    {"ExtendedL2", "qemu-img create -q -f qcow2 -o extended_l2=on disk.qcow2 1M"},
    {"DataFile", "qemu-img create -q -f qcow2 -o data_file=$PWD/data.raw disk.qcow2 1M"},
    {"DataFileRaw", "qemu-img create -q -f qcow2 -o data_file=$PWD/data.raw,data_file_raw=on disk.qcow2 1M"},
    {"Aes",
     "qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s "
     "disk.qcow2 1M"},
    {"Luks", "create_luks encrypt.hash-alg=sha256"},
    {"LuksCbcEssiv",
     "create_luks encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,"
     "encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,encrypt.hash-alg=sha1"},
    {"Bitmaps",
     "qemu-img create -q -f qcow2 disk.qcow2 1M; qemu-img bitmap --add disk.qcow2 one;"
     "qemu-img bitmap --add --disable -g 4k disk.qcow2 two"},
};

class InfoOf : public Info, public testing::WithParamInterface<InfoCase> {};

TEST_P(InfoOf, SaysWhatQemuSays) {
  Run(kCreateLuks + GetParam().script);
  const OpenedChain opened = OpenImageChain(Path());
  ASSERT_FALSE(opened.layers.empty());
  const std::string expected = Run("qemu-img info --output=json disk.qcow2");
  EXPECT_THAT(expected, testing::HasSubstr("\"data\": " + Json(opened.layers[0].image->info().specific, 8)));
}

INSTANTIATE_TEST_SUITE_P(All, InfoOf, testing::ValuesIn(kInfos), [](const auto& param) { return param.param.name; });

TEST_F(Info, EncryptedImagesAreNotRead) {
  Run("qemu-img create -q -f qcow2 --object secret,id=s,data=x "
      "-o encrypt.format=aes,encrypt.key-secret=s disk.qcow2 1M");
  const OpenedChain opened = OpenImageChain(Path());
  ASSERT_FALSE(opened.layers.empty());
  EXPECT_TRUE(opened.layers[0].image->info().encrypted);
  std::vector<std::byte> bytes(512);
  const auto outcome = opened.layers[0].image->ReadAt(0, bytes);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind(), ErrorKind::kUnsupported);
}

TEST_F(Info, WithoutContentsNoOtherFileIsOpened) {
  Run("qemu-img create -q -f qcow2 -o data_file=$PWD/data.raw disk.qcow2 1M; rm data.raw");
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  context.contents = false;
  auto file = FileStorage::Open(Path(), FileMode{});
  ASSERT_TRUE(file.ok());
  const auto image = FindFormat("qcow2")->open(std::move(file).value(), context);
  ASSERT_TRUE(image.ok()) << image.error().Describe();
  EXPECT_EQ(image.value()->info().virtual_size, 1U << 20);
  EXPECT_FALSE(image.value()->Map(0, 512).ok());
}

TEST_F(Info, UnknownExtensionsAreListed) {
  Run("qemu-img create -q -f qcow2 disk.qcow2 1M; printf '\\022\\064\\126\\170' | "
      "dd of=disk.qcow2 bs=1 seek=112 conv=notrunc 2>/dev/null");
  const OpenedChain opened = OpenImageChain(Path());
  ASSERT_FALSE(opened.layers.empty());
  const Detail* unknown = opened.layers[0].image->info().further.Find("unknown-extensions");
  ASSERT_NE(unknown, nullptr);
  EXPECT_EQ(Json(*unknown, 0), "[\n    {\n        \"type\": 305419896,\n        \"length\": 384\n    }\n]");
}

TEST_F(Info, BackingFormatIsTheHint) {
  Run("qemu-img create -q -f raw base.raw 1M; qemu-img create -q -f qcow2 -b base.raw -F raw disk.qcow2");
  const OpenedChain opened = OpenImageChain(Path());
  ASSERT_EQ(opened.layers.size(), 2U);
  EXPECT_EQ(opened.layers[0].image->info().backing->text, "base.raw");
  EXPECT_EQ(opened.layers[0].image->info().backing->format_hint, "raw");
}

TEST_F(Info, BackingNameEndsAtItsFirstZeroByte) {
  struct Case {
    std::uint32_t size;  // of the name, as the header says
    std::string_view name;
    std::string expected;  // "": no backing file
  };
  const Case cases[] = {{4, "base", "base"}, {0, "base", ""}, {4, {"ba\0e", 4}, "ba"}, {4, {"\0ase", 4}, ""}};
  Run("truncate -s 1M base");
  for (const std::string format : {"qcow", "qcow2"}) {
    Run("qemu-img create -q -f " + format + " -b base -F raw disk");
    const std::vector<std::byte> image = FileBytes(folder_.File("disk"));
    for (const auto& [size, name, expected] : cases) {
      std::vector<std::byte> bytes = image;
      StoreBe(&bytes.at(16), size);
      std::ranges::copy(std::as_bytes(std::span(name)), &bytes.at(LoadBe<std::uint64_t>(&bytes.at(8))));
      const auto opened = OpenAlone(*FindFormat(format), InMemory(std::move(bytes)));
      ASSERT_TRUE(opened.ok()) << opened.error().Describe();
      const auto& backing = opened.value()->info().backing;
      EXPECT_EQ(backing ? backing->text : "", expected) << format;
      EXPECT_EQ(backing.has_value(), !expected.empty()) << format;
    }
  }
}

TEST_F(Info, SnapshotsKeepTheirDisks) {
  Run("qemu-img create -q -f qcow2 disk.qcow2 1M; qemu-io -c 'write -P 1 0 300k' disk.qcow2;"
      "qemu-img snapshot -c first disk.qcow2; qemu-io -c 'write -P 2 100k 300k' disk.qcow2;"
      "qemu-img snapshot -c second disk.qcow2; qemu-img resize -q disk.qcow2 2M;"
      "qemu-io -c 'write -P 3 200k 1400k' disk.qcow2");
  const OpenedChain opened = OpenImageChain(Path());
  ASSERT_FALSE(opened.layers.empty());
  Snapshots* snapshots = opened.layers[0].image->snapshots();
  ASSERT_NE(snapshots, nullptr);
  ASSERT_EQ(snapshots->snapshots().size(), 2U);
  const std::string said = Run("qemu-img info --output=json disk.qcow2");
  for (std::size_t index = 0; index < 2; ++index) {
    const SnapshotInfo& info = snapshots->snapshots()[index];
    EXPECT_THAT(said, testing::HasSubstr("\"name\": \"" + info.name + "\""));
    EXPECT_THAT(said, testing::HasSubstr("\"date-sec\": " + std::to_string(info.date_seconds) + ","));
    EXPECT_THAT(said, testing::HasSubstr("\"date-nsec\": " + std::to_string(info.date_nanoseconds) + ","));
    EXPECT_EQ(info.id, std::to_string(index + 1));
    EXPECT_EQ(info.virtual_size, 1U << 20);
    const auto disk = snapshots->OpenSnapshot(index);
    ASSERT_TRUE(disk.ok()) << disk.error().Describe();
    // qemu-img 7.2 gives a snapshot the size of the active disk.
    Run("qemu-img convert -l " + info.name + " -O raw disk.qcow2 out.raw; truncate -s 1M out.raw");
    EXPECT_EQ(Sha256OfGuest(Chain({disk.value()})), Sha256OfFile(folder_.File("out.raw")));
  }
  EXPECT_FALSE(snapshots->OpenSnapshot(2).ok());
}

TEST_F(Info, BitmapsShowWhatWasWritten) {
  Run("qemu-img create -q -f qcow2 -o cluster_size=4k disk.qcow2 " + std::to_string((64 << 20) + 512) +
      "; qemu-img bitmap --add -g 512 disk.qcow2 b;"
      "qemu-io -c 'write -P 1 0 512' -c 'write -P 1 1M 8k' -c 'write -z 16M 40M' -c 'write -P 1 64M 512' disk.qcow2");
  const OpenedChain opened = OpenImageChain(Path());
  ASSERT_FALSE(opened.layers.empty());
  Bitmaps* bitmaps = opened.layers[0].image->bitmaps();
  ASSERT_NE(bitmaps, nullptr);
  ASSERT_EQ(bitmaps->bitmaps().size(), 1U);
  EXPECT_EQ(bitmaps->bitmaps()[0].granularity, 512U);
  EXPECT_FALSE(bitmaps->bitmaps()[0].in_use);
  EXPECT_TRUE(bitmaps->bitmaps()[0].automatic);
  const std::size_t count = (128 << 10) + 1;
  std::vector<bool> expected(count);
  const auto mark = [&](std::size_t from, std::size_t bits) {
    std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(from), bits, true);
  };
  mark(0, 1);
  mark(2 << 10, 16);
  mark(32 << 10, 80 << 10);
  mark(128 << 10, 1);
  std::vector<std::byte> bits(count / 8 + 3);  // reaches past the last bit
  for (const std::size_t piece : {bits.size(), std::size_t{1000}}) {
    for (std::size_t at = 0; at < bits.size(); at += piece) {
      const auto part = std::span(bits).subspan(at, std::min(piece, bits.size() - at));
      const auto outcome = bitmaps->ReadBitmap(0, at * 8, part);
      ASSERT_TRUE(outcome.ok()) << outcome.error().Describe();
    }
    for (std::size_t bit = 0; bit < bits.size() * 8; ++bit) {
      const bool set = (bits[bit / 8] >> bit % 8 & std::byte{1}) != std::byte{0};
      ASSERT_EQ(set, bit < count && expected[bit]) << bit;
    }
  }
}

}  // namespace
}  // namespace platter::test

// Kernels: Debian's, what is packed inside them, and headers made by hand for what Debian's amd64 does not have.
#include "formats/amazon/kernel.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "formats/core/bytes.h"
#include "tests/amazon/files.h"

namespace platter::amazon {
namespace {

Kernel Recognise(std::vector<std::byte> bytes) {
  auto kernel = RecogniseKernel(*File(std::move(bytes)));
  if (!kernel.ok() || !kernel.value()) {
    ADD_FAILURE() << (kernel.ok() ? "nothing recognised" : kernel.error().Describe());
    return {};
  }
  return *kernel.value();
}

bool Recognised(std::vector<std::byte> bytes) {
  const auto kernel = RecogniseKernel(*File(std::move(bytes)));
  EXPECT_TRUE(kernel.ok());
  return kernel.ok() && kernel.value().has_value();
}

std::vector<std::byte> Head(std::vector<std::byte> bytes, std::size_t size) {
  bytes.resize(size);
  return bytes;
}

TEST(Kernel, DebiansKernelsAreWhatFileSaysTheyAre) {
  for (const std::string& path : {DebianInstaller("linux"), CloudKernel()}) {
    const Kernel kernel = Recognise(ReadFile(path));
    EXPECT_EQ(kernel.type, "bzImage");
    EXPECT_EQ(kernel.architecture, "x86_64");
    EXPECT_EQ(kernel.boot_protocol, "2.15");
    EXPECT_TRUE(kernel.relocatable);
    EXPECT_TRUE(kernel.efi_stub);
    EXPECT_TRUE(kernel.findings.empty()) << kernel.findings.front();
    EXPECT_FALSE(kernel.compression.empty());
    EXPECT_THAT(test::MustRun({"file", "-b", path}), testing::HasSubstr("bzImage, version " + kernel.version + ","));
  }
}

// The kernel proper, taken out of its shell by the offsets in its header.
std::vector<std::byte> Payload(const std::string& path) {
  const auto bytes = ReadFile(path);
  const std::size_t setup = (std::to_integer<std::size_t>(bytes[0x1F1]) + 1) * 512;
  const auto offset = setup + LoadLe<std::uint32_t>(bytes.data() + 0x248);
  const auto length = LoadLe<std::uint32_t>(bytes.data() + 0x24C);
  return {bytes.begin() + static_cast<std::ptrdiff_t>(offset),
          bytes.begin() + static_cast<std::ptrdiff_t>(offset + length - 4)};  // its length stands behind it
}

TEST(Kernel, VmlinuxPlainAndCompressed) {
  const test::TempDir folder;
  const auto payload = Payload(DebianInstaller("linux"));
  const Kernel packed = Recognise(payload);
  EXPECT_EQ(packed.type, "vmlinux");
  EXPECT_EQ(packed.compression, "xz");
  std::ofstream(folder.File("vmlinux.xz"), std::ios::binary)
      .write(reinterpret_cast<const char*>(payload.data()), static_cast<std::streamsize>(payload.size()));
  test::MustRun({"sh", "-c", "xz -dc \"$0/vmlinux.xz\" | head -c 400000 >\"$0/head\"", folder.path().string()});
  const auto head = ReadFile(folder.File("head"));
  const Kernel plain = Recognise(head);
  EXPECT_EQ(plain.type, "vmlinux");
  EXPECT_EQ(plain.architecture, "x86_64");
  EXPECT_EQ(plain.compression, "");
  EXPECT_THAT(plain.findings, testing::ElementsAre(testing::StartsWith("truncated")));
  for (const char* tool : {"gzip -1", "zstd -q", "lz4 -q -l", "lz4 -q", "bzip2", "xz -0", "xz -0 --format=lzma"}) {
    const std::string command = std::string(tool) + " -c <\"$0/head\" >\"$0/packed\"";
    test::MustRun({"sh", "-c", command, folder.path().string()});
    const Kernel kernel = Recognise(ReadFile(folder.File("packed")));
    EXPECT_EQ(kernel.type, "vmlinux") << tool;
    EXPECT_THAT(std::string(tool), testing::AnyOf(testing::StartsWith(std::string(kernel.compression)),
                                                  testing::EndsWith(std::string(kernel.compression))));
  }
}

TEST(Kernel, ProgramsAreNoKernels) {
  EXPECT_FALSE(Recognised(ReadFile("/bin/true")));
  EXPECT_FALSE(Recognised(Head(ReadFile(PLATTER_TOOL), 1 << 20)));
  EXPECT_FALSE(Recognised(ReadFile(DebianInstaller("grubx64.efi"))));
  EXPECT_FALSE(Recognised({}));
  EXPECT_FALSE(Recognised(std::vector<std::byte>(4096)));
}

struct Row {
  std::size_t offset;
  std::size_t width;
  std::uint64_t value;
  const char* finding;  // null: no kernel any more
};

std::vector<std::byte> Patched(std::vector<std::byte> bytes, const Row& row) {
  for (std::size_t at = 0; at < row.width; ++at) bytes[row.offset + at] = static_cast<std::byte>(row.value >> (8 * at));
  return bytes;
}

constexpr std::uint64_t kMax = ~std::uint64_t{0};

void ExpectRows(const std::vector<std::byte>& sound, std::span<const Row> rows) {
  EXPECT_THAT(Recognise(sound).findings, testing::IsEmpty());
  for (const Row& row : rows) {
    if (row.finding == nullptr) {
      EXPECT_FALSE(Recognised(Patched(sound, row))) << row.offset << " " << row.value;
    } else {
      EXPECT_THAT(Recognise(Patched(sound, row)).findings, testing::Contains(testing::HasSubstr(row.finding)))
          << row.offset << " " << row.value;
    }
  }
}

TEST(Kernel, SetupHeaderFields) {
  constexpr Row kRows[] = {
      {0x202, 4, 0, nullptr},
      {0x1F1, 1, 0, "kernel_version"},  // four sectors: the version lies behind them
      {0x1F1, 1, 255, "truncated"},
      {0x1F4, 4, 0, "syssize"},
      {0x1F4, 4, kMax, "truncated"},
      {0x1FE, 2, 0, nullptr},
      {0x1FE, 2, 0x55AA, nullptr},
      {0x206, 2, 0x1FF, nullptr},
      {0x206, 2, 0xFFFF, nullptr},
      {0x20E, 2, 0xFFFF, "kernel_version"},
      {0x234, 1, 2, "relocatable_kernel"},
      {0x248, 4, kMax, "payload_offset"},
      {0x24C, 4, kMax, "payload_offset"},
  };
  ExpectRows(ReadFile(DebianInstaller("linux")), kRows);
}

TEST(Kernel, OlderProtocolsSayLess) {
  auto bytes = ReadFile(DebianInstaller("linux"));
  bytes = Patched(bytes, {0x206, 2, 0x204, ""});
  bytes = Patched(bytes, {0x211, 1, 0, ""});
  bytes = Patched(bytes, {0x20E, 2, 0, ""});
  const Kernel kernel = Recognise(bytes);
  EXPECT_EQ(kernel.type, "zImage");
  EXPECT_EQ(kernel.architecture, "x86");
  EXPECT_EQ(kernel.boot_protocol, "2.04");
  EXPECT_FALSE(kernel.relocatable);
  EXPECT_EQ(kernel.version, "");
  EXPECT_EQ(kernel.compression, "");
}

TEST(Kernel, ACutKernelIsAFinding) {
  const auto bytes = ReadFile(CloudKernel());
  for (const std::size_t size : {std::size_t{1024}, std::size_t{20000}, bytes.size() / 2}) {
    EXPECT_THAT(Recognise(Head(bytes, size)).findings, testing::Contains(testing::StartsWith("truncated")));
  }
  EXPECT_FALSE(Recognised(Head(bytes, 1023)));
}

std::vector<std::byte> FlatImage(std::uint32_t magic) {
  std::vector<std::byte> bytes(8192);
  std::memcpy(bytes.data(), "MZ", 2);
  StoreLe(bytes.data() + 16, std::uint64_t{8192});
  StoreLe(bytes.data() + 56, magic);
  StoreLe(bytes.data() + 60, std::uint32_t{64});
  std::memcpy(bytes.data() + 64, "PE\0\0", 4);
  return bytes;
}

TEST(Kernel, FlatImages) {
  const auto arm64 = FlatImage(0x644D5241);
  EXPECT_EQ(Recognise(arm64).architecture, "arm64");
  EXPECT_TRUE(Recognise(arm64).efi_stub);
  EXPECT_EQ(Recognise(FlatImage(0x05435352)).architecture, "riscv");
  constexpr Row kRows[] = {
      {56, 4, 0, nullptr},
      {8, 8, kMax, "text_offset"},
      {8, 8, 2097153, "text_offset"},
      {16, 8, kMax, "image_size"},
      {16, 8, (1ULL << 32) + 1, "image_size"},
  };
  ExpectRows(arm64, kRows);
  for (const std::uint64_t pe : {std::uint64_t{0}, std::uint64_t{8190}, kMax}) {
    EXPECT_FALSE(Recognise(Patched(arm64, {60, 4, pe, ""})).efi_stub);
  }
}

TEST(Kernel, Zboot) {
  std::vector<std::byte> bytes(8192);
  std::memcpy(bytes.data(), "MZ\0\0zimg", 8);
  StoreLe(bytes.data() + 8, std::uint32_t{4096});
  StoreLe(bytes.data() + 12, std::uint32_t{4096});
  std::memcpy(bytes.data() + 24, "zstd22", 6);
  EXPECT_EQ(Recognise(bytes).type, "zboot");
  EXPECT_EQ(Recognise(bytes).compression, "zstd");
  constexpr Row kRows[] = {
      {4, 4, 0, nullptr},
      {8, 4, 0, "payload_offset"},
      {8, 4, kMax, "payload_offset"},
      {8, 4, 63, "payload_offset"},
      {8, 4, 4097, "payload_offset"},
      {12, 4, 0, "payload_offset"},
      {12, 4, 4097, "payload_offset"},
      {24, 8, 0, "comp_type"},
      {24, 8, kMax, "comp_type"},
  };
  ExpectRows(bytes, kRows);
}

TEST(Kernel, ZImageOfArm) {
  std::vector<std::byte> bytes(4096);
  StoreLe(bytes.data() + 36, std::uint32_t{0x016F2818});
  StoreLe(bytes.data() + 44, std::uint32_t{4096});
  EXPECT_EQ(Recognise(bytes).architecture, "arm");
  constexpr Row kRows[] = {{36, 4, 0, nullptr}, {40, 4, 4096, "end"}, {44, 4, 0, "end"}, {44, 4, 4097, "truncated"}};
  ExpectRows(bytes, kRows);
}

TEST(Kernel, UImage) {
  std::vector<std::byte> bytes(4096);
  StoreBe(bytes.data(), std::uint32_t{0x27051956});
  StoreBe(bytes.data() + 12, std::uint32_t{4032});
  bytes[30] = std::byte{2};
  std::memcpy(bytes.data() + 32, "Linux-6.1", 9);
  StoreBe(bytes.data() + 4, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), 64)));
  EXPECT_EQ(Recognise(bytes).version, "Linux-6.1");
  constexpr Row kRows[] = {
      {0, 4, 0, nullptr}, {30, 1, 3, nullptr}, {4, 4, 0, "ih_hcrc"}, {32, 1, 0, "ih_hcrc"}, {12, 4, kMax, "truncated"}};
  ExpectRows(bytes, kRows);
}

std::vector<std::byte> Elf() {
  std::vector<std::byte> bytes(8192);
  std::memcpy(bytes.data(),
              "\x7F"
              "ELF\x02\x01\x01",
              7);
  StoreLe(bytes.data() + 16, std::uint16_t{2});
  StoreLe(bytes.data() + 18, std::uint16_t{62});
  StoreLe(bytes.data() + 32, std::uint64_t{64});
  StoreLe(bytes.data() + 54, std::uint16_t{56});
  StoreLe(bytes.data() + 56, std::uint16_t{2});
  StoreLe(bytes.data() + 64, std::uint32_t{1});
  StoreLe(bytes.data() + 64 + 16, std::uint64_t{0xFFFFFFFF81000000});
  StoreLe(bytes.data() + 64 + 32, std::uint64_t{8192});
  return bytes;
}

TEST(Kernel, VmlinuxFields) {
  constexpr Row kRows[] = {
      {0, 4, 0, nullptr},         {4, 1, 1, nullptr},         {5, 1, 2, nullptr},         {32, 8, kMax, nullptr},
      {32, 8, 8192, nullptr},     {54, 2, 0, nullptr},        {54, 2, 55, nullptr},       {56, 2, 0, nullptr},
      {56, 2, 0xFFFF, nullptr},   {64, 4, 3, nullptr},        {120, 4, 3, nullptr},       {80, 8, 0x400000, nullptr},
      {72, 8, kMax, "truncated"}, {96, 8, 8193, "truncated"}, {96, 8, kMax, "truncated"},
  };
  ExpectRows(Elf(), kRows);
}

}  // namespace
}  // namespace platter::amazon

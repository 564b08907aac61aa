#include "formats/amazon/kernel.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "formats/amazon/compression.h"
#include "formats/amazon/finding.h"
#include "formats/amazon/layout.h"
#include "formats/amazon/x86_kernel.h"
#include "formats/core/checked.h"

namespace platter::amazon {
namespace {

using Bytes = std::span<const std::byte>;

std::string Truncated(std::uint64_t needed, std::uint64_t file_size) {
  return fmt::format("truncated: the kernel has {} bytes, the file {}", needed, file_size);
}

// arm64 and RISC-V.
std::optional<Kernel> FlatImage(Bytes head, std::uint64_t /*file_size*/) {
  if (head.size() < FlatImageHeader::kSize) return std::nullopt;
  const RecordView<FlatImageHeader> header(head.first<FlatImageHeader::kSize>());
  const auto magic = header.Get<FlatImageHeader::kMagic>();
  if (magic != FlatImageHeader::kArm64 && magic != FlatImageHeader::kRiscV) return std::nullopt;
  Kernel kernel;
  kernel.type = "Image";
  kernel.architecture = magic == FlatImageHeader::kArm64 ? "arm64" : "riscv";
  kernel.efi_stub = HasPeHeader(head, header.Get<FlatImageHeader::kPeOffset>());
  kernel.reason = fmt::format("{} image magic at 56", kernel.architecture);
  // What the kernel takes in memory, .bss included: the file may be shorter. 0: a kernel from before Linux 3.17.
  const auto image_size = header.Get<FlatImageHeader::kImageSize>();
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 32;
  if (image_size > kLargest) {
    kernel.findings.push_back(Finding("kernel header is damaged", "image header", "image_size", 16, image_size,
                                      fmt::format("0 to {}", kLargest)));
  }
  constexpr std::uint64_t kTextAlignment = 2U << 20;
  const auto text = header.Get<FlatImageHeader::kTextOffset>();
  if (text > kTextAlignment) {
    kernel.findings.push_back(
        Finding("kernel header is damaged", "image header", "text_offset", 8, text, "0 to 2097152"));
  }
  return kernel;
}

std::optional<Kernel> Zboot(Bytes head, std::uint64_t file_size) {
  if (head.size() < ZbootHeader::kSize || std::memcmp(head.data(), "MZ", 2) != 0) return std::nullopt;
  if (std::memcmp(head.data() + ZbootHeader::kMagic, ZbootHeader::kMagicText, 4) != 0) return std::nullopt;
  const RecordView<ZbootHeader> header(head.first<ZbootHeader::kSize>());
  Kernel kernel;
  kernel.type = "zboot";
  kernel.efi_stub = HasPeHeader(head, header.Get<ZbootHeader::kPeOffset>());
  kernel.reason = "EFI zboot header \"zimg\" at 4";
  const std::uint64_t offset = header.Get<ZbootHeader::kPayloadOffset>();
  const std::uint64_t size = header.Get<ZbootHeader::kPayloadSize>();
  if (offset < ZbootHeader::kSize || size == 0 || !FitsWithin(offset, size, file_size)) {
    kernel.findings.push_back(Finding("compressed kernel lies outside the file", "zboot header", "payload_offset", 8,
                                      fmt::format("{} + {}", offset, size), fmt::format("64 to {}", file_size)));
  }
  constexpr std::array<std::string_view, 6> kNames = {"gzip", "lz4", "lzma", "lzo", "xz", "zstd"};
  const auto* text = reinterpret_cast<const char*>(head.data() + ZbootHeader::kCompression);
  const std::string_view name(text, strnlen(text, ZbootHeader::kCompressionBytes));
  const auto known = std::ranges::find_if(kNames, [&](std::string_view n) {
    return name == n || (n == "xz" && name.starts_with("xz")) || (n == "zstd" && name.starts_with("zstd"));
  });
  if (known != kNames.end()) {
    kernel.compression = *known;
  } else {
    kernel.findings.push_back(Finding("kernel header is damaged", "zboot header", "comp_type", 24, std::string(name),
                                      "gzip, lz4, lzma, lzo, xz, zstd"));
  }
  return kernel;
}

std::optional<Kernel> ZImage(Bytes head, std::uint64_t file_size) {
  if (head.size() < ZImageHeader::kSize) return std::nullopt;
  const RecordView<ZImageHeader> header(head.first<ZImageHeader::kSize>());
  if (header.Get<ZImageHeader::kMagic>() != ZImageHeader::kMagicValue) return std::nullopt;
  Kernel kernel;
  kernel.type = "zImage";
  kernel.architecture = "arm";
  kernel.reason = "arm zImage magic at 36";
  const std::uint64_t start = header.Get<ZImageHeader::kStart>();
  const std::uint64_t end = header.Get<ZImageHeader::kEnd>();
  if (end <= start) {
    kernel.findings.push_back(
        Finding("kernel header is damaged", "zImage header", "end", 44, end, fmt::format("above {}", start)));
  } else if (end - start > file_size) {
    kernel.findings.push_back(Truncated(end - start, file_size));
  }
  return kernel;
}

struct UImageHeader {
  static constexpr std::size_t kSize = 64;
  static constexpr Be<std::uint32_t> kMagic{0};
  static constexpr Be<std::uint32_t> kHeaderCrc{4};
  static constexpr Be<std::uint32_t> kDataSize{12};
  static constexpr Be<std::uint8_t> kImageType{30};  // 2: kernel
  static constexpr std::size_t kName = 32;
  static constexpr std::uint32_t kMagicValue = 0x27051956;
};

std::optional<Kernel> UImage(Bytes head, std::uint64_t file_size) {
  if (head.size() < UImageHeader::kSize) return std::nullopt;
  const RecordView<UImageHeader> header(head.first<UImageHeader::kSize>());
  if (header.Get<UImageHeader::kMagic>() != UImageHeader::kMagicValue) return std::nullopt;
  if (header.Get<UImageHeader::kImageType>() != 2) return std::nullopt;
  Kernel kernel;
  kernel.type = "uImage";
  kernel.reason = "U-Boot header 0x27051956 at 0, image type 2";
  const auto* name = reinterpret_cast<const char*>(head.data() + UImageHeader::kName);
  for (const char c : std::string_view(name, strnlen(name, 32))) kernel.version += c < 0x20 || c == 0x7F ? '?' : c;
  std::array<std::byte, UImageHeader::kSize> zeroed{};
  std::ranges::copy(head.first<UImageHeader::kSize>(), zeroed.begin());
  StoreBe(zeroed.data() + 4, std::uint32_t{0});
  const auto computed =
      static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(zeroed.data()), zeroed.size()));
  if (const auto stored = header.Get<UImageHeader::kHeaderCrc>(); stored != computed) {
    kernel.findings.push_back(Finding("kernel header is damaged", "U-Boot header", "ih_hcrc", 4,
                                      fmt::format("{:#x}", stored), fmt::format("{:#x}", computed)));
  }
  const std::uint64_t needed = UImageHeader::kSize + std::uint64_t{header.Get<UImageHeader::kDataSize>()};
  if (needed > file_size) kernel.findings.push_back(Truncated(needed, file_size));
  return kernel;
}

std::string_view ElfArchitecture(std::uint16_t machine) {
  using Row = std::pair<std::uint16_t, std::string_view>;
  constexpr std::array kMachines = {Row{3, "x86"},     Row{21, "ppc64"},  Row{22, "s390x"},     Row{62, "x86_64"},
                                    Row{183, "arm64"}, Row{243, "riscv"}, Row{258, "loongarch"}};
  const auto found = std::ranges::find(kMachines, machine, &Row::first);
  return found == kMachines.end() ? "" : found->second;
}

// A program's segments lie in the lower half of the address space, and it asks for an interpreter unless it is static;
// the kernel's lie in the upper half.
std::optional<Kernel> Vmlinux(Bytes head, std::uint64_t file_size) {
  if (head.size() < ElfHeader64::kSize || std::memcmp(head.data(), ElfHeader64::kMagicText, 4) != 0) {
    return std::nullopt;
  }
  const RecordView<ElfHeader64> header(head.first<ElfHeader64::kSize>());
  if (header.Get<ElfHeader64::kClass>() != 2 || header.Get<ElfHeader64::kData>() != 1) return std::nullopt;
  const std::uint64_t offset = header.Get<ElfHeader64::kProgramOffset>();
  const std::size_t count = header.Get<ElfHeader64::kProgramCount>();
  const std::size_t size = header.Get<ElfHeader64::kProgramEntrySize>();
  if (count == 0 || size != ElfProgram64::kSize || !FitsWithin(offset, count * size, head.size())) return std::nullopt;
  bool upper_half = false;
  std::uint64_t needed = 0;
  for (std::size_t index = 0; index < count; ++index) {
    const RecordView<ElfProgram64> program(head.subspan(offset + index * size).first<ElfProgram64::kSize>());
    constexpr std::uint32_t kLoad = 1;
    constexpr std::uint32_t kInterpreter = 3;
    if (program.Get<ElfProgram64::kType>() == kInterpreter) return std::nullopt;
    if (program.Get<ElfProgram64::kType>() != kLoad) continue;
    upper_half = upper_half || program.Get<ElfProgram64::kVirtualAddress>() >> 63 != 0;
    const auto end = CheckedAdd(program.Get<ElfProgram64::kOffset>(), program.Get<ElfProgram64::kFileBytes>());
    needed = std::max(needed, end.value_or(~std::uint64_t{0}));
  }
  if (!upper_half) return std::nullopt;
  Kernel kernel;
  kernel.type = "vmlinux";
  kernel.architecture = ElfArchitecture(header.Get<ElfHeader64::kMachine>());
  kernel.reason = "ELF executable whose segments are loaded into the kernel's half of the address space";
  if (needed > file_size) kernel.findings.push_back(Truncated(needed, file_size));
  return kernel;
}

std::optional<Kernel> Recognise(Bytes head, std::uint64_t file_size) {
  for (const auto recognise : {RecogniseX86Kernel, FlatImage, Zboot, ZImage, UImage, Vmlinux}) {
    if (auto kernel = recognise(head, file_size)) return kernel;
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<Kernel>> RecogniseKernel(Storage& file) {
  std::vector<std::byte> head(std::min<std::uint64_t>(file.size(), kLargestSetup));
  PLATTER_CHECK(file.ReadAt(0, head));
  // What starts as a compressed stream is what that holds: marks further on are its own bytes.
  const auto compression = FindCompression(head);
  if (!compression) return Recognise(head, file.size());
  const auto inside = PLATTER_TRY(Decompress(file, 0, *compression));
  // How long the whole is, nobody knows yet.
  auto kernel = Recognise(inside, ~std::uint64_t{0} >> 1);
  if (!kernel) return kernel;
  kernel->compression = CompressionName(*compression);
  kernel->reason = fmt::format("{}-compressed: {}", kernel->compression, kernel->reason);
  return kernel;
}

}  // namespace platter::amazon

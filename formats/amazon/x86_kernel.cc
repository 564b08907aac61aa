#include "formats/amazon/x86_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "formats/amazon/compression.h"
#include "formats/amazon/finding.h"
#include "formats/amazon/layout.h"
#include "formats/core/checked.h"

namespace platter::amazon {
namespace {

using Bytes = std::span<const std::byte>;
constexpr std::string_view kStructure = "setup header";
constexpr std::uint64_t kSector = 512;

class X86Reader {
 public:
  X86Reader(Bytes head, std::uint64_t file_size)
      : head_(head), file_size_(file_size), header_(head.first<SetupHeader::kSize>()) {}

  Kernel Read() {
    protocol_ = header_.Get<SetupHeader::kProtocol>();
    const std::uint64_t sectors = header_.Get<SetupHeader::kSetupSectors>();
    setup_end_ = ((sectors == 0 ? 4 : sectors) + 1) * kSector;
    kernel_.boot_protocol = fmt::format("{}.{:02}", protocol_ >> 8, protocol_ & 0xFFU);
    kernel_.type = (header_.Get<SetupHeader::kLoadFlags>() & 1U) != 0 ? "bzImage" : "zImage";
    kernel_.architecture = "x86";
    CheckSize();
    ReadVersion();
    ReadFlags();
    if (protocol_ >= 0x208) ReadPayload();
    kernel_.efi_stub = HasPeHeader(head_, LoadLe<std::uint32_t>(head_.data() + 60));
    kernel_.reason = fmt::format("setup header \"HdrS\" at 0x202; boot protocol {}", kernel_.boot_protocol);
    return std::move(kernel_);
  }

 private:
  template <class T>
  void Bad(std::string_view field, std::size_t at, T found, std::string allowed) {
    kernel_.findings.push_back(Finding("kernel header is damaged", kStructure, field, at, found, std::move(allowed)));
  }

  std::uint64_t system_bytes() const { return std::uint64_t{header_.Get<SetupHeader::kSysSize>()} * 16; }

  void CheckSize() {
    if (system_bytes() == 0) Bad("syssize", 0x1F4, 0, "at least 1");
    const std::uint64_t needed = setup_end_ + system_bytes();
    // The last unit of 16 bytes need not be whole.
    if (file_size_ + 15 >= needed) return;
    kernel_.findings.push_back(fmt::format("truncated: the kernel has {} bytes, the file {}", needed, file_size_));
  }

  void ReadVersion() {
    const std::uint64_t pointer = header_.Get<SetupHeader::kVersionPointer>();
    if (pointer == 0) return;
    const std::uint64_t start = pointer + 0x200;
    if (start >= setup_end_) {
      return Bad("kernel_version", 0x20E, pointer, fmt::format("below {}", setup_end_ - 0x200));
    }
    constexpr std::size_t kLongest = 256;
    for (std::size_t at = start; at < std::min<std::size_t>(head_.size(), start + kLongest); ++at) {
      const auto c = static_cast<char>(head_[at]);
      if (c == 0) return;
      kernel_.version += c < 0x20 || c == 0x7F ? '?' : c;
    }
  }

  void ReadFlags() {
    if (protocol_ >= 0x205) {
      const unsigned relocatable = header_.Get<SetupHeader::kRelocatable>();
      if (relocatable > 1) Bad("relocatable_kernel", 0x234, relocatable, "0 or 1");
      kernel_.relocatable = relocatable != 0;
    }
    constexpr unsigned kWide = 1;
    if (protocol_ >= 0x20C && (header_.Get<SetupHeader::kXLoadFlags>() & kWide) != 0) kernel_.architecture = "x86_64";
  }

  void ReadPayload() {
    const std::uint64_t offset = header_.Get<SetupHeader::kPayloadOffset>();
    const std::uint64_t length = header_.Get<SetupHeader::kPayloadLength>();
    if (length == 0) return;
    if (!FitsWithin(offset, length, system_bytes())) {
      return Bad("payload_offset", 0x248, fmt::format("{} + {}", offset, length),
                 fmt::format("0 to {}", system_bytes()));
    }
    const std::uint64_t start = setup_end_ + offset;
    if (start >= head_.size()) return;
    if (const auto compression = FindCompression(head_.subspan(start))) {
      kernel_.compression = CompressionName(*compression);
    }
  }

  Bytes head_;
  std::uint64_t file_size_;
  RecordView<SetupHeader> header_;
  Kernel kernel_;
  unsigned protocol_ = 0;
  std::uint64_t setup_end_ = 0;  // bytes
};

}  // namespace

bool HasPeHeader(Bytes head, std::uint32_t pe_offset) {
  return head.size() >= 64 && std::memcmp(head.data(), "MZ", 2) == 0 && FitsWithin(pe_offset, 4, head.size()) &&
         std::memcmp(head.data() + pe_offset, "PE\0\0", 4) == 0;
}

std::optional<Kernel> RecogniseX86Kernel(Bytes head, std::uint64_t file_size) {
  if (head.size() < SetupHeader::kSize) return std::nullopt;
  if (std::memcmp(head.data() + SetupHeader::kMagic, SetupHeader::kMagicText, 4) != 0) return std::nullopt;
  // Four bytes alone may stand anywhere. The header came with protocol 2.00, and all since have been 2.x.
  const RecordView<SetupHeader> header(head.first<SetupHeader::kSize>());
  if (header.Get<SetupHeader::kBootFlag>() != 0xAA55 || header.Get<SetupHeader::kProtocol>() >> 8 != 2) {
    return std::nullopt;
  }
  return X86Reader(head, file_size).Read();
}

}  // namespace platter::amazon

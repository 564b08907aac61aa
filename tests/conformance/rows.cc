#include "tests/conformance/rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/core/bytes.h"

namespace platter::test {
namespace {

// The least volume: a primary descriptor, a terminator, a root directory without files, path tables.
void ShapeAsVolume(GuestDisk& disk) {
  constexpr std::size_t kSector = 2048;
  std::vector<std::byte> bytes(5 * kSector);
  const auto put = [&bytes](std::size_t at, std::string_view text) {
    std::ranges::transform(text, bytes.begin() + static_cast<std::ptrdiff_t>(at), [](char c) { return std::byte(c); });
  };
  const auto both = [&bytes](std::size_t at, std::uint32_t number) {
    StoreLe(bytes.data() + at, number);
    StoreBe(bytes.data() + at + 4, number);
  };
  const auto directory = [&](std::size_t at, char name) {
    bytes[at] = bytes[at + 25] = bytes[at + 32] = std::byte{1};
    bytes[at] = std::byte{34};
    bytes[at + 25] = std::byte{2};
    bytes[at + 33] = std::byte(name);
    both(at + 2, 18);
    both(at + 10, kSector);
  };
  put(0, "\1CD001\1");
  both(80, static_cast<std::uint32_t>(disk.size / kSector));
  StoreLe(bytes.data() + 128, std::uint16_t{kSector});
  StoreBe(bytes.data() + 130, std::uint16_t{kSector});
  directory(156, '\0');
  put(kSector, "\377CD001\1");
  directory(2 * kSector, '\0');
  directory(2 * kSector + 34, '\1');
  // The path tables: one record for the root, in either byte order.
  both(132, 10);
  StoreLe(bytes.data() + 140, std::uint32_t{19});
  StoreBe(bytes.data() + 148, std::uint32_t{20});
  bytes[3 * kSector] = bytes[4 * kSector] = std::byte{1};
  StoreLe(bytes.data() + 3 * kSector + 2, std::uint32_t{18});
  StoreLe(bytes.data() + 3 * kSector + 6, std::uint16_t{1});
  StoreBe(bytes.data() + 4 * kSector + 2, std::uint32_t{18});
  StoreBe(bytes.data() + 4 * kSector + 6, std::uint16_t{1});
  AddImprint(disk, {16 * kSector, std::move(bytes)});
}

constexpr std::array kRaw = {Variant{}, Variant{"preallocation=falloc"}, Variant{"preallocation=full"}};

constexpr std::array kQcow = {Variant{}};

constexpr std::array kQcow2 = {
    Variant{},
    Variant{"compat=0.10"},
    Variant{"cluster_size=512"},
    Variant{"cluster_size=4k,refcount_bits=1"},
    Variant{"cluster_size=16k,extended_l2=on,refcount_bits=64"},
    Variant{"cluster_size=2M,lazy_refcounts=on"},
    Variant{"preallocation=metadata"},
    Variant{"cluster_size=4k,preallocation=falloc"},
    Variant{"preallocation=full,refcount_bits=8"},
    Variant{"extended_l2=on,preallocation=metadata"},
    Variant{"", true},
    Variant{"cluster_size=512", true},
    Variant{"compression_type=zstd,cluster_size=8k", true},
    Variant{"cluster_size=2M,refcount_bits=32", true},
    Variant{"extended_l2=on", true},
};

constexpr std::array kVmdk = {
    Variant{},
    Variant{"zeroed_grain=on"},
    Variant{"subformat=streamOptimized"},
    Variant{"subformat=monolithicFlat"},
    Variant{"subformat=twoGbMaxExtentSparse"},
    Variant{"subformat=twoGbMaxExtentFlat"},
};
constexpr std::array kVmdkPeers = {
    Variant{},
    Variant{"zeroed_grain=on"},
    Variant{"subformat=streamOptimized", true},
    Variant{"subformat=monolithicFlat"},
    Variant{"subformat=twoGbMaxExtentSparse"},
    Variant{"subformat=twoGbMaxExtentFlat"},
};
constexpr std::array kVhd = {
    Variant{"force_size=on"},
    Variant{"subformat=fixed,force_size=on"},
};

constexpr std::array kVdi = {
    Variant{},
    Variant{"static=on"},
    Variant{"preallocation=falloc"},
};
constexpr std::array kVdiOfQemu = {Variant{}, Variant{"static=on"}};

constexpr std::array kPloop = {
    Variant{},
    Variant{"cluster_size=64k"},
    Variant{"cluster_size=100k"},
    Variant{"cluster_size=512"},
    Variant{"preallocation=falloc"},
};
constexpr std::array kPloopOfQemu = {Variant{}, Variant{"cluster_size=64k"}, Variant{"cluster_size=100k"}};
constexpr std::array kVhdx = {
    Variant{"block_size=1M"},
    Variant{"subformat=fixed,block_size=1M"},
    Variant{"block_state_zero=off,log_size=2M"},
};
constexpr std::array kOurVhdx = {
    Variant{"block_size=1M"},
    Variant{"subformat=fixed,block_size=2M"},
    Variant{"block_state_zero=off,log_size=2M"},
};
constexpr std::array kIso = {Variant{}};

constexpr std::array kRows = {
    ConformanceRow{.format = "iso", .ours = kIso, .truncation_shows = false, .shape = ShapeAsVolume},
    ConformanceRow{.format = "raw",
                   .ours = kRaw,
                   .peers = kRaw,
                   .peer_format = "raw",
                   .truncation_shows = false,
                   .largest_virtual_size = std::uint64_t{1} << 42},
    ConformanceRow{.format = "vdi",
                   .ours = kVdi,
                   .peers = kVdiOfQemu,
                   .peer_format = "vdi",
                   .peer_checks = true,
                   .largest_virtual_size = std::uint64_t{1} << 43},
    ConformanceRow{.format = "ploop",
                   .ours = kPloop,
                   .peers = kPloopOfQemu,
                   .peer_format = "parallels",
                   .peer_checks = true,
                   .largest_virtual_size = std::uint64_t{1} << 44},
    ConformanceRow{.format = "qcow", .peers = kQcow, .peer_format = "qcow"},
    ConformanceRow{.format = "qcow2",
                   .ours = kQcow2,
                   .peers = kQcow2,
                   .peer_format = "qcow2",
                   .peer_checks = true,
                   .largest_virtual_size = std::uint64_t{1} << 46},
    ConformanceRow{.format = "vmdk",
                   .ours = kVmdk,
                   .peers = kVmdkPeers,
                   .peer_format = "vmdk",
                   .peer_checks = true,
                   .largest_virtual_size = std::uint64_t{1} << 41},
    ConformanceRow{.format = "vhd",
                   .ours = kVhd,
                   .peers = kVhd,
                   .peer_format = "vpc",
                   .largest_virtual_size = std::uint64_t{2040} << 30},
    ConformanceRow{.format = "vhdx",
                   .ours = kOurVhdx,
                   .peers = kVhdx,
                   .peer_format = "vhdx",
                   .peer_checks = true,
                   .largest_virtual_size = std::uint64_t{1} << 46},
};

}  // namespace

std::span<const ConformanceRow> ConformanceRows() { return kRows; }

}  // namespace platter::test

#include "tests/conformance/rows.h"

#include <array>

namespace platter::test {
namespace {

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
constexpr std::array kVhdx = {Variant{"block_size=1M"}, Variant{"subformat=fixed,block_size=1M"},
                              Variant{"block_state_zero=off,log_size=2M"}};

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

constexpr std::array kRows = {
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
                   .largest_virtual_size = std::uint64_t{1} << 48},
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
                   .largest_virtual_size = std::uint64_t{1} << 42},
    ConformanceRow{.format = "vhdx", .peers = kVhdx, .peer_format = "vhdx"},
};

}  // namespace

std::span<const ConformanceRow> ConformanceRows() { return kRows; }

}  // namespace platter::test

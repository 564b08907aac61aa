// The steps of digest_lanes.h that the vectors do; for lane_scheduler.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace platter::kernels {

inline constexpr std::size_t kMostLanes = 16;

// Takes `blocks` whole blocks of each lane. `data[lane]` is where a lane's blocks start; `state` holds the lanes' first
// words, then their second ones, and so on. Lanes: LaneCount().
void Md5Lanes(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept;
void Sha1Lanes(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept;
void Sha256Lanes(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept;
void Sha512Lanes(const std::uint8_t* const* data, std::uint64_t* state, std::size_t blocks) noexcept;

// Lanes of 32 and of 64 bits.
std::size_t LaneCount32() noexcept;
std::size_t LaneCount64() noexcept;

}  // namespace platter::kernels

#include "convert/kernels/md5_sha512.h"

#include <array>
#include <bit>
#include <cstdint>
#include <utility>

#include "convert/kernels/digest_tables.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "convert/kernels/md5_sha512.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace platter::kernels::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86

namespace hn = hwy::HWY_NAMESPACE;

template <class T, std::size_t kCount>
using Vector = hn::Vec<hn::FixedTag<T, kCount>>;
using Words16 = hn::FixedTag<std::uint32_t, 16>;
using Longs4 = hn::FixedTag<std::uint64_t, 4>;

// A word of MD5's state is the lowest of a vector; the others hold nothing.
using Md5State = Vector<std::uint32_t, 4>[4];
using Sha512State = std::uint64_t[8];
// The last sixteen words of SHA-512's message schedule (FIPS 180-4, section 6.4.2).
using Schedule = Vector<std::uint64_t, 4>[4];

constexpr std::size_t kMd5Steps = 64;
constexpr std::size_t kSha512Steps = 80;

// What the steps read from memory.
struct Sums {
  // Of two blocks, for each step of MD5 its message word plus its sine. A step loads three words too many.
  alignas(64) std::uint32_t md5[2 * kMd5Steps + 3];
  // For the next sixteen steps of SHA-512 the word of the schedule plus the constant.
  alignas(64) std::uint64_t sha512[16];
};

consteval std::array<std::uint32_t, kMd5Steps> Md5Order() {
  std::array<std::uint32_t, kMd5Steps> order{};
  for (std::size_t step = 0; step < kMd5Steps; ++step) order[step] = static_cast<std::uint32_t>(Md5Word(step));
  return order;
}
alignas(64) constexpr std::array<std::uint32_t, kMd5Steps> kMd5Order = Md5Order();

HWY_INLINE void AddSines(const std::uint8_t* block, std::uint32_t* sums) {
  const Words16 tag;
  const auto words = hn::LoadU(tag, reinterpret_cast<const std::uint32_t*>(block));
#pragma GCC unroll 4
  for (std::size_t step = 0; step < kMd5Steps; step += 16) {
    const auto order = hn::IndicesFromVec(tag, hn::Load(tag, kMd5Order.data() + step));
    const auto sines = hn::LoadU(tag, kMd5Sines.data() + step);
    hn::Store(hn::Add(hn::TableLookupLanes(words, order), sines), tag, sums + step);
  }
}

// In assembly, because what all steps wait for is the time that b takes through one step, and VPTERNLOG is a cycle
// slower (on Zen 4) for every operand but the one that it overwrites: compilers overwrite another.
template <std::size_t kStep>
HWY_INLINE void Md5Step(Md5State& s, const std::uint32_t* sums) {
  // Bit 4b + 2c + d is the value of RFC 1321's F, G, H and I.
  constexpr std::array<int, 4> kFunctions = {0xca, 0xe4, 0x96, 0x39};
  auto& a = s[(64 - kStep) % 4].raw;
  const auto b = s[(65 - kStep) % 4].raw;
  const auto c = s[(66 - kStep) % 4].raw;
  const auto d = s[(67 - kStep) % 4].raw;
  __m128i f;
  asm("vpaddd %[sum], %[a], %[a]\n\t"
      "vmovdqa64 %[b], %[f]\n\t"
      "vpternlogd %[function], %[d], %[c], %[f]\n\t"
      "vpaddd %[f], %[a], %[a]\n\t"
      "vprold %[bits], %[a], %[a]\n\t"
      "vpaddd %[b], %[a], %[a]"
      : [a] "+v"(a), [f] "=&v"(f)
      : [b] "v"(b), [c] "v"(c), [d] "v"(d), [sum] "m"(*reinterpret_cast<const __m128i_u*>(sums + kStep)),
        [function] "i"(kFunctions[kStep / 16]), [bits] "i"(kMd5Rotations[kStep / 16][kStep % 4]));
}

// Keeps the compiler from adding up in another order than the source says.
HWY_INLINE void KeepOrder(std::uint64_t& x) { asm("" : "+r"(x)); }

template <std::size_t kStep>
HWY_INLINE void Sha512Step(Sha512State& s, const std::uint64_t* sums) {
  const std::uint64_t a = s[(80 - kStep) % 8];
  const std::uint64_t b = s[(81 - kStep) % 8];
  const std::uint64_t c = s[(82 - kStep) % 8];
  std::uint64_t& d = s[(83 - kStep) % 8];
  const std::uint64_t e = s[(84 - kStep) % 8];
  const std::uint64_t f = s[(85 - kStep) % 8];
  const std::uint64_t g = s[(86 - kStep) % 8];
  std::uint64_t& h = s[(87 - kStep) % 8];
  h += sums[kStep % 16];
  h += e & f;
  KeepOrder(h);
  h += ~e & g;
  KeepOrder(h);
  h += std::rotr(e, 14) ^ std::rotr(e, 18) ^ std::rotr(e, 41);
  d += h;
  h += ((a ^ b) & (b ^ c)) ^ b;
  h += std::rotr(a, 28) ^ std::rotr(a, 34) ^ std::rotr(a, 39);
}

template <class V>
HWY_INLINE V SmallSigma0(V x) {
  return hn::Xor3(hn::RotateRight<1>(x), hn::RotateRight<8>(x), hn::ShiftRight<7>(x));
}
template <class V>
HWY_INLINE V SmallSigma1(V x) {
  return hn::Xor3(hn::RotateRight<19>(x), hn::RotateRight<61>(x), hn::ShiftRight<6>(x));
}

// `high` and `low` as one row of eight, without its lowest one and its three highest ones.
template <class V>
HWY_INLINE V Shifted(V high, V low) {
  return V{_mm256_alignr_epi64(high.raw, low.raw, 1)};
}

// Words kFirst to kFirst + 3 of the schedule, from the sixteen before them.
template <std::size_t kFirst>
HWY_INLINE void Extend(Schedule& w) {
  const Longs4 tag;
  const hn::Half<Longs4> half;
  constexpr std::size_t kAt = kFirst / 4;
  auto& oldest = w[kAt % 4];
  const auto last = w[(kAt + 3) % 4];
  const auto sum =
      hn::Add(hn::Add(oldest, Shifted(last, w[(kAt + 2) % 4])), SmallSigma0(Shifted(w[(kAt + 1) % 4], oldest)));
  // The second half wants the first one.
  const auto low = hn::Add(hn::LowerHalf(half, sum), SmallSigma1(hn::UpperHalf(half, last)));
  const auto high = hn::Add(hn::UpperHalf(half, sum), SmallSigma1(low));
  oldest = hn::Combine(tag, high, low);
}

template <std::size_t kFirst>
HWY_INLINE void AddConstants(const Schedule& w, std::uint64_t* sums) {
  const Longs4 tag;
  const auto constants = hn::LoadU(tag, kSha512Constants.data() + kFirst);
  hn::Store(hn::Add(w[kFirst / 4 % 4], constants), tag, sums + kFirst % 16);
}

template <std::size_t... kWords>
HWY_INLINE void LoadSchedule(const std::uint8_t* block, Schedule& w, std::uint64_t* sums,
                             std::index_sequence<kWords...> /*four*/) {
  const Longs4 tag;
  const hn::Repartition<std::uint8_t, Longs4> bytes;
  alignas(16) static constexpr std::uint8_t kOrder[16] = {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8};
  const auto order = hn::LoadDup128(bytes, kOrder);
  ((w[kWords] = hn::BitCast(tag, hn::TableLookupBytes(hn::LoadU(bytes, block + 32 * kWords), order))), ...);
  (AddConstants<4 * kWords>(w, sums), ...);
}

// One message while it is hashed.
struct Pass {
  Md5State md5;  // within a block
  Md5State md5_before;
  Sha512State sha512;
  Schedule schedule;
};

template <std::size_t kStep>
HWY_INLINE void Md5StepOfTwoBlocks(Pass& pass, const std::uint8_t* block, const std::uint8_t* next, Sums& sums) {
  constexpr std::size_t kOfBlock = kStep % kMd5Steps;
  if constexpr (kOfBlock == 0) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) pass.md5[i] = pass.md5_before[i];
  }
  // Long before they are read: a load that wants parts of two stores waits until both have left for the cache.
  if constexpr (kStep == 0) AddSines(block + 64, sums.md5 + kMd5Steps);
  if constexpr (kStep == kMd5Steps) AddSines(next, sums.md5);
  Md5Step<kOfBlock>(pass.md5, sums.md5 + (kStep - kOfBlock));
  if constexpr (kOfBlock == kMd5Steps - 1) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < 4; ++i) pass.md5_before[i] = hn::Add(pass.md5_before[i], pass.md5[i]);
  }
}

template <std::size_t kFirst, std::size_t... kSteps>
HWY_INLINE void Md5Steps(Pass& pass, const std::uint8_t* block, const std::uint8_t* next, Sums& sums,
                         std::index_sequence<kSteps...> /*count*/) {
  (Md5StepOfTwoBlocks<kFirst + kSteps>(pass, block, next, sums), ...);
}

// A step of SHA-512 and its share of MD5's: eight of these for five of those.
template <std::size_t kStep>
HWY_INLINE void Step(Pass& pass, const std::uint8_t* block, const std::uint8_t* next, Sums& sums) {
  Sha512Step<kStep>(pass.sha512, sums.sha512);
  if constexpr (kStep % 4 == 3 && kStep + 13 < kSha512Steps) {
    Extend<kStep + 13>(pass.schedule);
    AddConstants<kStep + 13>(pass.schedule, sums.sha512);
  }
  constexpr std::size_t kFirst = kStep * 2 * kMd5Steps / kSha512Steps;
  constexpr std::size_t kEnd = (kStep + 1) * 2 * kMd5Steps / kSha512Steps;
  Md5Steps<kFirst>(pass, block, next, sums, std::make_index_sequence<kEnd - kFirst>());
}

template <std::size_t... kSteps>
HWY_INLINE void Steps(Pass& pass, const std::uint8_t* block, const std::uint8_t* next, Sums& sums,
                      std::index_sequence<kSteps...> /*all*/) {
  (Step<kSteps>(pass, block, next, sums), ...);
}

void TakeBoth(const std::uint8_t* data, std::size_t blocks, MessageState& md5, MessageState& sha512) {
  const hn::FixedTag<std::uint32_t, 4> tag;
  Sums sums;
  Pass pass;
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) pass.md5_before[i] = hn::Set(tag, static_cast<std::uint32_t>(md5[i]));
  Sha512State before;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) before[i] = sha512[i];
  AddSines(data, sums.md5);
  for (; blocks != 0; --blocks, data += kMd5Sha512Block) {
    const std::uint8_t* next = blocks == 1 ? data : data + kMd5Sha512Block;
    // What another core wrote a moment ago comes from far.
    __builtin_prefetch(data + 8 * kMd5Sha512Block);
    __builtin_prefetch(data + 8 * kMd5Sha512Block + kMd5Sha512Block / 2);
    LoadSchedule(data, pass.schedule, sums.sha512, std::make_index_sequence<4>());
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) pass.sha512[i] = before[i];
    Steps(pass, data, next, sums, std::make_index_sequence<kSha512Steps>());
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) before[i] += pass.sha512[i];
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) md5[i] = hn::GetLane(pass.md5_before[i]);
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i) sha512[i] = before[i];
}

bool Has() { return true; }

#else

void TakeBoth(const std::uint8_t* data, std::size_t blocks, MessageState& md5, MessageState& sha512) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), blocks * kMd5Sha512Block);
  const MessagePiece for_md5{bytes, &md5};
  const MessagePiece for_sha512{bytes, &sha512};
  TakeInLanes(LaneDigest::kMd5, std::span(&for_md5, 1));
  TakeInLanes(LaneDigest::kSha512, std::span(&for_sha512, 1));
}
bool Has() { return false; }

#endif

}  // namespace platter::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace platter::kernels {

HWY_EXPORT(Has);
HWY_EXPORT(TakeBoth);

bool HasMd5Sha512() noexcept { return HWY_DYNAMIC_DISPATCH(Has)(); }

void TakeMd5Sha512(std::span<const std::byte> blocks, MessageState& md5, MessageState& sha512) noexcept {
  if (blocks.empty()) return;
  HWY_DYNAMIC_DISPATCH(TakeBoth)
  (reinterpret_cast<const std::uint8_t*>(blocks.data()), blocks.size() / kMd5Sha512Block, md5, sha512);
}

}  // namespace platter::kernels
#endif

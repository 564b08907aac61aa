#include "convert/kernels/digest_lanes.h"

#include <cstdint>
#include <utility>

#include "convert/kernels/digest_tables.h"
#include "convert/kernels/lane_kernels.h"
#include "formats/core/bytes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "convert/kernels/digest_lanes.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace platter::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most 512 bits, one lane for each message.
template <class T>
using Tag = hn::CappedTag<T, 64 / sizeof(T)>;
template <class T>
using Lanes = hn::Vec<Tag<T>>;
template <class T>
constexpr std::size_t kLanes = HWY_MIN(hn::MaxLanes(hn::ScalableTag<T>()), 64 / sizeof(T));

template <int kBits, class V>
HWY_INLINE V RotateLeft(V v) {
  return hn::RotateRight<static_cast<int>(8 * sizeof(hn::TFromV<V>)) - kBits>(v);
}

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86

// Any function of three bits in one instruction: bit 4a + 2b + c of kTable is its value. Highway has only some of them.
template <int kTable, class V>
HWY_INLINE V Ternary(V a, V b, V c) {
  return V{_mm512_ternarylogic_epi32(a.raw, b.raw, c.raw, kTable)};
}

// The bits of `yes` where those of `mask` are set, else those of `no`.
template <class V>
HWY_INLINE V Choose(V mask, V yes, V no) {
  return Ternary<0xca>(mask, yes, no);
}
template <class V>
HWY_INLINE V Majority(V a, V b, V c) {
  return Ternary<0xe8>(a, b, c);
}
// b ^ (a | ~c)
template <class V>
HWY_INLINE V XorOrNot(V a, V b, V c) {
  return Ternary<0x39>(a, b, c);
}

// Keeps the compiler from adding up in another order than the source says.
template <class V>
HWY_INLINE void KeepOrder(V& v) {
  asm("" : "+v"(v.raw));
}

#else

template <class V>
HWY_INLINE void KeepOrder(V& /*v*/) {}

// The bits of `yes` where those of `mask` are set, else those of `no`.
template <class V>
HWY_INLINE V Choose(V mask, V yes, V no) {
  return hn::Xor(no, hn::And(mask, hn::Xor(yes, no)));
}
template <class V>
HWY_INLINE V Majority(V a, V b, V c) {
  return Choose(hn::Xor(a, b), c, b);
}
// b ^ (a | ~c)
template <class V>
HWY_INLINE V XorOrNot(V a, V b, V c) {
  return hn::Xor(b, hn::Or(a, hn::Not(c)));
}

#endif

#if HWY_TARGET == HWY_SCALAR

// w[i] = word i of the block.
template <class T>
HWY_INLINE void LoadWords(const std::uint8_t* const* data, std::size_t offset, Lanes<T>* w) {
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] = hn::Set(Tag<T>(), LoadLe<T>(reinterpret_cast<const std::byte*>(data[0] + offset + i * sizeof(T))));
  }
}

// SHA's words are big-endian.
template <class T>
HWY_INLINE void SwapBytes(Lanes<T>* w) {
  for (std::size_t i = 0; i < 16; ++i) w[i] = hn::Set(Tag<T>(), ByteSwap(hn::GetLane(w[i])));
}

#else

// 16 bytes of every kStride-th lane from `data` on, in a vector.
template <std::size_t kStride, class D>
HWY_INLINE hn::Vec<D> GatherBlocks(D tag, const std::uint8_t* const* data, std::size_t offset) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) <= 16) {
    return hn::BitCast(tag, hn::LoadU(hn::Repartition<std::uint8_t, D>(), data[0] + offset));
  } else {
    const hn::Half<D> half;
    const auto low = GatherBlocks<kStride>(half, data, offset);
    const auto high =
        GatherBlocks<kStride>(half, data + kStride * hn::MaxLanes(half) * sizeof(hn::TFromD<D>) / 16, offset);
    return hn::Combine(tag, high, low);
  }
}

// w[i] = word i of every lane's block.
HWY_INLINE void LoadWords32(const std::uint8_t* const* data, std::size_t offset, Lanes<std::uint32_t>* w) {
  const Tag<std::uint32_t> tag;
  const Tag<std::uint64_t> wide;
  for (std::size_t i = 0; i < 16; i += 4) {
    const auto r0 = GatherBlocks<4>(tag, data, offset + 4 * i);
    const auto r1 = GatherBlocks<4>(tag, data + 1, offset + 4 * i);
    const auto r2 = GatherBlocks<4>(tag, data + 2, offset + 4 * i);
    const auto r3 = GatherBlocks<4>(tag, data + 3, offset + 4 * i);
    const auto low01 = hn::BitCast(wide, hn::InterleaveLower(tag, r0, r1));
    const auto low23 = hn::BitCast(wide, hn::InterleaveLower(tag, r2, r3));
    const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(tag, r0, r1));
    const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(tag, r2, r3));
    w[i] = hn::BitCast(tag, hn::InterleaveLower(wide, low01, low23));
    w[i + 1] = hn::BitCast(tag, hn::InterleaveUpper(wide, low01, low23));
    w[i + 2] = hn::BitCast(tag, hn::InterleaveLower(wide, high01, high23));
    w[i + 3] = hn::BitCast(tag, hn::InterleaveUpper(wide, high01, high23));
  }
}

HWY_INLINE void LoadWords64(const std::uint8_t* const* data, std::size_t offset, Lanes<std::uint64_t>* w) {
  const Tag<std::uint64_t> tag;
  for (std::size_t i = 0; i < 16; i += 2) {
    const auto r0 = GatherBlocks<2>(tag, data, offset + 8 * i);
    const auto r1 = GatherBlocks<2>(tag, data + 1, offset + 8 * i);
    w[i] = hn::InterleaveLower(tag, r0, r1);
    w[i + 1] = hn::InterleaveUpper(tag, r0, r1);
  }
}

template <class T>
HWY_INLINE void LoadWords(const std::uint8_t* const* data, std::size_t offset, Lanes<T>* w) {
  if constexpr (sizeof(T) == 4) {
    LoadWords32(data, offset, w);
  } else {
    LoadWords64(data, offset, w);
  }
}

// SHA's words are big-endian.
template <class T>
HWY_INLINE void SwapBytes(Lanes<T>* w) {
  const Tag<T> tag;
  const hn::Repartition<std::uint8_t, Tag<T>> bytes;
  alignas(16) static constexpr std::uint8_t kOrder[2][16] = {{3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12},
                                                             {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8}};
  const auto order = hn::LoadDup128(bytes, kOrder[sizeof(T) / 8]);
  for (std::size_t i = 0; i < 16; ++i) w[i] = hn::BitCast(tag, hn::TableLookupBytes(hn::BitCast(bytes, w[i]), order));
}

#endif

template <std::size_t kStep>
HWY_INLINE void Md5Step(Lanes<std::uint32_t>* s, const Lanes<std::uint32_t>* w, const std::uint32_t* sines) {
  auto& a = s[(64 - kStep) % 4];
  const auto b = s[(65 - kStep) % 4];
  const auto c = s[(66 - kStep) % 4];
  const auto d = s[(67 - kStep) % 4];
  a = hn::Add(a, hn::Add(w[Md5Word(kStep)], hn::Set(Tag<std::uint32_t>(), sines[kStep])));
  // The last step's result, b, is what this one waits for: it comes in as late as possible.
  KeepOrder(a);
  if constexpr (kStep < 16) {
    a = hn::Add(a, Choose(b, c, d));
  } else if constexpr (kStep < 32) {
    a = hn::Add(a, Choose(d, b, c));
  } else if constexpr (kStep < 48) {
    a = hn::Add(a, hn::Xor3(b, c, d));
  } else {
    a = hn::Add(a, XorOrNot(b, c, d));
  }
  a = hn::Add(b, RotateLeft<kMd5Rotations[kStep / 16][kStep % 4]>(a));
}

template <std::size_t... kSteps>
HWY_INLINE void Md5Steps(Lanes<std::uint32_t>* s, const Lanes<std::uint32_t>* w, const std::uint32_t* sines,
                         std::index_sequence<kSteps...>) {
  (Md5Step<kSteps>(s, w, sines), ...);
}

template <std::size_t kStep>
HWY_INLINE void Sha1Step(Lanes<std::uint32_t>* s, Lanes<std::uint32_t>* w) {
  const Tag<std::uint32_t> tag;
  const auto a = s[(80 - kStep) % 5];
  auto& b = s[(81 - kStep) % 5];
  const auto c = s[(82 - kStep) % 5];
  const auto d = s[(83 - kStep) % 5];
  auto& e = s[(84 - kStep) % 5];
  auto& word = w[kStep % 16];
  if constexpr (kStep >= 16) {
    word = RotateLeft<1>(hn::Xor(hn::Xor3(word, w[(kStep + 2) % 16], w[(kStep + 8) % 16]), w[(kStep + 13) % 16]));
  }
  e = hn::Add(e, hn::Add(word, hn::Set(tag, kSha1Constants[kStep / 20])));
  if constexpr (kStep < 20) {
    e = hn::Add(e, Choose(b, c, d));
  } else if constexpr (kStep >= 40 && kStep < 60) {
    e = hn::Add(e, Majority(b, c, d));
  } else {
    e = hn::Add(e, hn::Xor3(b, c, d));
  }
  e = hn::Add(e, RotateLeft<5>(a));
  b = RotateLeft<30>(b);
}

template <std::size_t... kSteps>
HWY_INLINE void Sha1Steps(Lanes<std::uint32_t>* s, Lanes<std::uint32_t>* w, std::index_sequence<kSteps...>) {
  (Sha1Step<kSteps>(s, w), ...);
}

// The functions of FIPS 180-4, sections 4.1.2 and 4.1.3.
HWY_INLINE Lanes<std::uint32_t> BigSigma0(Lanes<std::uint32_t> x) {
  return hn::Xor3(hn::RotateRight<2>(x), hn::RotateRight<13>(x), hn::RotateRight<22>(x));
}
HWY_INLINE Lanes<std::uint32_t> BigSigma1(Lanes<std::uint32_t> x) {
  return hn::Xor3(hn::RotateRight<6>(x), hn::RotateRight<11>(x), hn::RotateRight<25>(x));
}
HWY_INLINE Lanes<std::uint32_t> SmallSigma0(Lanes<std::uint32_t> x) {
  return hn::Xor3(hn::RotateRight<7>(x), hn::RotateRight<18>(x), hn::ShiftRight<3>(x));
}
HWY_INLINE Lanes<std::uint32_t> SmallSigma1(Lanes<std::uint32_t> x) {
  return hn::Xor3(hn::RotateRight<17>(x), hn::RotateRight<19>(x), hn::ShiftRight<10>(x));
}
HWY_INLINE Lanes<std::uint64_t> BigSigma0(Lanes<std::uint64_t> x) {
  return hn::Xor3(hn::RotateRight<28>(x), hn::RotateRight<34>(x), hn::RotateRight<39>(x));
}
HWY_INLINE Lanes<std::uint64_t> BigSigma1(Lanes<std::uint64_t> x) {
  return hn::Xor3(hn::RotateRight<14>(x), hn::RotateRight<18>(x), hn::RotateRight<41>(x));
}
HWY_INLINE Lanes<std::uint64_t> SmallSigma0(Lanes<std::uint64_t> x) {
  return hn::Xor3(hn::RotateRight<1>(x), hn::RotateRight<8>(x), hn::ShiftRight<7>(x));
}
HWY_INLINE Lanes<std::uint64_t> SmallSigma1(Lanes<std::uint64_t> x) {
  return hn::Xor3(hn::RotateRight<19>(x), hn::RotateRight<61>(x), hn::ShiftRight<6>(x));
}

template <bool kExtend, std::size_t kStep, class T>
HWY_INLINE void Sha2Step(Lanes<T>* s, Lanes<T>* w, const T* constants) {
  const Tag<T> tag;
  const auto a = s[(16 - kStep) % 8];
  const auto b = s[(17 - kStep) % 8];
  const auto c = s[(18 - kStep) % 8];
  auto& d = s[(19 - kStep) % 8];
  const auto e = s[(20 - kStep) % 8];
  const auto f = s[(21 - kStep) % 8];
  const auto g = s[(22 - kStep) % 8];
  auto& h = s[(23 - kStep) % 8];
  auto& word = w[kStep];
  if constexpr (kExtend) {
    word = hn::Add(hn::Add(word, SmallSigma0(w[(kStep + 1) % 16])),
                   hn::Add(w[(kStep + 9) % 16], SmallSigma1(w[(kStep + 14) % 16])));
  }
  h = hn::Add(h, hn::Add(word, hn::Set(tag, constants[kStep])));
  h = hn::Add(h, hn::Add(Choose(e, f, g), BigSigma1(e)));
  d = hn::Add(d, h);
  h = hn::Add(h, hn::Add(Majority(a, b, c), BigSigma0(a)));
}

template <bool kExtend, class T, std::size_t... kSteps>
HWY_INLINE void Sha2Steps(Lanes<T>* s, Lanes<T>* w, const T* constants, std::index_sequence<kSteps...>) {
  (Sha2Step<kExtend, kSteps>(s, w, constants), ...);
}

template <std::size_t kWords, class T>
HWY_INLINE void LoadState(const T* state, Lanes<T>* s) {
  for (std::size_t i = 0; i < kWords; ++i) s[i] = hn::LoadU(Tag<T>(), state + i * kLanes<T>);
}

// Adds what a block made of the state to what it was, in memory.
template <std::size_t kWords, class T>
HWY_INLINE void AddState(const Lanes<T>* s, T* state) {
  const Tag<T> tag;
  for (std::size_t i = 0; i < kWords; ++i) {
    T* words = state + i * kLanes<T>;
    hn::StoreU(hn::Add(hn::LoadU(tag, words), s[i]), tag, words);
  }
}

// The constants come as an argument: those that the compiler knows take an instruction each to get into a vector.
void Md5(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks, const std::uint32_t* sines) {
  for (std::size_t block = 0; block < blocks; ++block) {
    Lanes<std::uint32_t> s[4];
    Lanes<std::uint32_t> w[16];
    LoadState<4>(state, s);
    LoadWords<std::uint32_t>(data, 64 * block, w);
    Md5Steps(s, w, sines, std::make_index_sequence<64>());
    AddState<4>(s, state);
  }
}

void Sha1(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) {
  for (std::size_t block = 0; block < blocks; ++block) {
    Lanes<std::uint32_t> s[5];
    Lanes<std::uint32_t> w[16];
    LoadState<5>(state, s);
    LoadWords<std::uint32_t>(data, 64 * block, w);
    SwapBytes<std::uint32_t>(w);
    Sha1Steps(s, w, std::make_index_sequence<80>());
    AddState<5>(s, state);
  }
}

template <class T>
HWY_INLINE void Sha2(const std::uint8_t* const* data, T* state, std::size_t blocks, const T* constants,
                     std::size_t steps) {
  for (std::size_t block = 0; block < blocks; ++block) {
    Lanes<T> s[8];
    Lanes<T> w[16];
    LoadState<8>(state, s);
    LoadWords<T>(data, 16 * sizeof(T) * block, w);
    SwapBytes<T>(w);
    Sha2Steps<false>(s, w, constants, std::make_index_sequence<16>());
    for (std::size_t step = 16; step < steps; step += 16) {
      Sha2Steps<true>(s, w, constants + step, std::make_index_sequence<16>());
    }
    AddState<8>(s, state);
  }
}

void Sha256(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) {
  Sha2(data, state, blocks, kSha256Constants.data(), kSha256Constants.size());
}

void Sha512(const std::uint8_t* const* data, std::uint64_t* state, std::size_t blocks) {
  Sha2(data, state, blocks, kSha512Constants.data(), kSha512Constants.size());
}

std::size_t Count32() { return kLanes<std::uint32_t>; }
std::size_t Count64() { return kLanes<std::uint64_t>; }

}  // namespace platter::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace platter::kernels {

HWY_EXPORT(Md5);
HWY_EXPORT(Sha1);
HWY_EXPORT(Sha256);
HWY_EXPORT(Sha512);
HWY_EXPORT(Count32);
HWY_EXPORT(Count64);

void Md5Lanes(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept {
  HWY_DYNAMIC_DISPATCH(Md5)(data, state, blocks, kMd5Sines.data());
}
void Sha1Lanes(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept {
  HWY_DYNAMIC_DISPATCH(Sha1)(data, state, blocks);
}
void Sha256Lanes(const std::uint8_t* const* data, std::uint32_t* state, std::size_t blocks) noexcept {
  HWY_DYNAMIC_DISPATCH(Sha256)(data, state, blocks);
}
void Sha512Lanes(const std::uint8_t* const* data, std::uint64_t* state, std::size_t blocks) noexcept {
  HWY_DYNAMIC_DISPATCH(Sha512)(data, state, blocks);
}
std::size_t LaneCount32() noexcept { return HWY_DYNAMIC_DISPATCH(Count32)(); }
std::size_t LaneCount64() noexcept { return HWY_DYNAMIC_DISPATCH(Count64)(); }

}  // namespace platter::kernels
#endif

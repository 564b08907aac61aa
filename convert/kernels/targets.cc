// Which of Highway's targets this processor has: what libhwy would answer. That library measures the clock's resolution
// whenever it is loaded, which takes 2.5 ms, longer than all else in the start of a process; its headers are enough.
#include <hwy/targets.h>

#if HWY_ARCH_X86
#include <cpuid.h>
#endif

namespace hwy {
namespace {

constexpr std::int64_t kAlways = HWY_STATIC_TARGET | HWY_EMU128 | HWY_SCALAR;

// For tests.
std::int64_t& Mocked() noexcept {
  static std::int64_t targets = 0;
  return targets;
}

#if HWY_ARCH_X86
// A part of HWY_AVX2 that the compilers' own test does not know.
bool HasF16c() noexcept {
  constexpr unsigned kF16c = 1U << 29;
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & kF16c) != 0;
}

// hwy/ops/set_macros-inl.h says what a target is compiled for.
std::int64_t Detect() noexcept {
  std::int64_t targets = kAlways;
  if (!__builtin_cpu_supports("ssse3")) return targets;
  targets |= HWY_SSSE3;
  const bool sse4 = __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
                    __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
  if (!sse4) return targets;
  targets |= HWY_SSE4;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && HasF16c();
  if (!avx2) return targets;
  targets |= HWY_AVX2;
  const bool avx3 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return avx3 ? targets | HWY_AVX3 : targets;
}
#else
std::int64_t Detect() noexcept { return kAlways; }
#endif

}  // namespace

int64_t SupportedTargets() {
  static const std::int64_t detected = Detect();
  return Mocked() != 0 ? Mocked() : detected;
}

void SetSupportedTargetsForTest(int64_t targets) {
  Mocked() = targets;
  GetChosenTarget().DeInit();
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy

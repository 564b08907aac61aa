// The sandbox that platter-hook locks itself into once its files are open: no way to any other file, to the network, to
// other processes or to new code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace platter::hook {

struct SandboxLimits {
  std::uint64_t cpu_seconds = 30;
  // What ExtendCpuLimit may give in all; empty: anything. Nothing in the process can go beyond it.
  std::optional<std::uint64_t> earnable_seconds = {};
  // Bytes on top of what the process holds when it enters: room for two decoders with the largest windows.
  std::uint64_t memory = std::uint64_t{384} << 20;
};

// What came into force.
struct Sandbox {
  unsigned landlock = 0;  // the version of the kernel's interface; 0: there is none
  bool seccomp = false;
  bool limits = false;

  bool complete() const noexcept { return landlock != 0 && seccomp && limits; }
  // {"landlock": 3, "seccomp": true, "limits": true}
  std::string ToJson() const;
};

// Closes every descriptor but `image` and the standard output and error streams, and gives up everything but reading
// the one, writing to the others, and memory. There is no way back. Requires: one thread.
Sandbox EnterSandbox(int image, const SandboxLimits& limits);

// `seconds` more of processor time than EnterSandbox and earlier calls gave. Also works inside.
void ExtendCpuLimit(std::uint64_t seconds) noexcept;

}  // namespace platter::hook

#include "tools/platter-hook/sandbox.h"

#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "formats/core/json.h"

namespace platter::hook {
namespace {

// Of struct landlock_ruleset_attr as Linux 6.12 has it; older headers know the first member only.
struct LandlockRights {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scope = 0;
};

// Everything that this version of the interface can forbid; without a rule all of it is.
LandlockRights RightsOf(unsigned version) noexcept {
  LandlockRights rights;
  const unsigned kinds = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;
  rights.files = (std::uint64_t{1} << kinds) - 1;
  if (version >= 4) rights.network = 3;  // TCP: bind, connect
  if (version >= 6) rights.scope = 3;    // abstract UNIX sockets, signals
  return rights;
}

std::size_t SizeOf(unsigned version) noexcept {
  return version >= 6 ? sizeof(LandlockRights) : version >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

// The version in force; 0 where the kernel does not have it, or was told not to.
unsigned EnterLandlock() noexcept {
  const long found = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (found < 1) return 0;
  const auto version = static_cast<unsigned>(found);
  const LandlockRights rights = RightsOf(version);
  const auto rules = static_cast<int>(syscall(SYS_landlock_create_ruleset, &rights, SizeOf(version), 0));
  if (rules < 0) return 0;
  const bool entered = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
  close(rules);
  return entered ? version : 0;
}

bool SetLimit(__rlimit_resource resource, rlim_t soft, rlim_t hard) noexcept {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return false;
  // An unprivileged process may only go down from what it was given.
  limit = {std::min(soft, limit.rlim_max), std::min(hard, limit.rlim_max)};
  return setrlimit(resource, &limit) == 0;
}

// Bytes of address space; 0 where /proc does not tell.
std::uint64_t OwnSize() noexcept {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  const int fields = std::fscanf(file, "%lu", &pages);
  std::fclose(file);
  return fields == 1 ? std::uint64_t{pages} * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

bool IsRegularFile(int fd) noexcept {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Behind the soft limit of processor time, for the answer that says so: at the hard one the process is killed.
constexpr rlim_t kLastSeconds = 2;

bool EnterLimits(const SandboxLimits& limits, std::uint64_t own_size) noexcept {
  if (own_size == 0) return false;
  bool set = SetLimit(RLIMIT_AS, own_size + limits.memory, own_size + limits.memory);
  const rlim_t seconds = std::min<rlim_t>(limits.cpu_seconds, RLIM_INFINITY - kLastSeconds);
  const rlim_t room = RLIM_INFINITY - kLastSeconds - seconds;
  const rlim_t earnable = std::min<rlim_t>(limits.earnable_seconds.value_or(room), room);
  set = SetLimit(RLIMIT_CPU, seconds, seconds + earnable + kLastSeconds) && set;
  set = SetLimit(RLIMIT_NOFILE, 0, 0) && set;
  set = SetLimit(RLIMIT_CORE, 0, 0) && set;
  // The answer itself may go into a file.
  if (!IsRegularFile(STDOUT_FILENO) && !IsRegularFile(STDERR_FILENO)) set = SetLimit(RLIMIT_FSIZE, 0, 0) && set;
  return set;
}

using Filter = std::unique_ptr<void, decltype([](void* filter) { seccomp_release(filter); })>;

bool AllowCalls(void* filter) noexcept {
  // Of what tells about files none: newfstatat, which is fstat to glibc, takes names, and Landlock does not look at it.
  constexpr std::array kAllowed = {
      SCMP_SYS(lseek),     SCMP_SYS(brk),         SCMP_SYS(munmap),        SCMP_SYS(mremap),
      SCMP_SYS(madvise),   SCMP_SYS(futex),       SCMP_SYS(rt_sigreturn),  SCMP_SYS(rt_sigprocmask),
      SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
      SCMP_SYS(close),     SCMP_SYS(exit_group),  SCMP_SYS(exit),          SCMP_SYS(restart_syscall)};
  bool done = true;
  for (const int call : kAllowed) done = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0 && done;
  return done;
}

// Calls that are allowed with some arguments: no executable memory, no other descriptor to read from or to write to, no
// limit but that of processor time, and that of this process only.
bool AllowSomeOf(void* filter, int image) noexcept {
  const auto allow = [filter](int call, auto... tests) {
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, sizeof...(tests), tests...) == 0;
  };
  const auto not_executable = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  return allow(SCMP_SYS(mmap), not_executable) && allow(SCMP_SYS(mprotect), not_executable) &&
         allow(SCMP_SYS(read), SCMP_A0_64(SCMP_CMP_EQ, static_cast<scmp_datum_t>(image), 0)) &&
         allow(SCMP_SYS(pread64), SCMP_A0_64(SCMP_CMP_EQ, static_cast<scmp_datum_t>(image), 0)) &&
         allow(SCMP_SYS(write), SCMP_A0_64(SCMP_CMP_EQ, STDOUT_FILENO, 0)) &&
         allow(SCMP_SYS(write), SCMP_A0_64(SCMP_CMP_EQ, STDERR_FILENO, 0)) &&
         allow(SCMP_SYS(prlimit64), SCMP_A0_64(SCMP_CMP_EQ, 0, 0), SCMP_A1_64(SCMP_CMP_EQ, RLIMIT_CPU, 0));
}

bool EnterSeccomp(int image) noexcept {
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  return filter != nullptr && AllowCalls(filter.get()) && AllowSomeOf(filter.get(), image) &&
         seccomp_load(filter.get()) == 0;
}

}  // namespace

std::string Sandbox::ToJson() const {
  return JsonObject().Number("landlock", landlock).Flag("seccomp", seccomp).Flag("limits", limits).Finish();
}

Sandbox EnterSandbox(int image, const SandboxLimits& limits) {
  if (image != STDIN_FILENO) close(STDIN_FILENO);
  const auto first = static_cast<unsigned>(std::max(image, STDERR_FILENO)) + 1;
  if (image > STDERR_FILENO + 1) syscall(SYS_close_range, STDERR_FILENO + 1, image - 1, 0);
  syscall(SYS_close_range, first, ~0U, 0);
  const std::uint64_t own_size = OwnSize();  // while files can still be opened
  Sandbox sandbox;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) sandbox.landlock = EnterLandlock();
  sandbox.limits = EnterLimits(limits, own_size);
  sandbox.seccomp = EnterSeccomp(image);
  return sandbox;
}

void ExtendCpuLimit(std::uint64_t seconds) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  limit.rlim_cur = std::min(limit.rlim_cur + seconds, limit.rlim_max);
  setrlimit(RLIMIT_CPU, &limit);
}

}  // namespace platter::hook

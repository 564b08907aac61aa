// What is forbidden inside the sandbox ends the process, and what is limited stays so.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tools/platter-hook/cpu_budget.h"
#include "tools/platter-hook/sandbox.h"

namespace platter::hook {
namespace {

TEST(Sandbox, FilesHaveNoAttributesInside) {
  const auto ask = [] {
    EnterSandbox(STDIN_FILENO, {});
    struct stat status {};
    (void)stat("/etc/passwd", &status);
  };
  EXPECT_EXIT(ask(), testing::KilledBySignal(SIGSYS), "");
}

TEST(Sandbox, NothingButTheImageIsRead) {
  for (const int other : {STDIN_FILENO, STDERR_FILENO}) {
    const auto ask = [other] {
      EnterSandbox(open("/dev/zero", O_RDONLY | O_CLOEXEC), {});
      char byte = 0;
      (void)!read(other, &byte, 1);
    };
    EXPECT_EXIT(ask(), testing::KilledBySignal(SIGSYS), "");
  }
}

// Exits with the seconds of the hard limit, once the soft one was extended by more than there is.
[[noreturn]] void ExitWithMostSeconds() {
  EnterSandbox(STDIN_FILENO, {.cpu_seconds = 7, .earnable_seconds = 20});
  ExtendCpuLimit(1000);
  rlimit limit{};
  getrlimit(RLIMIT_CPU, &limit);
  _exit(limit.rlim_cur == limit.rlim_max ? static_cast<int>(limit.rlim_max) : 1);
}

TEST(Sandbox, ProcessorTimeHasAnEnd) { EXPECT_EXIT(ExitWithMostSeconds(), testing::ExitedWithCode(7 + 20 + 2), ""); }

TEST(CpuBudget, KnowsWhatAFileCanEarn) {
  EXPECT_EQ(CpuBudget::MostOf(0), 0U);
  EXPECT_EQ(CpuBudget::MostOf(1 << 20), 1032U / 8);
  EXPECT_EQ(CpuBudget::MostOf(std::uint64_t{256} << 20), 1 + 256U * 1032 / 8);
  EXPECT_LT(CpuBudget::MostOf(UINT64_MAX), std::uint64_t{1} << 50);
}

}  // namespace
}  // namespace platter::hook

#include "tools/platter-hook/last_words.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <string>

#include "tools/platter-hook/answer.h"

namespace platter::hook {
namespace {

// A signal handler sees nothing but what is static.
class LastWords {
 public:
  void Set(const std::string& text) noexcept {
    size_ = std::min(text.size(), text_.size());
    std::memcpy(text_.data(), text.data(), size_);
  }

  [[noreturn]] void Say() const noexcept {
    // Whether it gets through is the reader's affair; the exit code says the same.
    [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, text_.data(), size_);
    _exit(kUndecided);
  }

 private:
  std::array<char, 1024> text_ = {};
  std::size_t size_ = 0;
};

constinit LastWords out_of_time;
constinit LastWords out_of_memory;

}  // namespace

void PrepareLastWords(const Sandbox* sandbox) {
  out_of_time.Set(UndecidedAnswer("the processor time allowed by --cpu-seconds is used up", sandbox));
  out_of_memory.Set(UndecidedAnswer("the memory allowed by --memory is not enough", sandbox));
  if (sandbox != nullptr) return;
  std::signal(SIGXCPU, [](int) { out_of_time.Say(); });
  std::set_terminate([] { out_of_memory.Say(); });
}

void EndOutOfMemory() noexcept { out_of_memory.Say(); }

}  // namespace platter::hook

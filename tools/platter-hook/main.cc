// platter-hook: judges one upload for a service, in a sandbox.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <new>
#include <vector>

#include "formats/containers/ovf/certificate.h"
#include "formats/inspect/inspector.h"
#include "tools/platter-hook/answer.h"
#include "tools/platter-hook/arguments.h"
#include "tools/platter-hook/cpu_budget.h"
#include "tools/platter-hook/image_file.h"
#include "tools/platter-hook/last_words.h"
#include "tools/platter-hook/sandbox.h"

namespace platter::hook {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

bool WriteAll(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

int Print(std::string_view text, int exit_code) noexcept {
  return WriteAll(STDOUT_FILENO, text) ? exit_code : kUndecided;
}

int Fail(const Error& error, const Sandbox* sandbox) {
  const std::string story = error.Describe();
  WriteAll(STDERR_FILENO, fmt::format("platter-hook: {}\n", story));
  return Print(UndecidedAnswer(story, sandbox), kUndecided);
}

Result<inspect::Report> InspectStream(ImageFile& file, const inspect::Options& options) {
  inspect::Inspector inspector(options);
  std::vector<std::byte> piece(kPiece);
  while (const std::size_t got = PLATTER_TRY(file.ReadNext(piece))) {
    const std::uint64_t before = inspector.unpacked();
    inspector.Feed(std::span(piece).first(got));
    options.unpacking.tally(inspector.unpacked() - before);
  }
  return inspector.Finish();
}

int ExitCodeOf(inspect::Verdict verdict) noexcept {
  if (verdict == inspect::Verdict::kAccepted) return 0;
  return verdict == inspect::Verdict::kRefused ? 1 : kUndecided;
}

int Inspect(const Arguments& arguments) {
  auto opened = ImageFile::Open(arguments.file);
  if (!opened.ok()) return Fail(opened.error(), nullptr);
  const std::shared_ptr<ImageFile> file = std::move(opened).value();
  if (!file->seekable() && arguments.depth == inspect::Depth::kFull) {
    return Fail(Error(ErrorKind::kInvalid, "--depth full wants a file: what passes by cannot be looked at twice"),
                nullptr);
  }
  // Where that fails, a finding says that a signature could not be verified.
  if (arguments.depth == inspect::Depth::kFull) (void)ovf::PrepareSignatures().ok();
  PrepareLastWords(nullptr);
  SandboxLimits limits = arguments.limits;
  if (file->seekable()) limits.earnable_seconds = CpuBudget::MostOf(file->size());
  const Sandbox sandbox = EnterSandbox(file->fd(), limits);
  if (arguments.require_sandbox && !sandbox.complete()) {
    return Fail(Error(ErrorKind::kUnsupported, "a layer of the sandbox is missing: " + sandbox.ToJson()), &sandbox);
  }
  PrepareLastWords(&sandbox);
  inspect::Options options;
  options.policy = arguments.policy;
  options.name = file->name();
  CpuBudget budget;
  file->Earn(budget);
  options.unpacking.tally = [&budget](std::uint64_t bytes) { budget.AddUnpacked(bytes); };
  const auto report =
      file->seekable() ? inspect::InspectFile(file, options, arguments.depth) : InspectStream(*file, options);
  if (!report.ok()) return Fail(report.error(), &sandbox);
  return Print(Answer(report.value(), sandbox), ExitCodeOf(report.value().verdict));
}

int Run(std::span<char*> words) {
  const auto arguments = ParseArguments(words);
  if (!arguments.ok()) return Fail(arguments.error(), nullptr);
  switch (arguments.value().wish) {
    case Arguments::Wish::kHelp:
      return Print(HelpText(), 0);
    case Arguments::Wish::kVersion:
      return Print("platter-hook version " PLATTER_VERSION "\n", 0);
    case Arguments::Wish::kInspect:
      return Inspect(arguments.value());
  }
  return kUndecided;
}

}  // namespace
}  // namespace platter::hook

int main(int argc, char** argv) {
  using namespace platter::hook;
  // A reader that went away is an error like any other.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    // Straight out: what runs at an ordinary exit has no business behind the sandbox's door.
    _exit(Run({argv, static_cast<std::size_t>(argc)}));
  } catch (const std::bad_alloc&) {
    EndOutOfMemory();
  }
}

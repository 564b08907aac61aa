// platter amazon split: the root file system, its kernel and its ramdisk out of a disk in any format.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "convert/amazon/root.h"
#include "convert/copy/copy.h"
#include "formats/amazon/kernel.h"
#include "formats/core/chain_storage.h"
#include "formats/format_table.h"
#include "tools/platter/amazon_verb.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/files_read.h"
#include "tools/platter/human_size.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/new_image.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/source_watch.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct SplitArguments {
  ImageArgument disk;
  std::string out;
  std::optional<std::uint32_t> partition;
  std::string kernel;
  bool force = false;
  bool quiet = false;
};

constexpr option kOptions[] = {
    {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
    {"partition", required_argument, nullptr, kPartition},
    {"kernel", required_argument, nullptr, kKernel},
    {"force", no_argument, nullptr, kForce},
};

// False after a message.
bool TakeNumber(const Persona& persona, const std::string& text, SplitArguments& arguments) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end && number != 0) {
    arguments.partition = number;
    return true;
  }
  Complain(persona, fmt::format("Invalid partition number '{}': partitions count from 1", text));
  return false;
}

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, SplitArguments& arguments) {
  while (const auto code = parser.Next()) {
    if (*code == 'f') arguments.disk.format = parser.value();
    if (*code == 'd') arguments.out = parser.value();
    if (*code == 'U') arguments.disk.force_share = true;
    if (*code == 'q') arguments.quiet = true;
    if (*code == kImageOpts) arguments.disk.image_opts = true;
    if (*code == kKernel) arguments.kernel = parser.value();
    if (*code == kForce) arguments.force = true;
    if (*code == kPartition && !TakeNumber(call.persona, std::string(parser.value()), arguments)) return false;
  }
  if (parser.exit_code() || !TakeOnlyOperand(call, parser, arguments.disk.text)) return false;
  if (!arguments.out.empty()) return true;
  ComplainUsage(call.persona, "Expecting -d, the name of the files to write without its end");
  return false;
}

class Split {
 public:
  Split(const Persona& persona, const SplitArguments& arguments, const OpenedChain& chain, const SourceWatch& watch)
      : persona_(persona), arguments_(arguments), chain_(chain), watch_(watch) {}

  int Run() {
    auto done = CheckTargets();
    if (done.ok()) done = FindAndWriteAmi();
    if (!done.ok()) return Failed(done.error());
    done = WriteKernelAndRamdisk();
    if (done.ok()) return 0;
    Complain(persona_, fmt::format("{} is written, but no kernel: {}", Target("ami"), done.error().Describe()));
    return 1;
  }

 private:
  std::string Target(std::string_view end) const { return fmt::format("{}.{}", arguments_.out, end); }

  int Failed(const Error& error) {
    Complain(persona_, fmt::format("{}: {}", arguments_.disk.text, error.Describe()));
    return 1;
  }

  template <class... Parts>
  void Say(fmt::format_string<Parts...> text, Parts&&... parts) const {
    if (!arguments_.quiet) PrintText(text, std::forward<Parts>(parts)...);
  }

  // Nothing is replaced unasked, and the disk itself never is.
  Result<> CheckTargets() const {
    FilesRead read;
    read.Add(chain_);
    for (const std::string_view end : {"ami", "aki", "ari"}) {
      const std::string path = Target(end);
      struct stat status {};
      if (stat(path.c_str(), &status) != 0) continue;
      if (!arguments_.force) {
        return Error(ErrorKind::kInvalid, fmt::format("'{}' is there already", path)).Try("--force replaces it");
      }
      if (read.Has(path)) {
        return Error(ErrorKind::kInvalid, fmt::format("'{}' is the disk itself, or a part of it", path));
      }
    }
    return Done{};
  }

  Result<> FindAndWriteAmi() {
    const auto disk = std::make_shared<ChainStorage>(arguments_.disk.text, chain_.chain());
    choice_ = PLATTER_TRY(amazon::FindRoot(disk, arguments_.partition));
    const FormatDriver& raw = *FindFormat("raw");
    DenyGate gate;
    OpenContext context;
    context.gate = &gate;
    const Chain chain({PLATTER_TRY(raw.open(choice_.root.bytes, context))});
    NewImageFiles files(CacheMode::kWriteback);
    CreateRequest request;
    request.storage = PLATTER_TRY(files.Make(Target("ami")));
    request.virtual_size = chain.virtual_size();
    auto writer = PLATTER_TRY(raw.create(request));
    CopyOptions options;
    options.cancel = &CatchInterrupts();
    const Chain* source = &chain;
    PLATTER_CHECK(Copy(std::span(&source, 1), *writer, options));
    PLATTER_CHECK(writer->Finish());
    PLATTER_CHECK(watch_.Unchanged());
    files.Keep();
    Say("{}: {}, {}\n", Target("ami"), choice_.root.Name(), HumanSize(chain.virtual_size()));
    return Done{};
  }

  Result<> WriteKernelAndRamdisk() {
    const amazon::BootFiles boot = PLATTER_TRY(amazon::FindBootFiles(choice_, arguments_.kernel));
    NewImageFiles files(CacheMode::kWriteback);
    auto kernel = PLATTER_TRY(files.Make(Target("aki")));
    PLATTER_CHECK(WriteFile(boot.kernel, *kernel));
    if (boot.kernel.files->journal_pending()) {
      WarnOfJournal(persona_, fmt::format("the file system with {}", boot.kernel.path));
    }
    if (boot.ramdisk) {
      auto ramdisk = PLATTER_TRY(files.Make(Target("ari")));
      PLATTER_CHECK(WriteFile(*boot.ramdisk, *ramdisk));
    }
    const auto recognised = PLATTER_TRY(amazon::RecogniseKernel(*kernel));
    PLATTER_CHECK(watch_.Unchanged());
    files.Keep();
    Describe(boot.kernel, "aki", recognised ? recognised->version : "");
    if (!recognised) Complain(persona_, fmt::format("warning: {} is no kernel that we know", boot.kernel.path));
    if (boot.ramdisk) {
      Describe(*boot.ramdisk, "ari", "");
      return Done{};
    }
    // What another kernel left there would pass for this one's.
    unlink(Target("ari").c_str());
    Complain(persona_,
             fmt::format("warning: {} has no initial ramdisk beside it: no {}", boot.kernel.path, Target("ari")));
    return Done{};
  }

  void Describe(const amazon::BootFile& file, std::string_view end, const std::string& version) const {
    const std::string where = file.partition == 0 ? "" : fmt::format(" of partition {}", file.partition);
    Say("{}: {}{}, {}{}{}\n", Target(end), file.path, where, HumanSize(file.file.size), version.empty() ? "" : ", ",
        version);
  }

  static Result<> WriteFile(const amazon::BootFile& file, Storage& target) {
    std::uint64_t offset = 0;
    const auto take = [&](std::span<const std::byte> piece) -> Result<> {
      if (CatchInterrupts()) return Error(ErrorKind::kCancelled, "interrupted");
      PLATTER_CHECK(target.WriteAt(offset, piece));
      offset += piece.size();
      return Done{};
    };
    PLATTER_CHECK(file.files->Read(file.file, take));
    return target.Sync();
  }

  const Persona& persona_;
  const SplitArguments& arguments_;
  const OpenedChain& chain_;
  const SourceWatch& watch_;
  amazon::RootChoice choice_;
};

}  // namespace

int RunAmazonSplit(const Invocation& call) {
  ArgumentParser parser(call, "f:d:Uq", kOptions);
  SplitArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  SourceWatch watch;
  const auto chain = OpenWatched(arguments.disk, watch);
  if (!chain.ok()) {
    ComplainOpen(call.persona, arguments.disk.text, chain.error());
    return 1;
  }
  return Split(call.persona, arguments, chain.value(), watch).Run();
}

}  // namespace platter::cli

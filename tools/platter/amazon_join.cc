// platter amazon join: one bootable disk out of ami, aki and ari.
#include <fmt/format.h>
#include <zlib.h>

#include <array>

#include "convert/amazon/boot_disk.h"
#include "formats/amazon/file_system.h"
#include "formats/amazon/kernel.h"
#include "formats/amazon/ramdisk.h"
#include "formats/core/chain_storage.h"
#include "formats/format_table.h"
#include "tools/platter/amazon_verb.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/boot_partition.h"
#include "tools/platter/convert_target.h"
#include "tools/platter/human_size.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/new_image.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"
#include "tools/platter/source_watch.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct JoinArguments {
  std::string ami;
  std::string aki;
  std::string ari;
  std::string ami_format;
  std::string append;
  bool force_share = false;
  ConvertArguments target;
};

constexpr option kOptions[] = {
    {"ami", required_argument, nullptr, kAmi},  {"aki", required_argument, nullptr, kAki},
    {"ari", required_argument, nullptr, kAri},  {"append", required_argument, nullptr, kAppend},
    {"force-share", no_argument, nullptr, 'U'},
};

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, JoinArguments& arguments) {
  arguments.target.target_format = "raw";
  while (const auto code = parser.Next()) {
    if (*code == kAmi) arguments.ami = parser.value();
    if (*code == kAki) arguments.aki = parser.value();
    if (*code == kAri) arguments.ari = parser.value();
    if (*code == kAppend) arguments.append = parser.value();
    if (*code == 'f') arguments.ami_format = parser.value();
    if (*code == 'O') arguments.target.target_format = parser.value();
    if (*code == 'c') arguments.target.compress = true;
    if (*code == 'q') arguments.target.quiet = true;
    if (*code == 'U') arguments.force_share = true;
    if (*code == 'o' && !AddOptionList(call.persona, arguments.target.create_options, parser.value())) return false;
  }
  if (parser.exit_code() || !TakeOnlyOperand(call, parser, arguments.target.target)) return false;
  if (!arguments.ami.empty() && !arguments.aki.empty()) return true;
  ComplainUsage(call.persona, "Expecting --ami and --aki: a disk starts with a file system and a kernel at least");
  return false;
}

class Join {
 public:
  Join(const Persona& persona, const JoinArguments& arguments) : persona_(persona), arguments_(arguments) {}

  int Run() {
    auto done = Gather();
    if (!done.ok()) {
      Complain(persona_, done.error().Describe());
      return 1;
    }
    return Write();
  }

 private:
  Result<> Open(const std::string& path, const std::string& format) {
    ImageArgument argument;
    argument.text = path;
    argument.format = format;
    argument.force_share = arguments_.force_share;
    auto chain = OpenWatched(argument, watch_);
    if (!chain.ok()) return std::move(chain).error().While(fmt::format("Could not open '{}'", path));
    sources_.push_back(std::move(chain).value());
    return Done{};
  }

  // Kernels and ramdisks are raw whatever they look like.
  Result<> Gather() {
    PLATTER_CHECK(Open(arguments_.ami, arguments_.ami_format));
    PLATTER_CHECK(Open(arguments_.aki, "raw"));
    if (!arguments_.ari.empty()) PLATTER_CHECK(Open(arguments_.ari, "raw"));
    auto root = std::make_shared<ChainStorage>(arguments_.ami, sources_[0].chain());
    PLATTER_CHECK(CheckAmi(*root));
    PLATTER_CHECK(CheckKernel());
    PLATTER_CHECK(CheckRamdisk());
    const auto signature = PLATTER_TRY(Signature(*root));
    (void)CatchInterrupts();  // which would leave the folder behind
    scratch_.emplace(PLATTER_TRY(ScratchFolder::Make()));
    BootPartitionRequest request;
    request.kernel = sources_[1].layers.front().storage.get();
    request.ramdisk = arguments_.ari.empty() ? nullptr : sources_[2].layers.front().storage.get();
    request.command_line = fmt::format("root=PARTUUID={:08x}-02 ro console=tty0 console=ttyS0{}{}", signature,
                                       arguments_.append.empty() ? "" : " ", arguments_.append);
    request.serial = signature;
    const auto boot_code = PLATTER_TRY(ReadBootCode());
    auto boot = PLATTER_TRY(MakeBootPartition(*scratch_, request));
    disk_ = PLATTER_TRY(amazon::MakeBootDisk(boot_code, signature, std::move(boot), std::move(root)));
    return Done{};
  }

  Result<> CheckAmi(Storage& root) const {
    const auto fs = PLATTER_TRY(amazon::RecogniseFileSystem(root));
    if (fs && fs->size <= root.size()) return Done{};
    if (fs) return Error(ErrorKind::kCorrupt, "the ami's file system is cut").In(arguments_.ami);
    return Error(ErrorKind::kInvalid, "the ami is no file system that we know")
        .In(arguments_.ami)
        .Allowed("ext2, ext3, ext4, xfs, btrfs or squashfs")
        .Try("a whole disk boots as it is: use platter convert");
  }

  Result<> CheckKernel() const {
    const auto kernel = PLATTER_TRY(amazon::RecogniseKernel(*sources_[1].layers.front().storage));
    if (!kernel) return Error(ErrorKind::kInvalid, "the aki is no kernel that we know").In(arguments_.aki);
    if (kernel->architecture.starts_with("x86") && !kernel->boot_protocol.empty()) return Done{};
    return Error(
               ErrorKind::kUnsupported,
               fmt::format("syslinux starts x86 kernels with a setup header only, and this is {} for {}", kernel->type,
                           kernel->architecture.empty() ? "an unknown architecture" : kernel->architecture))
        .In(arguments_.aki);
  }

  Result<> CheckRamdisk() const {
    if (arguments_.ari.empty()) return Done{};
    const auto ramdisk = PLATTER_TRY(amazon::RecogniseRamdisk(*sources_[2].layers.front().storage));
    if (!ramdisk) Complain(persona_, fmt::format("warning: {} is no initial ramdisk that we know", arguments_.ari));
    return Done{};
  }

  // The same parts give the same disk; other parts another one, because their file system's UUID differs.
  static Result<std::uint32_t> Signature(Storage& root) {
    std::vector<std::byte> head(std::size_t{1} << 17);
    PLATTER_CHECK(root.ReadPadded(0, head));
    const auto sum = crc32(0, reinterpret_cast<const Bytef*>(head.data()), static_cast<uInt>(head.size()));
    return sum == 0 ? 1 : static_cast<std::uint32_t>(sum);
  }

  int Write() {
    DenyGate gate;
    OpenContext context;
    context.gate = &gate;
    auto image = FindFormat("raw")->open(disk_, context);
    if (!image.ok()) {
      Complain(persona_, ReasonOf(image.error()));
      return 1;
    }
    const Chain chain({std::move(image).value()});
    auto target = ConvertTarget::Create(persona_, arguments_.target, sources_, chain.virtual_size());
    if (!target) return 1;
    auto filled = target->Fill(chain);
    if (filled.ok()) filled = watch_.Unchanged();
    if (!filled.ok()) {
      Complain(persona_, ReasonOf(filled.error()));
      return 1;
    }
    target->Keep();
    if (!arguments_.target.quiet && !IsStandardOutput(target->path())) {
      PrintText("{}: bootable {} disk, {}\n", arguments_.target.target, persona_.FormatName(target->driver()),
                HumanSize(chain.virtual_size()));
    }
    return 0;
  }

  const Persona& persona_;
  const JoinArguments& arguments_;
  SourceWatch watch_;
  std::vector<OpenedChain> sources_;  // ami, aki, ari
  std::optional<ScratchFolder> scratch_;
  std::shared_ptr<Storage> disk_;
};

}  // namespace

int RunAmazonJoin(const Invocation& call) {
  ArgumentParser parser(call, "f:O:o:cqU", kOptions);
  JoinArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  return Join(call.persona, arguments).Run();
}

}  // namespace platter::cli

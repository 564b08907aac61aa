// platter convert: moves a guest disk from one image to another.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "convert/copy/copy.h"
#include "convert/hash/digest_set.h"
#include "convert/hash/digesting_writer.h"
#include "convert/hash/guest_digest.h"
#include "formats/container_table.h"
#include "formats/format_table.h"
#include "tools/platter/convert_arguments.h"
#include "tools/platter/convert_target.h"
#include "tools/platter/digest_list.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"
#include "tools/platter/piped_source.h"
#include "tools/platter/progress.h"
#include "tools/platter/snapshot_argument.h"
#include "tools/platter/source_watch.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

// What is read from: several images one behind the other, or one disk that comes out of a pipe.
struct Sources {
  std::vector<OpenedChain> chains;
  std::unique_ptr<ova::PassingAppliance> appliance;  // where the standard input is one
  SourceWatch watch;
};

// Empty after a message.
std::optional<Sources> OpenSources(const Persona& persona, const ConvertArguments& arguments) {
  Sources sources;
  for (const std::string& name : arguments.sources) {
    ImageArgument argument;
    argument.dialect = persona.dialect();
    argument.text = name;
    argument.image_opts = arguments.source_image_opts;
    argument.format = arguments.source_format;
    argument.cache = arguments.source_cache;
    argument.force_share = arguments.force_share;
    argument.containers = true;
    argument.disk = arguments.disk;
    if (IsStandardInput(argument) && sources.appliance == nullptr) {
      auto piped = OpenStandardInput(argument);
      if (!piped.ok()) {
        ComplainOpen(persona, name, piped.error());
        return std::nullopt;
      }
      sources.chains.push_back(std::move(piped.value().chain));
      sources.appliance = std::move(piped.value().appliance);
      continue;
    }
    auto chain = OpenWatched(argument, sources.watch);
    if (!chain.ok()) {
      ComplainOpen(persona, name, chain.error());
      return std::nullopt;
    }
    sources.chains.push_back(std::move(chain).value());
  }
  return sources;
}

// What is to be read. Empty after a message.
std::optional<std::vector<Chain>> ChooseChains(const Persona& persona, const ConvertArguments& arguments,
                                               const std::vector<OpenedChain>& sources) {
  std::vector<Chain> chains;
  if (!arguments.snapshot) {
    for (const OpenedChain& source : sources) chains.push_back(source.chain());
    return chains;
  }
  if (sources.size() > 1) {
    Complain(persona, "No support for concatenating multiple snapshot");
    return std::nullopt;
  }
  const auto wanted = ParseSnapshotArgument(*arguments.snapshot);
  if (!wanted.ok()) {
    Complain(persona, ReasonOf(wanted.error()));
    Complain(persona, fmt::format("Failed in parsing snapshot param '{}'", *arguments.snapshot));
    return std::nullopt;
  }
  auto chain = OpenSnapshot(sources.front(), wanted.value());
  if (!chain.ok()) {
    Complain(persona, fmt::format("Failed to load snapshot: {}", ReasonOf(chain.error())));
    return std::nullopt;
  }
  chains.push_back(std::move(chain).value());
  return chains;
}

// False after a message: --bitmaps cannot be done.
bool CheckBitmaps(const Persona& persona, const ConvertArguments& arguments, const std::vector<OpenedChain>& sources) {
  if (!arguments.bitmaps) return true;
  if (sources.size() > 1) {
    Complain(persona, "Copying bitmaps only possible with single source");
    return false;
  }
  Bitmaps* bitmaps = sources.front().layers.front().image->bitmaps();
  if (bitmaps == nullptr) {
    Complain(persona, "Source lacks bitmap support");
    return false;
  }
  if (arguments.skip_broken_bitmaps) return true;
  const auto broken = std::ranges::find(bitmaps->bitmaps(), true, &BitmapInfo::in_use);
  if (broken == bitmaps->bitmaps().end()) return true;
  Complain(persona, fmt::format("Cannot copy inconsistent bitmap '{}'", broken->name));
  PrintText(stderr, "Try --skip-broken-bitmaps, or use '{} bitmap --remove'\n", persona.program);
  return false;
}

Result<> CopyBitmaps(const Persona& persona, Bitmaps& source, BitmapTarget& target) {
  for (std::size_t index = 0; index < source.bitmaps().size(); ++index) {
    const BitmapInfo& bitmap = source.bitmaps()[index];
    if (bitmap.in_use) {
      Complain(persona, fmt::format("warning: Skipping inconsistent bitmap '{}'", bitmap.name));
      continue;
    }
    auto copied = target.CopyBitmap(source, index);
    if (!copied.ok()) {
      return std::move(copied).error().While(fmt::format("Failed to populate bitmap {}", bitmap.name));
    }
  }
  return Done{};
}

class Conversion {
 public:
  Conversion(const Persona& persona, const ConvertArguments& arguments, const Sources& sources,
             const std::vector<Chain>& chains, std::uint64_t size)
      : persona_(persona),
        arguments_(arguments),
        sources_(sources.chains),
        appliance_(sources.appliance.get()),
        chains_(chains),
        watch_(sources.watch),
        size_(size) {}

  int Run();

 private:
  bool SeesEveryByte() const;
  bool MayShareBlocks() const;
  bool MayPassPacked() const;
  CopyOptions MakeCopyOptions(const ConvertTarget& target, Progress& progress);
  void LeaveToBacking(const ConvertTarget& target, CopyOptions& options) const;
  Result<> Write(ConvertTarget& target, Progress& progress);
  Result<> CopyDisk(ConvertTarget& target, Progress& progress);
  Result<> FinishDigests(const ConvertTarget& target);
  Result<> HashFiles(const ConvertTarget& target);
  void PrintDigests(std::FILE* out) const;

  const Persona& persona_;
  const ConvertArguments& arguments_;
  const std::vector<OpenedChain>& sources_;
  ova::PassingAppliance* const appliance_;  // null where nothing comes out of a pipe
  const std::vector<Chain>& chains_;
  const SourceWatch& watch_;
  std::uint64_t size_;
  std::unique_ptr<DigestSet> digest_set_;  // of the disk, while it is copied
  std::vector<DigestValue> digests_;       // of the disk, once it is copied
  std::vector<std::string> file_digests_;  // lines, once the image is whole
};

// Whoever wants digests, or says how zeros are to be found or how fast to go, has every byte looked at; so does a
// script that expects qemu-img's output.
bool Conversion::SeesEveryByte() const {
  return persona_.as_qemu || !arguments_.digests.empty() || arguments_.sparse || arguments_.salvage;
}

bool Conversion::MayShareBlocks() const {
  return !arguments_.no_reflink && arguments_.rate_limit == 0 && !SeesEveryByte();
}

bool Conversion::MayPassPacked() const {
  return !arguments_.recompress && !arguments_.compression_level && !SeesEveryByte();
}

// qemu-img takes it that the new backing file is what lies below the source's topmost layer.
void Conversion::LeaveToBacking(const ConvertTarget& target, CopyOptions& options) const {
  options.target_backing = target.backing();
  if (target.backing() == nullptr || persona_.as_qemu) return;
  options.layers_above_backing = target.LayersAboveBacking(sources_.front());
  // Of what is there already nobody knows whether it is over that file.
  if (target.content() != nullptr && options.layers_above_backing == 0) options.target_backing = nullptr;
}

CopyOptions Conversion::MakeCopyOptions(const ConvertTarget& target, Progress& progress) {
  CopyOptions options;
  options.workers = arguments_.workers;
  options.sparse_granularity = arguments_.sparse.value_or(options.sparse_granularity);
  options.rate_limit = arguments_.rate_limit;
  // Whoever waits in a stream for the bytes before its own must not wait for a read that may fail.
  options.in_kernel = arguments_.in_kernel && !target.streams();
  options.pass_packed = MayPassPacked();
  options.moves_only = !target.compresses() && arguments_.digests.empty();
  if (MayShareBlocks()) options.reflink_target = target.any_file();
  options.salvage = arguments_.salvage;
  if (!arguments_.quiet) {
    options.on_read_error = [this](std::uint64_t offset, const Error& error) {
      Complain(persona_, fmt::format("warning: error while reading offset {}: {}", offset, ReasonOf(error)));
    };
  }
  LeaveToBacking(target, options);
  options.target_is_zero = arguments_.target_is_zero;
  options.target_content = target.content();
  if (target.content() != nullptr) options.target_size = target.content()->virtual_size();
  options.progress = [&progress](std::uint64_t done, std::uint64_t /*total*/) { progress.Update(done); };
  options.cancel = &CatchInterrupts();
  return options;
}

Result<> Conversion::CopyDisk(ConvertTarget& target, Progress& progress) {
  std::vector<const Chain*> chains;
  for (const Chain& chain : chains_) chains.push_back(&chain);
  const CopyOptions options = MakeCopyOptions(target, progress);
  if (arguments_.digests.empty()) {
    PLATTER_CHECK(Copy(chains, target.writer(), options));
    return Done{};
  }
  digest_set_ = PLATTER_TRY(DigestSet::Make(arguments_.digests, true));
  DigestingWriter writer(target.writer(), *digest_set_, size_);
  PLATTER_CHECK(Copy(chains, writer, options));
  return Done{};
}

// Formats round sizes up: the digests are to be those of the disk that was made.
Result<> Conversion::FinishDigests(const ConvertTarget& target) {
  if (digest_set_ == nullptr) return Done{};
  const std::uint64_t made = PLATTER_TRY(target.NewSize(size_));
  digest_set_->UpdateZeros(made - std::min(made, size_));
  digests_ = PLATTER_TRY(digest_set_->Finish());
  return Done{};
}

// The image's files are not written from first to last: they are read again, out of the page cache.
Result<> Conversion::HashFiles(const ConvertTarget& target) {
  HashOptions options;
  options.algorithms = arguments_.file_digests;
  options.cancel = &CatchInterrupts();
  for (const std::shared_ptr<FileStorage>& file : target.files()) {
    const auto values = PLATTER_TRY(FileDigests(*file, options));
    for (std::size_t i = 0; i < values.size(); ++i) {
      file_digests_.push_back(TaggedDigestLine(options.algorithms[i], values[i].Hex(), file->name()));
    }
  }
  return Done{};
}

// Lines of the disk for `platter hash --guest --check`, those of files for sha256sum --check and its like.
void Conversion::PrintDigests(std::FILE* out) const {
  for (std::size_t i = 0; i < digests_.size(); ++i) {
    PrintText(out, "{}\n", TaggedDigestLine(arguments_.digests[i], digests_[i].Hex(), arguments_.target));
  }
  for (const std::string& line : file_digests_) PrintText(out, "{}\n", line);
}

Result<> Conversion::Write(ConvertTarget& target, Progress& progress) {
  PLATTER_CHECK(CopyDisk(target, progress));
  PLATTER_CHECK(watch_.Unchanged());
  // What follows the disk may still show that the archive is none to be taken.
  if (appliance_ != nullptr) PLATTER_CHECK(appliance_->Finish());
  if (arguments_.bitmaps) {
    Bitmaps& bitmaps = *sources_.front().layers.front().image->bitmaps();
    PLATTER_CHECK(CopyBitmaps(persona_, bitmaps, *target.writer().bitmap_target()));
  }
  PLATTER_CHECK(target.writer().Finish());
  PLATTER_CHECK(FinishDigests(target));
  return arguments_.file_digests.empty() ? Result<>(Done{}) : HashFiles(target);
}

int Conversion::Run() {
  // Before there is a file to take away again.
  CatchInterrupts();
  auto target = arguments_.into_existing ? ConvertTarget::OpenExisting(persona_, arguments_, sources_, size_)
                                         : ConvertTarget::Create(persona_, arguments_, sources_, size_);
  if (!target) return 1;
  std::FILE* messages = IsStandardOutput(target->path()) ? stderr : stdout;
  Progress progress(arguments_.progress && !arguments_.quiet, persona_.as_qemu, size_, messages);
  const auto written = Write(*target, progress);
  progress.Finish(written.ok());
  if (!written.ok()) {
    Complain(persona_, ReasonOf(written.error()));
    return 1;
  }
  target->Keep();
  PrintDigests(messages);
  return 0;
}

// `convert -O qcow2 -o help`.
int ShowCreateOptions(const Persona& persona, const ConvertArguments& arguments) {
  const FormatDriver* driver = FindFormat(arguments.target_format, persona.dialect());
  const ContainerDriver* container = persona.as_qemu ? nullptr : FindContainer(arguments.target_format);
  if (container != nullptr && container->create != nullptr) {
    FormatDriver options;
    options.name = container->name;
    options.create_options = container->create_options;
    PrintOptionHelp(persona, options, !arguments.target.empty());
    return 0;
  }
  if (driver == nullptr) {
    Complain(persona, fmt::format("Unknown file format '{}'", arguments.target_format));
    return 1;
  }
  if (driver->create == nullptr) {
    Complain(persona, fmt::format("Format driver '{}' does not support image creation", persona.FormatName(*driver)));
    return 1;
  }
  PrintOptionHelp(persona, *driver, !arguments.target.empty());
  return 0;
}

}  // namespace

int RunConvert(const Invocation& call) {
  ArgumentParser parser(call, kConvertLetters, ConvertLongOptions());
  const auto arguments = ParseConvertArguments(call, parser);
  if (!arguments) return parser.exit_code().value_or(1);
  const Persona& persona = call.persona;
  if (AsksForHelp(arguments->create_options)) return ShowCreateOptions(persona, *arguments);
  const auto sources = OpenSources(persona, *arguments);
  if (!sources) return 1;
  const auto chains = ChooseChains(persona, *arguments, sources->chains);
  if (!chains || !CheckBitmaps(persona, *arguments, sources->chains)) return 1;
  std::vector<const Chain*> joined;
  for (const Chain& chain : *chains) joined.push_back(&chain);
  const auto size = JoinedSize(joined);
  if (!size.ok()) {
    Complain(persona, ReasonOf(size.error()));
    return 1;
  }
  return Conversion(persona, *arguments, *sources, *chains, size.value()).Run();
}

}  // namespace platter::cli

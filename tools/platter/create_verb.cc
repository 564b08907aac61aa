// platter create: an empty image, or one that holds a folder's files.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "tools/platter/argument_parser.h"
#include "tools/platter/author_image.h"
#include "tools/platter/files_read.h"
#include "tools/platter/message.h"
#include "tools/platter/new_image.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct CreateArguments {
  std::string format = "raw";
  bool format_given = false;
  std::string options;  // every -o, joined
  std::optional<std::string> backing;
  std::optional<std::string> backing_format;
  bool unsafe = false;  // -u: the backing file is not opened
  bool quiet = false;
  std::string filename;
  std::optional<std::uint64_t> size;                          // guest bytes
  std::optional<std::string> folder;                          // --from
  std::vector<std::pair<std::string, std::string>> switches;  // of --from: option, value
};

constexpr option kAuthorSwitches[] = {
    {"from", required_argument, nullptr, kFrom}, {"volume-id", required_argument, nullptr, 'V'},
    {"joliet", no_argument, nullptr, kJoliet},   {"rock", no_argument, nullptr, kRockRidge},
    {"boot", required_argument, nullptr, kBoot}, {"efi-boot", required_argument, nullptr, kEfiBoot},
};

// A switch that stands for one of the options by which files are made into an image.
void TakeSwitch(int code, std::string_view value, CreateArguments& arguments) {
  if (code == kFrom) arguments.folder = value;
  if (code == 'V') arguments.switches.emplace_back("volume_id", value);
  if (code == kJoliet) arguments.switches.emplace_back("joliet", "on");
  if (code == kRockRidge) arguments.switches.emplace_back("rock_ridge", "on");
  if (code == kBoot) arguments.switches.emplace_back("boot", value);
  if (code == kEfiBoot) arguments.switches.emplace_back("efi_boot", value);
}

// Reads the options. False, after a message, when the value of one is wrong.
bool TakeOptions(const Invocation& call, ArgumentParser& parser, CreateArguments& arguments) {
  while (const auto code = parser.Next()) {
    if (*code == 'f') arguments.format = parser.value();
    if (*code == 'f') arguments.format_given = true;
    if (*code == 'b') arguments.backing = parser.value();
    if (*code == 'F') arguments.backing_format = parser.value();
    if (*code == 'u') arguments.unsafe = true;
    if (*code == 'q') arguments.quiet = true;
    TakeSwitch(*code, parser.value(), arguments);
    if (*code == 'o' && !AddOptionList(call.persona, arguments.options, parser.value())) return false;
  }
  return !parser.exit_code();
}

bool TakeOperands(const Invocation& call, const std::vector<std::string>& operands, CreateArguments& arguments) {
  if (!operands.empty()) arguments.filename = operands[0];
  if (AsksForHelp(arguments.options)) return true;
  if (operands.empty()) {
    ComplainUsage(call.persona, "Expecting image file name");
    return false;
  }
  if (operands.size() > 1) {
    arguments.size = ParseSizeArgument(call.persona, "image size", operands[1]);
    if (!arguments.size) return false;
  }
  if (operands.size() > 2) {
    ComplainUsage(call.persona, fmt::format("Unexpected argument: {}", operands[2]));
    return false;
  }
  return true;
}

// What qemu has besides the formats that we know: protocols and filters that an image may name all the same.
bool IsDriverOfQemu(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 17> kNames = {
      "blkdebug", "blklogwrites", "blkverify", "compress", "copy-on-read", "ftp", "ftps",        "gluster", "http",
      "https",    "iscsi",        "nbd",       "nfs",      "quorum",       "rbd", "replication", "ssh"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// Makes one image; every step returns an error whose text goes behind the file's name.
class Creation {
 public:
  Creation(const Persona& persona, const CreateArguments& arguments) : persona_(persona), arguments_(arguments) {}

  Result<> Run() {
    PLATTER_CHECK(FindDriver());
    PLATTER_CHECK(CollectOptions());
    place_ = PLATTER_TRY(PlaceOf(persona_, arguments_.filename, *driver_, options_));
    PLATTER_CHECK(SettleBacking());
    PLATTER_CHECK(SettleSize());
    if (!arguments_.quiet) {
      std::FILE* messages = IsStandardOutput(place_.path) ? stderr : stdout;
      PrintText(messages, "Formatting '{}', fmt={}{}\n", arguments_.filename, persona_.FormatName(*driver_),
                DescribeOptions(persona_, *driver_, options_));
    }
    return Make();
  }

 private:
  static Error Refusal(std::string text) { return Error(ErrorKind::kInvalid, std::move(text)); }

  Result<> FindDriver() {
    driver_ = FindFormat(arguments_.format, persona_.dialect());
    if (driver_ == nullptr) return Refusal(fmt::format("Unknown file format '{}'", arguments_.format));
    if (driver_->create != nullptr) return Done{};
    return Refusal(fmt::format("Format driver '{}' does not support image creation", persona_.FormatName(*driver_)));
  }

  Result<> CollectOptions() {
    const auto specs = CreateOptionsFor(persona_, *driver_);
    PLATTER_CHECK(options_.ParseMore(arguments_.options, specs));
    if (arguments_.size && options_.Has("size")) return Refusal("The image size must be specified only once");
    if (arguments_.backing && !options_.Set("backing_file", *arguments_.backing, specs).ok()) {
      return Refusal(fmt::format("Backing file not supported for file format '{}'", arguments_.format));
    }
    if (arguments_.backing_format && !options_.Set("backing_fmt", *arguments_.backing_format, specs).ok()) {
      return Refusal(fmt::format("Backing format not supported for file format '{}'", arguments_.format));
    }
    PLATTER_CHECK(NameBackingFormat(persona_, options_, specs));
    if (options_.Has("size")) {
      size_ = options_.Size("size", 0);
    } else {
      size_ = arguments_.size;
    }
    return Done{};
  }

  Result<> SettleBacking() {
    const auto backing = options_.Text("backing_file");
    if (!backing) return Done{};
    if (backing->empty()) return Refusal("Expected backing file name, got empty string");
    if (*backing == arguments_.filename) return OwnBacking();
    PLATTER_CHECK(arguments_.unsafe ? CheckBacking(*backing) : OpenBacking(*backing));
    if (options_.Has("backing_fmt")) return Done{};
    return Refusal("Backing file specified without backing format" + detected_);
  }

  // Of one that is not opened, and may not be there.
  Result<> CheckBacking(const std::string& backing) const {
    const std::string format = options_.Text("backing_fmt").value_or("");
    if (options_.Has("backing_fmt") && !IsDriverOfQemu(format) && FindHinted(format, persona_.dialect()) == nullptr) {
      return Refusal(persona_.as_qemu ? fmt::format("Parameter 'backing-fmt' does not accept value '{}'", format)
                                      : fmt::format("Unknown driver '{}'", format));
    }
    const auto path = ResolveReference(backing, arguments_.filename);
    const auto below = path.ok() ? IdentityOf(path.value()) : std::nullopt;
    return below && below == IdentityOf(place_.path) ? Result<>(OwnBacking()) : Result<>(Done{});
  }

  Result<> OpenBacking(const std::string& backing) {
    ImageArgument argument;
    argument.dialect = persona_.dialect();
    argument.text = PLATTER_TRY(ResolveReference(backing, arguments_.filename));
    argument.format = options_.Text("backing_fmt").value_or("");
    argument.force_share = true;  // a machine that runs may have it open: it is looked at, and not read
    const auto chain = OpenImage(argument, {});
    if (!chain.ok()) {
      std::string reason = ReasonOf(chain.error());
      return Refusal(fmt::format("Could not open '{}': {}\nCould not open backing image.", argument.text, reason));
    }
    // To make the image would destroy what is below it.
    read_.Add(chain.value());
    if (read_.Has(place_.path)) return OwnBacking();
    const ImageInfo& info = chain.value().layers.front().image->info();
    backing_size_ = info.virtual_size;
    backing_id_ = info.id;
    if (!size_) size_ = backing_size_;
    const FormatDriver& driver = *chain.value().layers.front().driver;
    detected_ = fmt::format("\nDetected format of {}.", driver.qemu_name.empty() ? "raw" : driver.qemu_name);
    return Done{};
  }

  static Error OwnBacking() {
    return Refusal("Error: Trying to create an image with the same filename as the backing file");
  }

  Result<> SettleSize() {
    if (!size_) return Refusal("Image creation needs a size parameter");
    return options_.Set("size", std::to_string(*size_), driver_->create_options);
  }

  Result<> Make() {
    NewImageFiles files(CacheMode::kWriteback);
    CreateRequest request;
    const std::string refusal = StreamRefusal(persona_, place_.path, *driver_, options_);
    if (!refusal.empty()) return Refusal(refusal);
    request.storage = PLATTER_TRY(files.MakeImage(place_));
    request.virtual_size = *size_;
    request.options = options_;
    request.open_side_file = [&](const Reference& wanted) -> Result<std::shared_ptr<Storage>> {
      const std::string side = PLATTER_TRY(ResolveReference(wanted, place_.path));
      if (read_.Has(side)) return OwnBacking();
      return files.Make(side);
    };
    request.backing_size = backing_size_;
    request.backing_id = backing_id_;
    auto made = driver_->create(request);
    if (!made.ok() && made.error().kind() == ErrorKind::kOutOfRange && persona_.as_qemu) {
      return Refusal(fmt::format("The image size is too large for file format '{}'", arguments_.format));
    }
    auto writer = PLATTER_TRY(std::move(made));
    PLATTER_CHECK(writer->Finish());
    files.Keep();
    return Done{};
  }

  const Persona& persona_;
  const CreateArguments& arguments_;
  const FormatDriver* driver_ = nullptr;
  OptionValues options_;
  NewImagePlace place_;
  FilesRead read_;
  std::optional<std::uint64_t> size_;          // guest bytes
  std::optional<std::uint64_t> backing_size_;  // guest bytes
  std::string backing_id_;
  std::string detected_;
};

// "" when the arguments go together.
std::string_view ContradictionOfFrom(const CreateArguments& arguments) {
  if (!arguments.folder && !arguments.switches.empty()) {
    return "-V, --joliet, --rock, --boot and --efi-boot go with --from FOLDER";
  }
  if (!arguments.folder) return "";
  if (arguments.size) return "--from takes no size: it is that of the files";
  return arguments.backing || arguments.backing_format || arguments.unsafe ? "--from takes no backing file" : "";
}

Result<> Author(const Persona& persona, const CreateArguments& arguments) {
  AuthorArguments author;
  author.format = arguments.format_given ? arguments.format : "iso";
  author.filename = arguments.filename;
  author.folder = *arguments.folder;
  author.options = arguments.options;
  author.switches = arguments.switches;
  author.quiet = arguments.quiet;
  return AuthorImage(persona, author);
}

int PrintHelpOnOptions(const Persona& persona, const CreateArguments& arguments) {
  const FormatDriver* driver = FindFormat(arguments.format, persona.dialect());
  if (driver == nullptr) {
    Complain(persona, fmt::format("Unknown file format '{}'", arguments.format));
    return 1;
  }
  if (driver->create == nullptr) {
    Complain(persona, fmt::format("Format driver '{}' does not support image creation", persona.FormatName(*driver)));
    return 1;
  }
  PrintOptionHelp(persona, *driver, !arguments.filename.empty());
  return 0;
}

}  // namespace

int RunCreate(const Invocation& call) {
  const bool as_qemu = call.persona.as_qemu;
  ArgumentParser parser(call, as_qemu ? "F:b:f:o:qu" : "F:V:b:f:o:qu",
                        as_qemu ? std::span<const option>() : std::span<const option>(kAuthorSwitches));
  CreateArguments arguments;
  if (!TakeOptions(call, parser, arguments)) return parser.exit_code().value_or(1);
  if (!TakeOperands(call, parser.operands(), arguments)) return 1;
  if (AsksForHelp(arguments.options)) return PrintHelpOnOptions(call.persona, arguments);
  if (const auto wrong = ContradictionOfFrom(arguments); !wrong.empty()) return ComplainUsage(call.persona, wrong);
  const auto made = arguments.folder ? Author(call.persona, arguments) : Creation(call.persona, arguments).Run();
  if (made.ok()) return 0;
  Complain(call.persona, fmt::format("{}: {}", arguments.filename, ReasonOf(made.error())));
  return 1;
}

}  // namespace platter::cli

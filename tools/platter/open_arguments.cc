#include "tools/platter/open_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/wrapped_disk.h"

namespace platter::cli {
namespace {

// Opens the files that images refer to; one data file may be another than the image says.
class ArgumentGate : public ReferenceGate {
 public:
  ArgumentGate(FileMode mode, std::optional<std::string> data_file)
      : local_(mode), mode_(mode), data_file_(std::move(data_file)) {}

  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override {
    if (wanted.role != Reference::Role::kDataFile || !data_file_) return local_.Open(wanted, referrer);
    return std::shared_ptr<Storage>(PLATTER_TRY(FileStorage::Open(*data_file_, mode_)));
  }

  Result<std::vector<std::string>> List(const std::string& folder, std::string_view suffix, const std::string& referrer,
                                        std::uint32_t most) override {
    return local_.List(folder, suffix, referrer, most);
  }

 private:
  LocalGate local_;
  FileMode mode_;
  std::optional<std::string> data_file_;
};

FileMode ModeOf(const ImageOptions& options, const ImageArgument& argument) {
  FileMode mode{.access = argument.access,
                .cache = options.cache.value_or(argument.cache),
                .lock = !argument.force_share && !options.force_share && options.locking};
  return mode;
}

// What is opened where `path` is named: where that is a folder and the image of some format (of `driver`, unless null),
// the file in it. qemu knows no such folders.
std::string FileMeant(const std::string& path, const FormatDriver* driver, Dialect dialect) {
  std::error_code unknown;
  if (dialect == Dialect::kQemu || !std::filesystem::is_directory(path, unknown)) return path;
  for (const FormatDriver* format : AllFormats()) {
    if (format->folder_member.empty() || (driver != nullptr && driver != format)) continue;
    const std::filesystem::path member = std::filesystem::path(path) / format->folder_member;
    if (std::filesystem::exists(member, unknown)) return member.string();
  }
  return path;
}

// The same where the folder is a container.
std::string ContainerMeant(const std::string& path, const ContainerDriver* wanted) {
  std::error_code unknown;
  if (!std::filesystem::is_directory(path, unknown)) return path;
  for (const ContainerDriver* container : AllContainers()) {
    if (container->folder_member.empty() || (wanted != nullptr && wanted != container)) continue;
    const std::filesystem::path member = std::filesystem::path(path) / container->folder_member;
    if (std::filesystem::exists(member, unknown)) return member.string();
  }
  return path;
}

Result<ImageSource> SourceOf(ImageOptions options, const ImageArgument& argument) {
  const bool writes = argument.access != FileMode::Access::kRead;
  if (writes && options.read_only.value_or(false)) {
    return Error(ErrorKind::kInvalid, "the image is to be written, but its options say read-only=on");
  }
  ImageSource source;
  source.dialect = argument.dialect;
  source.path = FileMeant(options.filename, options.driver, argument.dialect);
  source.driver = options.driver;
  source.bare_file = options.bare_file;
  source.open_options = options.open_options;
  source.mode = ModeOf(options, argument);
  source.force_share = argument.force_share || options.force_share;
  source.options = std::move(options);
  return source;
}

// Tells a driver that takes the data file's name as an option; what is opened is the gate's business.
Result<> NameDataFile(const FormatDriver* driver, const ImageOptions& node, OptionValues& options) {
  if (!node.data_file || driver == nullptr) return Done{};
  const auto specs = driver->open_options;
  if (std::ranges::find(specs, "data-file", &OptionSpec::name) == specs.end()) return Done{};
  return options.Set("data-file", *node.data_file, specs);
}

Result<OpenedChain> OpenTree(const ImageSource& source, const ImageOptions& node, const OpenRequest& request);

// `named`: what the image above says of its backing file. Its format holds for what takes the file's place, too, unless
// the options have one: a raw file is not to be probed.
Result<OpenedChain> OpenOverriddenBacking(const ImageSource& source, const ImageOptions& backing,
                                          const std::optional<Reference>& named, const OpenRequest& request) {
  ImageSource below;
  below.dialect = source.dialect;
  below.driver = backing.driver;
  if (below.driver == nullptr && named && !named->format_hint.empty()) {
    below.driver = FindHinted(named->format_hint, source.dialect);
    if (below.driver == nullptr) {
      return Error(ErrorKind::kUnsupported, fmt::format("Unknown driver '{}'", named->format_hint)).In(source.path);
    }
  }
  below.open_options = backing.open_options;
  below.path = FileMeant(backing.filename, below.driver, source.dialect);
  below.mode = source.mode;
  below.mode.access = FileMode::Access::kRead;
  below.mode.lock = source.mode.lock && backing.locking && !backing.force_share;
  return OpenTree(below, backing, request);
}

// The disk of a container that `source` names; no layer where the file is none.
Result<OpenedChain> OpenWrapped(const ImageSource& source, const std::shared_ptr<Storage>& storage,
                                const OpenContext& context) {
  OpenedChain chain;
  const ContainerDriver* driver = nullptr;
  if (source.containers && source.driver == nullptr) driver = PLATTER_TRY(ContainerOf(storage, source.container));
  if (driver == nullptr) {
    if (!source.disk) return chain;
    return Error(ErrorKind::kInvalid, "--disk is for containers, and this is none").In(source.path);
  }
  const auto container = PLATTER_TRY(driver->open(storage, context));
  auto disk = ChooseDisk(*container, source.disk);
  if (!disk.ok()) return std::move(disk).error().In(source.path);
  return OpenWrappedChain(source.path, *container, disk.value(), context);
}

// `node`: what --image-opts said of this image and those below it.
Result<OpenedChain> OpenTree(const ImageSource& source, const ImageOptions& node, const OpenRequest& request) {
  ArgumentGate gate(source.mode, node.data_file);
  OpenContext context;
  context.gate = &gate;
  context.contents = request.contents;
  context.dialect = source.dialect;
  context.options = source.open_options;
  PLATTER_CHECK(NameDataFile(source.driver, node, context.options));
  std::shared_ptr<Storage> storage = PLATTER_TRY(FileStorage::Open(source.path, source.mode));
  OpenedChain wrapped = PLATTER_TRY(OpenWrapped(source, storage, context));
  if (!wrapped.layers.empty()) return wrapped;
  OpenedLayer top = PLATTER_TRY(OpenLayer(source.path, std::move(storage), source.driver, context));
  if (!request.whole_chain || node.no_backing) {
    OpenedChain chain;
    chain.layers.push_back(std::move(top));
    return chain;
  }
  if (node.backing == nullptr) return OpenChain(std::move(top), context);
  if (!top.driver->can_have_backing) {
    return Error(ErrorKind::kInvalid, fmt::format("format {} has no backing files", top.driver->name));
  }
  OpenedChain chain;
  OpenedChain below = PLATTER_TRY(OpenOverriddenBacking(source, *node.backing, top.image->info().backing, request));
  chain.layers.push_back(std::move(top));
  std::ranges::move(below.layers, std::back_inserter(chain.layers));
  return chain;
}

}  // namespace

Result<ImageSource> ParseImageArgument(const ImageArgument& argument) {
  if (argument.force_share && argument.access != FileMode::Access::kRead) {
    return Error(ErrorKind::kInvalid, "force-share=on can only be used with read-only images");
  }
  if (argument.image_opts) {
    if (!argument.format.empty()) {
      return Error(ErrorKind::kInvalid, "--image-opts and --format are mutually exclusive");
    }
    return SourceOf(PLATTER_TRY(ParseImageOptions(argument.text, argument.dialect)), argument);
  }
  ImageSource source;
  source.dialect = argument.dialect;
  source.path = PLATTER_TRY(LocalPath(argument.text));
  source.mode = ModeOf({}, argument);
  source.force_share = argument.force_share;
  source.containers = argument.containers && argument.dialect == Dialect::kPlatter;
  source.disk = argument.disk;
  if (!argument.format.empty()) {
    source.driver = FindHinted(argument.format, argument.dialect);
    if (source.containers) source.container = FindContainer(argument.format);
    if (source.driver == nullptr && source.container == nullptr) {
      return Error(ErrorKind::kInvalid, fmt::format("Unknown driver '{}'", argument.format));
    }
  }
  source.path = FileMeant(source.path, source.driver, source.dialect);
  if (source.containers && source.driver == nullptr) source.path = ContainerMeant(source.path, source.container);
  return source;
}

Result<OpenedChain> OpenImage(const ImageSource& source, const OpenRequest& request) {
  return OpenTree(source, source.options, request);
}

Result<OpenedChain> OpenImage(const ImageArgument& argument, const OpenRequest& request) {
  return OpenImage(PLATTER_TRY(ParseImageArgument(argument)), request);
}

std::string ImageName(const ImageSource& source) {
  const bool partial = source.open_options.Has("offset") || source.open_options.Has("size");
  if (!partial && source.options.backing == nullptr) return source.path;
  Detail description;
  Detail file;
  for (const auto& [name, value] : source.options.written) {
    if (name.find('.') == std::string::npos) description.Add(name, value);
  }
  file.Add("driver", "file").Add("filename", source.path);
  description.Add("file", std::move(file));
  return "json:" + ToCompactJson(description);
}

std::optional<std::uint64_t> ParseSizeArgument(const Persona& persona, std::string_view what, std::string_view text) {
  const auto size = ParseSize(text);
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
  if (size.ok() && size.value() <= kLargest) return size.value();
  if (size.ok() || size.error().kind() == ErrorKind::kOutOfRange) {
    Complain(persona, fmt::format("Invalid {} specified. Must be between 0 and {}.", what, kLargest));
  } else {
    Complain(persona, fmt::format("Invalid {} specified. You may use k, M, G, T, P or E suffixes for", what));
    Complain(persona, "kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
  }
  return std::nullopt;
}

}  // namespace platter::cli

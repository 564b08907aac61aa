#include "tools/platter/convert_target.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <span>
#include <utility>

#include "formats/container_table.h"
#include "formats/core/reference.h"
#include "formats/core/stream_storage.h"
#include "formats/format_table.h"
#include "tools/platter/files_read.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/option_list.h"

namespace platter::cli {
namespace {

// An error when writing to `path` would destroy what is being read.
Result<> CheckNotRead(const std::string& path, const std::vector<OpenedChain>& sources,
                      const std::optional<Chain>& backing) {
  FilesRead read;
  for (const OpenedChain& source : sources) read.Add(source);
  if (backing) read.Add(*backing);
  if (!read.Has(path)) return Done{};
  return Error(ErrorKind::kInvalid,
               fmt::format("Failed to get \"write\" lock\nIs another process using the image [{}]?", path));
}

// True, after a message that starts with `before`, when `path` is among the files of the sources or of the backing
// file.
bool IsRead(const Persona& persona, const std::string& path, const std::vector<OpenedChain>& sources,
            const std::optional<Chain>& backing, std::string_view before) {
  const auto free = CheckNotRead(path, sources, backing);
  if (!free.ok()) Complain(persona, fmt::format("{}: {}", before, ReasonOf(free.error())));
  return !free.ok();
}

// The user named the container and not the files beside it: none that is there is written on.
Result<> CheckFilesBeside(const ContainerDriver* container, const std::string& target) {
  if (container == nullptr || container->files_beside == nullptr) return Done{};
  for (const std::string& name : PLATTER_TRY(container->files_beside(target))) {
    const std::string path = PLATTER_TRY(ResolveReference("./" + name, target));
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0 && errno == ENOENT) continue;
    return Error(ErrorKind::kInvalid, "a file that would be made beside the target is there already").In(path);
  }
  return Done{};
}

// The options of -o, -B and -F in one. Empty after a message.
std::optional<OptionValues> CreateOptionsOf(const Persona& persona, const ConvertArguments& arguments,
                                            const FormatDriver& driver, const ContainerDriver* container) {
  OptionValues options;
  auto specs = CreateOptionsFor(persona, driver);
  if (container != nullptr) specs.assign(container->create_options.begin(), container->create_options.end());
  const auto parsed = options.ParseMore(arguments.create_options, specs);
  if (!parsed.ok()) {
    Complain(persona, ReasonOf(parsed.error()));
    return std::nullopt;
  }
  if (!arguments.backing.empty() && !options.Set("backing_file", arguments.backing, specs).ok()) {
    Complain(persona, fmt::format("Backing file not supported for file format '{}'", persona.FormatName(driver)));
    return std::nullopt;
  }
  if (!arguments.backing_format.empty() && !options.Set("backing_fmt", arguments.backing_format, specs).ok()) {
    Complain(persona, fmt::format("Backing format not supported for file format '{}'", persona.FormatName(driver)));
    return std::nullopt;
  }
  if (const auto named = NameBackingFormat(persona, options, specs); !named.ok()) {
    Complain(persona, ReasonOf(named.error()));
    return std::nullopt;
  }
  return options;
}

// The container that -O names and that can be made; null when it names none.
const ContainerDriver* FindTargetContainer(const Persona& persona, const ConvertArguments& arguments) {
  const ContainerDriver* container = persona.as_qemu ? nullptr : FindContainer(arguments.target_format);
  return container != nullptr && container->create != nullptr ? container : nullptr;
}

const FormatDriver* FindTargetDriver(const Persona& persona, const ConvertArguments& arguments) {
  const FormatDriver* driver = FindFormat(arguments.target_format, persona.dialect());
  if (driver == nullptr) Complain(persona, fmt::format("Unknown file format '{}'", arguments.target_format));
  return driver;
}

// What the target's format cannot do; "" when it can do everything that was asked for.
std::string Inability(const Persona& persona, const ConvertArguments& arguments, const FormatDriver& driver,
                      const OptionValues& options) {
  const std::string_view name = persona.FormatName(driver);
  if (driver.create == nullptr) return fmt::format("Format driver '{}' does not support image creation", name);
  const auto backing = options.Text("backing_file");
  if (backing && arguments.sources.size() > 1) {
    return "Having a backing file for the target makes no sense when concatenating multiple input images";
  }
  if (backing && !options.Has("backing_fmt")) return "Use of backing file requires explicit backing format";
  if (arguments.compress && !driver.can_compress) return "Compression not supported for this file format";
  if (arguments.compress && options.Text("preallocation").value_or("off") != "off") {
    return "Compression and preallocation not supported at the same time";
  }
  return "";
}

struct Abilities {
  std::string_view format;
  bool compresses;
  bool takes_bitmaps;
  bool has_backing;
  bool streams;
};

// What was asked for and the target cannot do; "" when it can do everything.
std::string Lack(const ConvertArguments& arguments, const Abilities& target) {
  if (arguments.compression_level && !target.compresses) {
    return "--compression-level is for what is compressed: -c, a streamOptimized vmdk, or -O compressed";
  }
  if (arguments.target_is_zero && target.has_backing) {
    return "Cannot use --target-is-zero when the destination image has a backing file";
  }
  if (!arguments.file_digests.empty() && target.streams) {
    return "--file-digest has to read the file once it is whole: it cannot go with a pipe";
  }
  if (!arguments.digests.empty() && target.has_backing) {
    return "--digest is of a whole disk: it cannot go with a backing file";
  }
  if (!arguments.bitmaps || target.takes_bitmaps) return "";
  return arguments.into_existing ? "Bitmaps cannot be added to an image that is there"
                                 : fmt::format("Format driver '{}' does not support bitmaps", target.format);
}

Result<OpenedChain> OpenBackingChain(const Persona& persona, const std::string& name, const std::string& format,
                                     const std::string& target, const ConvertArguments& arguments) {
  ImageArgument argument;
  argument.dialect = persona.dialect();
  argument.text = PLATTER_TRY(ResolveReference(name, target));
  argument.format = format;
  argument.cache = arguments.source_cache;
  argument.force_share = arguments.force_share;
  return OpenImage(argument, {});
}

}  // namespace

bool ConvertTarget::OpenBacking(const Persona& persona, const ConvertArguments& arguments) {
  const std::string name = options_.Text("backing_file").value_or(arguments.backing);
  if (name.empty()) return true;
  const std::string format = options_.Text("backing_fmt").value_or(arguments.backing_format);
  auto chain = OpenBackingChain(persona, name, format, arguments.target, arguments);
  if (chain.ok()) {
    backing_ = chain.value().chain();
    backing_layer_ = chain.value().layers.front();
    return true;
  }
  const std::string reason = fmt::format("Could not open backing file: {}", ReasonOf(chain.error()));
  Complain(persona, fmt::format("Could not open '{}': {}", arguments.target, reason));
  return false;
}

std::size_t ConvertTarget::LayersAboveBacking(const OpenedChain& source) const {
  const auto is_backing = [this](const OpenedLayer& layer) {
    // The same file in another format is another disk.
    const auto identity = layer.storage->identity();
    return identity && identity == backing_layer_->storage->identity() && layer.driver == backing_layer_->driver;
  };
  const auto found = std::ranges::find_if(source.layers, is_backing);
  return found == source.layers.end() ? 0 : static_cast<std::size_t>(found - source.layers.begin());
}

bool ConvertTarget::MakeWriter(const Persona& persona, const ConvertArguments& arguments, const NewImagePlace& place,
                               const std::vector<OpenedChain>& sources, std::uint64_t size) {
  const auto make = [&]() -> Result<std::unique_ptr<ImageWriter>> {
    CreateRequest request;
    request.storage = PLATTER_TRY(files_.MakeImage(place));
    request.virtual_size = size;
    request.options = options_;
    request.compress = arguments.compress;
    request.compression_level = arguments.compression_level;
    request.open_side_file = [&](const Reference& wanted) -> Result<std::shared_ptr<Storage>> {
      const std::string side = PLATTER_TRY(ResolveReference(wanted, place.path));
      PLATTER_CHECK(CheckNotRead(side, sources, backing_));
      return files_.Make(side);
    };
    if (backing_) {
      request.backing_size = backing_->virtual_size();
      request.backing_id = backing_->layer(0).info().id;
    }
    return container_ != nullptr ? container_->create(request, *driver_) : driver_->create(request);
  };
  auto writer = make();
  if (writer.ok()) {
    writer_ = std::move(writer).value();
    return true;
  }
  Complain(persona, fmt::format("{}: error while converting {}: {}", arguments.target, persona.FormatName(*driver_),
                                ReasonOf(writer.error())));
  return false;
}

std::optional<ConvertTarget> ConvertTarget::Create(const Persona& persona, const ConvertArguments& arguments,
                                                   const std::vector<OpenedChain>& sources, std::uint64_t size) {
  ConvertTarget target(arguments.target_cache);
  target.container_ = FindTargetContainer(persona, arguments);
  target.driver_ = target.container_ == nullptr ? FindTargetDriver(persona, arguments)
                                                : FindFormat(target.container_->new_disk_format);
  if (target.driver_ == nullptr) return std::nullopt;
  auto options = CreateOptionsOf(persona, arguments, *target.driver_, target.container_);
  if (!options) return std::nullopt;
  target.options_ = *std::move(options);
  if (const std::string cannot = Inability(persona, arguments, *target.driver_, target.options_); !cannot.empty()) {
    Complain(persona, cannot);
    return std::nullopt;
  }
  const std::string before =
      fmt::format("{}: error while converting {}", arguments.target, persona.FormatName(*target.driver_));
  const auto place = PlaceOf(persona, arguments.target, *target.driver_, target.options_);
  if (!place.ok()) {
    Complain(persona, fmt::format("{}: {}", before, ReasonOf(place.error())));
    return std::nullopt;
  }
  target.path_ = place.value().path;
  const std::string& path = target.path_;
  if (IsRead(persona, path, sources, {}, before)) return std::nullopt;
  const std::string refusal = StreamRefusal(persona, path, *target.driver_, target.options_);
  if (!refusal.empty()) {
    Complain(persona, fmt::format("{}: {}", before, refusal));
    return std::nullopt;
  }
  if (const auto free = CheckFilesBeside(target.container_, path); !free.ok()) {
    Complain(persona, fmt::format("{}: {}", before, ReasonOf(free.error())));
    return std::nullopt;
  }
  if (!target.OpenBacking(persona, arguments)) return std::nullopt;
  if (IsRead(persona, path, sources, target.backing_, before)) return std::nullopt;
  const auto says = [&](bool (*ability)(const OptionValues&) noexcept) {
    return target.container_ == nullptr && ability != nullptr && ability(target.options_);
  };
  const Abilities abilities{
      .format = persona.FormatName(*target.driver_),
      .compresses = arguments.compress || target.container_ != nullptr || says(target.driver_->always_compresses),
      .takes_bitmaps = says(target.driver_->takes_bitmaps),
      .has_backing = target.backing() != nullptr,
      .streams = StreamStorage::IsStream(path)};
  // While there is no file that would have to be taken away again, and none is replaced.
  if (const auto lack = Lack(arguments, abilities); !lack.empty()) {
    Complain(persona, lack);
    return std::nullopt;
  }
  if (!target.MakeWriter(persona, arguments, place.value(), sources, size)) return std::nullopt;
  return target;
}

namespace {

// Opens the files of an image that is to be written. Who reads it and who writes it share them: each file has one lock.
class TargetGate : public ReferenceGate {
 public:
  TargetGate(const std::string& path, const FileMode& mode) : path_(path), own_(mode), others_(ReadOnly(mode)) {}

  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override {
    // What a backing file consists of is only read.
    if (referrer != path_ || wanted.role == Reference::Role::kBacking) return others_.Open(wanted, referrer);
    const auto known = files_.find(wanted.text);
    if (known != files_.end()) return known->second;
    auto file = PLATTER_TRY(own_.Open(wanted, referrer));
    files_.emplace(wanted.text, file);
    return file;
  }
  Result<std::vector<std::string>> List(const std::string& folder, std::string_view suffix, const std::string& referrer,
                                        std::uint32_t most) override {
    return others_.List(folder, suffix, referrer, most);
  }

 private:
  static FileMode ReadOnly(FileMode mode) {
    mode.access = FileMode::Access::kRead;
    return mode;
  }

  std::string path_;
  LocalGate own_;
  LocalGate others_;
  std::map<std::string, std::shared_ptr<Storage>> files_;  // by the text that names them
};

struct ExistingImage {
  const FormatDriver* driver;
  std::unique_ptr<ImageWriter> writer;
  Chain content;
};

// `driver` null: recognise.
Result<ExistingImage> OpenForUpdate(const ImageSource& source, const ConvertArguments& arguments,
                                    const std::vector<OpenedChain>& sources) {
  if (source.options.data_file || source.options.backing != nullptr || source.options.no_backing) {
    return Error(ErrorKind::kUnsupported, "the target's backing and data files are the ones that it names");
  }
  std::shared_ptr<Storage> storage = PLATTER_TRY(FileStorage::Open(source.path, source.mode));
  TargetGate gate(source.path, source.mode);
  UpdateRequest request;
  request.storage = storage;
  request.context.gate = &gate;
  request.context.dialect = source.dialect;
  request.context.options = source.open_options;
  request.compress = arguments.compress;
  request.compression_level = arguments.compression_level;
  OpenedLayer layer = PLATTER_TRY(OpenLayer(source.path, storage, source.driver, request.context));
  if (layer.driver->update == nullptr) {
    return Error(ErrorKind::kUnsupported, fmt::format("an existing {} image cannot be written", layer.driver->name));
  }
  for (const auto& file : layer.image->files()) PLATTER_CHECK(CheckNotRead(file->name(), sources, {}));
  const FormatDriver* driver = layer.driver;
  OpenedChain chain = PLATTER_TRY(OpenChain(std::move(layer), request.context));
  auto writer = PLATTER_TRY(driver->update(request));
  return ExistingImage{driver, std::move(writer), chain.chain()};
}

}  // namespace

std::optional<ConvertTarget> ConvertTarget::OpenExisting(const Persona& persona, const ConvertArguments& arguments,
                                                         const std::vector<OpenedChain>& sources, std::uint64_t size) {
  ImageArgument argument;
  argument.dialect = persona.dialect();
  argument.text = arguments.target;
  argument.image_opts = arguments.target_image_opts;
  argument.format = arguments.target_format;
  argument.cache = arguments.target_cache;
  argument.access = FileMode::Access::kReadWrite;
  if (!argument.image_opts && FindTargetDriver(persona, arguments) == nullptr) return std::nullopt;
  const auto source = ParseImageArgument(argument);
  if (!source.ok()) {
    ComplainOpen(persona, arguments.target, source.error());
    return std::nullopt;
  }
  const std::string before = fmt::format("Could not open '{}'", arguments.target);
  if (IsRead(persona, source.value().path, sources, {}, before)) return std::nullopt;
  auto image = OpenForUpdate(source.value(), arguments, sources);
  if (!image.ok()) {
    ComplainOpen(persona, arguments.target, image.error());
    return std::nullopt;
  }
  ConvertTarget target(arguments.target_cache);
  target.path_ = source.value().path;
  target.driver_ = image.value().driver;
  target.writer_ = std::move(image.value().writer);
  target.content_ = image.value().content;
  if (arguments.compress && !target.driver_->can_compress) {
    Complain(persona, "Compression not supported for this file format");
    return std::nullopt;
  }
  if (!target.OpenBacking(persona, arguments)) return std::nullopt;
  if (IsRead(persona, source.value().path, sources, target.backing_, before)) return std::nullopt;
  if (target.content_->virtual_size() < size) {
    Complain(persona, "output file is smaller than input file");
    return std::nullopt;
  }
  const Abilities abilities{.format = persona.FormatName(*target.driver_),
                            .compresses = target.compresses(),
                            .takes_bitmaps = target.writer_->bitmap_target() != nullptr,
                            .has_backing = target.backing() != nullptr,
                            .streams = false};
  if (const auto lack = Lack(arguments, abilities); !lack.empty()) {
    Complain(persona, lack);
    return std::nullopt;
  }
  return target;
}

Result<std::uint64_t> ConvertTarget::NewSize(std::uint64_t size) const {
  if (content_ || streams() || any_file()->is_device()) return size;
  ImageArgument argument;
  argument.text = path_;
  argument.format = container_ == nullptr ? driver_->name : container_->name;
  argument.force_share = true;  // it is ours
  argument.containers = true;
  return PLATTER_TRY(OpenImage(argument, {})).chain().virtual_size();
}

Result<> ConvertTarget::Fill(const Chain& chain, CopyOptions options) {
  options.cancel = &CatchInterrupts();
  const Chain* source = &chain;
  PLATTER_CHECK(Copy(std::span(&source, 1), *writer_, options));
  return writer_->Finish();
}

}  // namespace platter::cli

#include "tools/platter/volume_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "formats/core/chain_storage.h"
#include "formats/core/reference.h"
#include "formats/format_table.h"

namespace platter::cli {
namespace {

// Formats that show files say so by letting their names be chosen.
bool ShowsFiles(const FormatDriver* driver) noexcept {
  return driver != nullptr &&
         std::ranges::find(driver->open_options, "tree", &OptionSpec::name) != driver->open_options.end();
}

Result<> ChooseTree(const FormatDriver& driver, const std::string& tree, OptionValues& options) {
  if (tree.empty()) return Done{};
  return options.Set("tree", tree, driver.open_options);
}

// The driver's image of what `storage` holds; null when it is nothing that has files.
Result<std::shared_ptr<Image>> OpenContent(std::shared_ptr<Storage> storage, const std::string& tree) {
  const FormatDriver* driver = PLATTER_TRY(ProbeFormat(*storage));
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  if (!ShowsFiles(driver)) return std::shared_ptr<Image>();
  PLATTER_CHECK(ChooseTree(*driver, tree, context.options));
  return driver->open(std::move(storage), context);
}

// The length of the UTF-8 sequence at the front; 0 when there is none.
std::size_t SequenceLength(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length > text.size()) return 0;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  return std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(length), continues) ? length : 0;
}

// Characters that move the cursor or change the terminal: C0, DEL, and C1 in its two bytes.
bool Controls(std::string_view sequence) noexcept {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
}

}  // namespace

Result<VolumeSource> VolumeSource::Open(const ImageArgument& argument, const std::string& tree) {
  ImageSource image = PLATTER_TRY(ParseImageArgument(argument));
  image.containers = true;
  VolumeSource source;
  if (image.driver == nullptr && !tree.empty()) {
    // The option belongs to the driver that recognises the file.
    auto storage = PLATTER_TRY(FileStorage::Open(image.path, image.mode));
    const FormatDriver* driver = PLATTER_TRY(ProbeFormat(*storage));
    if (ShowsFiles(driver)) image.driver = driver;
  }
  if (ShowsFiles(image.driver)) {
    PLATTER_CHECK(ChooseTree(*image.driver, tree, image.open_options));
  }
  source.chain_ = PLATTER_TRY(OpenWatched(image, source.watch_));
  source.tree_ = source.chain_.layers.front().image->file_tree();
  if (source.tree_ != nullptr) return source;
  auto disk = std::make_shared<ChainStorage>(image.path, source.chain_.chain());
  source.inner_ = PLATTER_TRY(OpenContent(std::move(disk), tree));
  if (source.inner_ != nullptr) source.tree_ = source.inner_->file_tree();
  if (source.tree_ != nullptr) return source;
  return Error(ErrorKind::kInvalid, "the image holds no file system that is read (ISO 9660, UDF)").In(image.path);
}

std::string PrintableName(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    const std::size_t length = SequenceLength(name);
    const auto sequence = name.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || Controls(sequence) || sequence == "\\") {
      for (const char c : sequence)
        fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += sequence;
    }
    name.remove_prefix(sequence.size());
  }
  return text;
}

}  // namespace platter::cli

#include "tools/platter/container_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "tools/platter/volume_source.h"

namespace platter::cli {
namespace {

std::string NameOf(const docker::Image& image) {
  if (!image.tags.empty()) return image.tags.front();
  if (image.manifest) return image.manifest->Text();
  return image.config_file;
}

std::string ListOf(const docker::Catalog& catalog) {
  constexpr std::size_t kMostListed = 20;
  std::string list;
  for (std::size_t at = 0; at < std::min(catalog.images.size(), kMostListed); ++at) {
    const docker::Image& image = catalog.images[at];
    list += fmt::format("{}{} ({}, {})", at == 0 ? "" : ", ", at + 1, PrintableName(NameOf(image)),
                        PrintableName(PlatformOf(image)));
  }
  if (catalog.images.size() > kMostListed) list += ", ...";
  return list;
}

bool HasName(const docker::Image& image, const std::string& wanted) {
  const auto fits = [&](const std::string& tag) { return tag == wanted || tag == wanted + ":latest"; };
  if (std::ranges::any_of(image.tags, fits)) return true;
  // Of an image layout, which knows no names.
  const std::size_t colon = wanted.rfind(':');
  const bool tagged = colon != std::string::npos && wanted.find('/', colon) == std::string::npos;
  if (tagged && std::ranges::find(image.tags, wanted.substr(colon + 1)) != image.tags.end()) return true;
  const auto is = [&](const docker::BlobDigest& digest) { return digest.Text() == wanted || digest.hex == wanted; };
  return (image.manifest && is(*image.manifest)) || (image.config_digest && is(*image.config_digest));
}

bool HasPlatform(const docker::Image& image, const std::string& wanted) {
  const docker::ImageConfig& config = image.config;
  return wanted == PlatformOf(image) || wanted == config.os + "/" + config.architecture ||
         wanted == config.architecture;
}

std::optional<std::size_t> AsNumber(const std::string& text, std::size_t count) {
  std::size_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool fits = failure == std::errc() && end == text.data() + text.size() && number >= 1 && number <= count;
  return fits ? std::optional(number - 1) : std::nullopt;
}

}  // namespace

std::string PlatformOf(const docker::Image& image) {
  const docker::ImageConfig& config = image.config;
  return config.os + "/" + config.architecture + (config.variant.empty() ? "" : "/" + config.variant);
}

Result<const docker::Image*> ChooseImage(const docker::Catalog& catalog, const ImageChoice& choice) {
  std::vector<const docker::Image*> fitting;
  for (const docker::Image& image : catalog.images) {
    if (choice.platform && !HasPlatform(image, *choice.platform)) continue;
    if (!choice.image || HasName(image, *choice.image)) fitting.push_back(&image);
  }
  if (fitting.empty() && choice.image) {
    const auto number = AsNumber(*choice.image, catalog.images.size());
    if (number && (!choice.platform || HasPlatform(catalog.images[*number], *choice.platform))) {
      fitting.push_back(&catalog.images[*number]);
    }
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty()) {
    return Error(ErrorKind::kInvalid, "no image of that number, name or platform")
        .Found(choice.image.value_or(choice.platform.value_or("none")))
        .Allowed(ListOf(catalog));
  }
  return Error(ErrorKind::kInvalid, "there are several images: say which with --image or --platform")
      .Allowed(ListOf(catalog));
}

}  // namespace platter::cli

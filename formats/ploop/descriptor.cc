#include "formats/ploop/descriptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <pugixml.hpp>
#include <sstream>
#include <utility>

#include "formats/core/checked.h"
#include "formats/ploop/layout.h"

namespace platter::ploop {
namespace {

constexpr const char* kRoot = "Parallels_disk_image";
constexpr std::uint64_t kMaxDescriptorBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxSectors = (std::uint64_t{1} << 63) / kSectorSize - 1;
constexpr std::uint32_t kSectorsPerTrack = 32;

Error Wrong(std::string what, std::string field) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("DiskDescriptor.xml", std::move(field));
}

std::string_view Text(const pugi::xml_node& node, const char* child) {
  std::string_view text = node.child(child).text().get();
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

Result<std::uint64_t> Number(const pugi::xml_node& node, const char* child) {
  const std::string_view text = Text(node, child);
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc() && end == text.data() + text.size() && !text.empty() && number <= kMaxSectors)
    return number;
  return Wrong("not a number of sectors", child).Found(std::string(text)).Allowed(fmt::format("0 to {}", kMaxSectors));
}

Result<std::string> Guid(const pugi::xml_node& node, const char* child) {
  std::string guid(Text(node, child));
  std::ranges::transform(guid, guid.begin(), [](unsigned char letter) { return std::tolower(letter); });
  if (guid.size() == kNullGuid.size() && guid.front() == '{' && guid.back() == '}') return guid;
  return Wrong("not a GUID", child).Found(guid).Allowed("32 hexadecimal digits in the usual groups, in braces");
}

Result<ImageEntry> ParseImage(const pugi::xml_node& node) {
  ImageEntry image;
  image.guid = PLATTER_TRY(Guid(node, "GUID"));
  image.file = std::string(Text(node, "File"));
  const std::string_view type = Text(node, "Type");
  image.plain = type == "Plain";
  if (!image.plain && type != "Compressed" && type != "Expanding") {
    return Wrong("unknown type of image", "Type").Found(std::string(type)).Allowed("Plain, Compressed, Expanding");
  }
  if (image.file.empty()) return Wrong("image without a file", "File");
  return image;
}

Result<StoragePart> ParsePart(const pugi::xml_node& node, std::uint64_t begin) {
  StoragePart part;
  part.begin = PLATTER_TRY(Number(node, "Start")) * kSectorSize;
  part.end = PLATTER_TRY(Number(node, "End")) * kSectorSize;
  if (node.child("Blocksize")) part.block_sectors = PLATTER_TRY(Number(node, "Blocksize"));
  if (part.begin != begin || part.end < part.begin) {
    return Wrong("parts of the disk do not follow each other", "Start")
        .Found(fmt::format("{} to {}", part.begin / kSectorSize, part.end / kSectorSize))
        .Allowed(fmt::format("from {} on", begin / kSectorSize));
  }
  for (const pugi::xml_node& child : node.children("Image")) {
    ImageEntry image = PLATTER_TRY(ParseImage(child));
    if (std::ranges::find(part.images, image.guid, &ImageEntry::guid) != part.images.end()) {
      return Wrong("two images of one GUID", "GUID").Found(image.guid);
    }
    part.images.push_back(std::move(image));
  }
  return part;
}

Result<> ParseParts(const pugi::xml_node& root, Descriptor& descriptor) {
  std::uint64_t at = 0;
  for (const pugi::xml_node& node : root.child("StorageData").children("Storage")) {
    StoragePart part = PLATTER_TRY(ParsePart(node, at));
    at = part.end;
    descriptor.parts.push_back(std::move(part));
  }
  if (at == descriptor.virtual_size) return Done{};
  return Wrong("parts do not make up the disk", "End")
      .Found(at / kSectorSize)
      .Allowed(fmt::format("{}", descriptor.virtual_size / kSectorSize));
}

Result<> ParseShots(const pugi::xml_node& root, Descriptor& descriptor) {
  const pugi::xml_node snapshots = root.child("Snapshots");
  for (const pugi::xml_node& node : snapshots.children("Shot")) {
    Shot shot;
    shot.guid = PLATTER_TRY(Guid(node, "GUID"));
    shot.parent = PLATTER_TRY(Guid(node, "ParentGUID"));
    if (std::ranges::find(descriptor.shots, shot.guid, &Shot::guid) != descriptor.shots.end()) {
      return Wrong("two snapshots of one GUID", "GUID").Found(shot.guid);
    }
    descriptor.shots.push_back(std::move(shot));
  }
  descriptor.top = std::string(kDefaultTopGuid);
  if (snapshots.child("TopGUID")) descriptor.top = PLATTER_TRY(Guid(snapshots, "TopGUID"));
  return Done{};
}

Result<> CheckParameters(const pugi::xml_node& parameters) {
  const auto unsupported = [](const char* what, const char* field) {
    return Error(ErrorKind::kUnsupported, what).At("DiskDescriptor.xml", field);
  };
  if (parameters.child("Padding") && Text(parameters, "Padding") != "0") {
    return unsupported("disks with padding are not supported", "Padding");
  }
  const std::string_view engine = Text(parameters.child("Encryption"), "Engine");
  if (!engine.empty() && engine != kNullGuid) return unsupported("encrypted disks are not supported", "Engine");
  return Done{};
}

void AddText(pugi::xml_node node, const char* name, const std::string& text) {
  node.append_child(name).text().set(text.c_str());
}

void AddNumber(pugi::xml_node node, const char* name, std::uint64_t number) {
  AddText(node, name, std::to_string(number));
}

void AddPart(pugi::xml_node data, const StoragePart& part) {
  pugi::xml_node storage = data.append_child("Storage");
  AddNumber(storage, "Start", part.begin / kSectorSize);
  AddNumber(storage, "End", part.end / kSectorSize);
  AddNumber(storage, "Blocksize", part.block_sectors);
  for (const ImageEntry& entry : part.images) {
    pugi::xml_node image = storage.append_child("Image");
    AddText(image, "GUID", entry.guid);
    AddText(image, "Type", entry.plain ? "Plain" : "Compressed");
    AddText(image, "File", entry.file);
  }
}

}  // namespace

bool LooksLikeDescriptor(std::span<const std::byte> head) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), std::min<std::size_t>(head.size(), 4096));
  const std::size_t start = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return start != std::string_view::npos && text[start] == '<' && text.find("<Parallels_disk_image") != text.npos;
}

Result<Descriptor> ParseDescriptor(std::span<const std::byte> text, const Limits& limits) {
  if (text.size() > std::min(kMaxDescriptorBytes, limits.metadata_bytes)) {
    return Error(ErrorKind::kLimit, "descriptor is too large").Found(text.size());
  }
  pugi::xml_document document;
  const auto parsed = document.load_buffer(text.data(), text.size());
  if (!parsed) return Wrong(fmt::format("not well-formed XML: {}", parsed.description()), "whole file");
  const pugi::xml_node root = document.child(kRoot);
  if (!root) return Error(ErrorKind::kNotThisFormat, "not a disk descriptor");
  const pugi::xml_node parameters = root.child("Disk_Parameters");
  PLATTER_CHECK(CheckParameters(parameters));
  Descriptor descriptor;
  descriptor.virtual_size = PLATTER_TRY(Number(parameters, "Disk_size")) * kSectorSize;
  descriptor.name = std::string(Text(parameters, "Name"));
  PLATTER_CHECK(ParseParts(root, descriptor));
  PLATTER_CHECK(ParseShots(root, descriptor));
  return descriptor;
}

std::string SerializeDescriptor(const Descriptor& descriptor) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "UTF-8";
  pugi::xml_node root = document.append_child(kRoot);
  root.append_attribute("Version") = "1.0";
  pugi::xml_node parameters = root.append_child("Disk_Parameters");
  AddNumber(parameters, "Disk_size", descriptor.virtual_size / kSectorSize);
  AddNumber(parameters, "Cylinders", descriptor.cylinders);
  AddNumber(parameters, "Heads", descriptor.heads);
  AddNumber(parameters, "Sectors", kSectorsPerTrack);
  AddNumber(parameters, "Padding", 0);
  pugi::xml_node data = root.append_child("StorageData");
  for (const StoragePart& part : descriptor.parts) AddPart(data, part);
  pugi::xml_node snapshots = root.append_child("Snapshots");
  AddText(snapshots, "TopGUID", descriptor.top);
  for (const Shot& shot : descriptor.shots) {
    pugi::xml_node node = snapshots.append_child("Shot");
    AddText(node, "GUID", shot.guid);
    AddText(node, "ParentGUID", shot.parent);
  }
  std::ostringstream out;
  document.save(out, "  ");
  return out.str();
}

Result<std::vector<std::string>> ChainOf(const Descriptor& descriptor, const std::string& guid) {
  std::vector<std::string> chain = {guid};
  while (chain.back() != kNullGuid) {
    const auto shot = std::ranges::find(descriptor.shots, chain.back(), &Shot::guid);
    if (shot == descriptor.shots.end()) {
      // A disk without snapshots need not list itself.
      if (chain.size() == 1 && descriptor.shots.empty()) return chain;
      return Wrong("snapshot is missing", "ParentGUID").Found(chain.back());
    }
    if (std::ranges::find(chain, shot->parent) != chain.end()) {
      return Wrong("chain of snapshots comes back to itself", "ParentGUID").Found(shot->parent);
    }
    chain.push_back(shot->parent);
  }
  chain.pop_back();
  return chain;
}

}  // namespace platter::ploop

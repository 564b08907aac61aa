#include "formats/containers/ovf/descriptor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "formats/containers/ovf/units.h"
#include "formats/containers/ovf/xml.h"

namespace platter::ovf {
namespace {

struct Version {
  std::string_view uri;
  std::string_view name;
};
constexpr std::array kVersions = {
    Version{"http://schemas.dmtf.org/ovf/envelope/1", "1.x"},
    Version{"http://schemas.dmtf.org/ovf/envelope/2", "2.x"},
    Version{"http://www.vmware.com/schema/ovf/1/envelope", "0.9"},
};

// CIM_ResourceAllocationSettingData.ResourceType.
constexpr std::uint64_t kProcessor = 3;
constexpr std::uint64_t kMemory = 4;
constexpr std::size_t kMostParents = 64;
// No appliance has as many.
constexpr std::size_t kMostFiles = 4096;
constexpr std::size_t kMostDisks = 1024;
constexpr std::size_t kMostLicense = std::size_t{64} << 10;

Error Wrong(std::string what, std::string field) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("OVF descriptor", std::move(field));
}

Result<std::string> Text(const pugi::xml_node& node, std::string_view attribute) {
  return PLATTER_TRY(Attribute(node, attribute)).value_or("");
}

Result<std::string> Needed(const pugi::xml_node& node, std::string_view attribute) {
  auto value = PLATTER_TRY(Attribute(node, attribute));
  if (value && !value->empty()) return std::move(*value);
  return Wrong("an attribute is missing", fmt::format("{}/@{}", LocalName(node.name()), attribute));
}

Result<std::optional<std::uint64_t>> Size(const pugi::xml_node& node, std::string_view attribute,
                                          std::string_view unit = "") {
  const auto value = PLATTER_TRY(Attribute(node, attribute));
  if (!value || value->empty()) return std::optional<std::uint64_t>();
  const std::string field = fmt::format("{}/@{}", LocalName(node.name()), attribute);
  return std::optional(PLATTER_TRY(ParseSize(*value, unit, field)));
}

// What a section is: its own name, or in version 0.9 its type.
std::string_view KindOf(const pugi::xml_node& section) {
  const std::string_view name = LocalName(section.name());
  if (name != "Section") return name;
  for (const pugi::xml_attribute& attribute : section.attributes()) {
    if (LocalName(attribute.name()) != "type") continue;
    const std::string_view type = LocalName(attribute.value());
    return type.ends_with("_Type") ? type.substr(0, type.size() - 5) : type;
  }
  return name;
}

std::vector<pugi::xml_node> Sections(const pugi::xml_node& parent, std::string_view kind) {
  std::vector<pugi::xml_node> found;
  for (const pugi::xml_node& child : parent.children()) {
    if (child.type() == pugi::node_element && KindOf(child) == kind) found.push_back(child);
  }
  return found;
}

Error TooMany(std::string what, std::size_t most) {
  return Error(ErrorKind::kLimit, "there are too many of them")
      .At("OVF descriptor", std::move(what))
      .Allowed(fmt::format("at most {}", most));
}

class Parser {
 public:
  explicit Parser(const pugi::xml_node& root) : root_(root) {}

  Result<Descriptor> Run() {
    PLATTER_CHECK(CheckRoot());
    PLATTER_CHECK(TakeFiles());
    PLATTER_CHECK(TakeDisks());
    PLATTER_CHECK(CheckDisks());
    PLATTER_CHECK(TakeNetworks());
    PLATTER_CHECK(TakeSystems(root_, 0));
    TakeTexts(root_);
    return std::move(descriptor_);
  }

 private:
  Result<> CheckRoot() {
    const auto* version = std::ranges::find(kVersions, NamespaceOf(root_), &Version::uri);
    if (LocalName(root_.name()) != "Envelope" || version == kVersions.end()) {
      return Error(ErrorKind::kNotThisFormat, "not an OVF descriptor");
    }
    descriptor_.version = version->name;
    return Done{};
  }

  // The one section of its kind; a null node when there is none.
  Result<pugi::xml_node> Only(std::string_view kind) const {
    const auto sections = Sections(root_, kind);
    if (sections.size() > 1) return Wrong("there are two of what may be there once", std::string(kind));
    return sections.empty() ? pugi::xml_node() : sections.front();
  }

  Result<> TakeFiles() {
    for (const pugi::xml_node& node : Children(PLATTER_TRY(Only("References")), "File")) {
      File file;
      file.id = PLATTER_TRY(Needed(node, "id"));
      file.href = PLATTER_TRY(Needed(node, "href"));
      file.size = PLATTER_TRY(Size(node, "size"));
      file.chunk_size = PLATTER_TRY(Size(node, "chunkSize"));
      if (file.chunk_size == 0) return Wrong("a file in chunks of nothing", "File/@chunkSize").Found(0);
      file.compression = PLATTER_TRY(Text(node, "compression"));
      if (file.compression == "identity") file.compression.clear();
      if (descriptor_.files.size() == kMostFiles) return TooMany("File", kMostFiles);
      const bool fresh = descriptor_.file_places.emplace(file.id, descriptor_.files.size()).second;
      if (!fresh) return Wrong("two files of one id", "File/@id").Found(file.id);
      descriptor_.files.push_back(std::move(file));
    }
    return Done{};
  }

  Result<> TakeDisks() {
    for (const pugi::xml_node& node : Children(PLATTER_TRY(Only("DiskSection")), "Disk")) {
      Disk disk;
      disk.id = PLATTER_TRY(Needed(node, "diskId"));
      disk.file = PLATTER_TRY(Text(node, "fileRef"));
      disk.parent = PLATTER_TRY(Text(node, "parentRef"));
      disk.format = PLATTER_TRY(Text(node, "format"));
      disk.capacity_text = PLATTER_TRY(Needed(node, "capacity"));
      const std::string unit = PLATTER_TRY(Text(node, "capacityAllocationUnits"));
      disk.populated_size = PLATTER_TRY(Size(node, "populatedSize"));
      disk.capacity = PLATTER_TRY(Capacity(disk.capacity_text, unit));
      if (descriptor_.disks.size() == kMostDisks) return TooMany("Disk", kMostDisks);
      const bool fresh = disk_places_.emplace(disk.id, descriptor_.disks.size()).second;
      if (!fresh) return Wrong("two disks of one id", "Disk/@diskId").Found(disk.id);
      descriptor_.disks.push_back(std::move(disk));
    }
    return Done{};
  }

  Result<std::optional<std::uint64_t>> Capacity(std::string_view text, std::string_view unit) {
    constexpr std::string_view kField = "Disk/@capacity";
    if (!text.starts_with("${")) return std::optional(PLATTER_TRY(ParseSize(text, unit, kField)));
    if (!text.ends_with('}')) return Wrong("not a size", std::string(kField)).Found(std::string(text.substr(0, 64)));
    const auto value = PLATTER_TRY(Property(text.substr(2, text.size() - 3)));
    if (!value || value->empty()) return std::optional<std::uint64_t>();
    return std::optional(PLATTER_TRY(ParseSize(*value, unit, kField)));
  }

  // The value that a property has before anyone changes it.
  Result<std::optional<std::string>> Property(std::string_view key) {
    if (!properties_) {
      properties_.emplace();
      PLATTER_CHECK(ListProperties(root_, 0));
    }
    const auto found = properties_->find(key);
    if (found == properties_->end()) return std::optional<std::string>();
    return Attribute(found->second, "value");
  }

  // Of two with one key the first counts.
  Result<> ListProperties(const pugi::xml_node& at, int depth) {
    for (const pugi::xml_node& child : at.children()) {
      const std::string_view kind = KindOf(child);
      if (kind == "ProductSection") {
        for (const pugi::xml_node& property : Children(child, "Property")) {
          properties_->emplace(PLATTER_TRY(Text(property, "key")), property);
        }
      }
      if (depth > 4 || (kind != "VirtualSystem" && kind != "VirtualSystemCollection")) continue;
      PLATTER_CHECK(ListProperties(child, depth + 1));
    }
    return Done{};
  }

  Result<> CheckDisks() const {
    const std::vector<std::optional<std::size_t>> parents = Parents();
    std::set<std::string_view> used;
    for (std::size_t place = 0; place < descriptor_.disks.size(); ++place) {
      const Disk& disk = descriptor_.disks[place];
      if (disk.capacity && disk.populated_size && *disk.populated_size > *disk.capacity) {
        return Wrong("the disk holds more than it can", "Disk/@populatedSize")
            .Found(*disk.populated_size)
            .Allowed(fmt::format("at most {}", *disk.capacity));
      }
      PLATTER_CHECK(CheckParents(place, parents));
      if (disk.file.empty()) continue;
      if (descriptor_.FindFile(disk.file) == nullptr) {
        return Wrong("the disk's file is not among the references", "Disk/@fileRef").Found(disk.file);
      }
      if (!used.insert(disk.file).second) return Wrong("two disks in one file", "Disk/@fileRef").Found(disk.file);
    }
    return Done{};
  }

  // Of each disk, which one its parent is, where there is such a disk.
  std::vector<std::optional<std::size_t>> Parents() const {
    std::vector<std::optional<std::size_t>> parents;
    for (const Disk& disk : descriptor_.disks) {
      const auto found = disk_places_.find(disk.parent);
      parents.push_back(found == disk_places_.end() ? std::nullopt : std::optional(found->second));
    }
    return parents;
  }

  Result<> CheckParents(std::size_t disk, const std::vector<std::optional<std::size_t>>& parents) const {
    std::size_t at = disk;
    for (std::size_t passed = 0; !descriptor_.disks[at].parent.empty(); ++passed) {
      const std::string& name = descriptor_.disks[at].parent;
      if (!parents[at]) return Wrong("the disk's parent is not among the disks", "Disk/@parentRef").Found(name);
      at = *parents[at];
      if (passed == kMostParents || at == disk) {
        return Wrong("the chain of parents comes back to itself, or is too long", "Disk/@parentRef").Found(name);
      }
    }
    return Done{};
  }

  Result<> TakeNetworks() {
    for (const pugi::xml_node& section : Sections(root_, "NetworkSection")) {
      for (const pugi::xml_node& node : Children(section, "Network")) {
        Network network;
        network.name = PLATTER_TRY(Text(node, "name"));
        network.description = TextOf(Child(node, "Description"));
        descriptor_.networks.push_back(std::move(network));
      }
    }
    return Done{};
  }

  Result<> TakeSystems(const pugi::xml_node& parent, int depth) {
    for (const pugi::xml_node& node : parent.children()) {
      const std::string_view name = LocalName(node.name());
      const std::string_view kind = name == "Content" ? KindOf09(node) : name;
      if (kind == "VirtualSystem") PLATTER_CHECK(TakeSystem(node));
      if (kind == "VirtualSystemCollection" && depth < 4) PLATTER_CHECK(TakeSystems(node, depth + 1));
    }
    return Done{};
  }

  // <Content xsi:type="ovf:VirtualSystem_Type"> of version 0.9.
  static std::string_view KindOf09(const pugi::xml_node& content) {
    for (const pugi::xml_attribute& attribute : content.attributes()) {
      if (LocalName(attribute.name()) == "type" && LocalName(attribute.value()) == "VirtualSystem_Type") {
        return "VirtualSystem";
      }
    }
    return {};
  }

  Result<> TakeSystem(const pugi::xml_node& node) {
    System system;
    system.id = PLATTER_TRY(Text(node, "id"));
    system.name = TextOf(Child(node, "Name"));
    for (const pugi::xml_node& section : Sections(node, "OperatingSystemSection")) {
      system.os = TextOf(Child(section, "Description"));
      // VMware's own name is the better one: "ubuntu64Guest".
      for (const pugi::xml_attribute& attribute : section.attributes()) {
        if (system.os.empty() && LocalName(attribute.name()) == "osType") system.os = attribute.value();
      }
      if (system.os.empty()) system.os = PLATTER_TRY(Text(section, "id"));
    }
    for (const pugi::xml_node& section : Sections(node, "VirtualHardwareSection")) {
      system.hardware = TextOf(Child(Child(section, "System"), "VirtualSystemType"));
      for (const pugi::xml_node& item : section.children()) TakeItem(item, system);
    }
    TakeTexts(node);
    descriptor_.systems.push_back(std::move(system));
    return Done{};
  }

  // What is wrong with a machine's description does not keep anyone from its disks.
  static void TakeItem(const pugi::xml_node& item, System& system) {
    const std::string_view name = LocalName(item.name());
    if (name != "Item" && name != "StorageItem" && name != "EthernetPortItem") return;
    const auto number = [&](const char* child) { return ParseSize(TextOf(Child(item, child)), "", child); };
    const auto type = number("ResourceType");
    const auto quantity = number("VirtualQuantity");
    Device device;
    device.type = type.ok() ? type.value() : 0;
    if (device.type == kProcessor) {
      if (quantity.ok()) system.cpus = system.cpus.value_or(0) + std::min<std::uint64_t>(quantity.value(), 1 << 20);
      return;
    }
    if (device.type == kMemory) {
      // Without a unit: megabytes, as everyone means it.
      const std::string unit = TextOf(Child(item, "AllocationUnits"));
      const auto size =
          ParseSize(TextOf(Child(item, "VirtualQuantity")), unit.empty() ? "MB" : unit, "VirtualQuantity");
      if (size.ok()) system.memory = size.value();
      return;
    }
    device.name = TextOf(Child(item, "ElementName"));
    if (device.name.empty()) device.name = TextOf(Child(item, "Caption"));
    device.subtype = TextOf(Child(item, "ResourceSubType"));
    device.connection = TextOf(Child(item, "Connection"));
    if (device.connection.empty()) device.connection = TextOf(Child(item, "HostResource"));
    system.devices.push_back(std::move(device));
  }

  void TakeTexts(const pugi::xml_node& parent) {
    for (const pugi::xml_node& section : Sections(parent, "ProductSection")) {
      Product product;
      product.name = TextOf(Child(section, "Product"));
      product.vendor = TextOf(Child(section, "Vendor"));
      product.version = TextOf(Child(section, "FullVersion"));
      if (product.version.empty()) product.version = TextOf(Child(section, "Version"));
      if (!product.name.empty() || !product.vendor.empty()) descriptor_.products.push_back(std::move(product));
    }
    for (const pugi::xml_node& section : Sections(parent, "EulaSection")) {
      descriptor_.licenses.emplace_back(TextOf(Child(section, "License")).substr(0, kMostLicense));
    }
  }

  const pugi::xml_node root_;
  Descriptor descriptor_;
  std::map<std::string, std::size_t, std::less<>> disk_places_;  // in descriptor_.disks, by their ids
  // By their keys; listed once a disk's capacity is one.
  std::optional<std::map<std::string, pugi::xml_node, std::less<>>> properties_;
};

int DigitOf(char letter) noexcept {
  const auto byte = static_cast<unsigned char>(std::tolower(static_cast<unsigned char>(letter)));
  if (byte >= '0' && byte <= '9') return byte - '0';
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// "%20" is a space; what is no encoding stands for itself.
std::string Decoded(std::string_view href) {
  std::string text;
  for (std::size_t at = 0; at < href.size(); ++at) {
    const bool encoded =
        href[at] == '%' && at + 2 < href.size() && DigitOf(href[at + 1]) >= 0 && DigitOf(href[at + 2]) >= 0;
    text += encoded ? static_cast<char>(DigitOf(href[at + 1]) * 16 + DigitOf(href[at + 2])) : href[at];
    if (encoded) at += 2;
  }
  return text;
}

}  // namespace

const File* Descriptor::FindFile(std::string_view id) const noexcept {
  const auto found = file_places.find(id);
  return found == file_places.end() ? nullptr : &files[found->second];
}

bool LooksLikeDescriptor(std::span<const std::byte> head) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  const std::size_t start = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (start == std::string_view::npos || text[start] != '<') return false;
  const bool envelope = text.find("<Envelope") != text.npos || text.find(":Envelope") != text.npos;
  const auto named = [&](const Version& version) { return text.find(version.uri) != text.npos; };
  return envelope && std::ranges::any_of(kVersions, named);
}

Result<Descriptor> ParseDescriptor(std::span<const std::byte> text, const Limits& limits) {
  pugi::xml_document document;
  return Parser(PLATTER_TRY(ParseXml(text, limits, document))).Run();
}

std::string FormatOfUri(std::string_view uri) {
  std::string text(uri);
  std::ranges::transform(text, text.begin(), [](unsigned char letter) { return std::tolower(letter); });
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kWords = {{
      {"vmdk", "vmdk"},
      {"qcow", "qcow2"},
      {"vhdx", "vhdx"},
      {"vhd", "vhd"},
      {"bb676673", "vhd"},
      {"vdi", "vdi"},
      {"ecma-119", "iso"},
      {"wiki/byte", "raw"},
  }};
  for (const auto& [word, format] : kWords) {
    if (text.find(word) != std::string::npos) return std::string(format);
  }
  return {};
}

Result<std::string> FileNameOf(std::string_view href) {
  const auto refused = [&](const char* what) {
    return Error(ErrorKind::kDenied, what)
        .At("OVF descriptor", "File/@href")
        .Found(std::string(href.substr(0, 256)))
        .Allowed("the name of a file beside the descriptor");
  };
  std::string name = Decoded(href.starts_with("./") ? href.substr(2) : href);
  const std::size_t colon = href.find(':');
  if (colon != std::string_view::npos && href.substr(colon).starts_with("://")) {
    return refused("the reference leads to another place");
  }
  if (name.starts_with("file:") || name.find_first_of("/\\") != std::string::npos || name == "..") {
    return refused("the reference leads out of the descriptor's folder");
  }
  if (name.empty() || name == "." || name.find('\0') != std::string::npos)
    return refused("the reference names no file");
  return name;
}

std::string LiteralNameOf(std::string_view href) {
  if (href.starts_with("./")) href.remove_prefix(2);
  return Decoded(href) == href ? std::string() : std::string(href);
}

}  // namespace platter::ovf

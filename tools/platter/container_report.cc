#include "tools/platter/container_report.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "formats/core/json.h"
#include "tools/platter/human_size.h"
#include "tools/platter/message.h"
#include "tools/platter/volume_source.h"

namespace platter::cli {
namespace {

Detail ReportDisk(const Persona& persona, const std::string& name, Container& container, std::size_t number,
                  const OpenContext& context) {
  const WrappedDisk& disk = container.info().disks[number];
  Detail report;
  report.Add("id", disk.id);
  if (!disk.file.empty()) report.Add("filename", disk.file);
  if (!disk.parent.empty()) report.Add("parent", disk.parent);
  if (disk.capacity) report.Add("capacity", *disk.capacity);
  if (disk.stored_size) report.Add("file-size", *disk.stored_size);
  if (!disk.compression.empty()) report.Add("compression", disk.compression);
  if (disk.file.empty()) return report;
  const auto layer = OpenWrappedDisk(name, container, number, context);
  if (!layer.ok()) {
    if (!disk.format.empty()) report.Add("format", disk.format);
    report.Add("error", ReasonOf(layer.error()));
    return report;
  }
  const ImageInfo& info = layer.value().image->info();
  report.Add("format", persona.FormatName(*layer.value().driver)).Add("virtual-size", info.virtual_size);
  if (info.allocation_unit != 0) report.Add("cluster-size", info.allocation_unit);
  if (info.encrypted) report.Add("encrypted", true);
  if (info.backing) report.Add("backing-filename", info.backing->text);
  if (!info.specific.empty()) {
    Detail typed;
    typed.Add("type", persona.FormatName(*layer.value().driver)).Add("data", info.specific);
    report.Add("format-specific", std::move(typed));
  }
  return report;
}

Detail ReportLayer(const WrappedLayer& layer) {
  Detail report;
  report.Add("filename", layer.file);
  if (!layer.digest.empty()) report.Add("digest", layer.digest);
  report.Add("diff-id", layer.diff_id);
  if (!layer.media_type.empty()) report.Add("media-type", layer.media_type);
  report.Add("file-size", layer.stored_size);
  if (!layer.compression.empty()) report.Add("compression", layer.compression);
  if (layer.size) report.Add("size", *layer.size);
  if (!layer.problem.empty()) report.Add("error", layer.problem);
  return report;
}

const Detail::List& ListIn(const Detail& report, std::string_view key) {
  static const Detail::List kNone;
  const Detail* list = report.Find(key);
  return list == nullptr ? kNone : std::get<Detail::List>(list->value());
}

std::string TextIn(const Detail& report, std::string_view key) {
  const Detail* found = report.Find(key);
  const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(&found->value());
  return text == nullptr ? std::string() : PrintableName(*text);
}

std::optional<std::uint64_t> NumberIn(const Detail& report, std::string_view key) {
  const Detail* found = report.Find(key);
  const auto* number = found == nullptr ? nullptr : std::get_if<std::uint64_t>(&found->value());
  return number == nullptr ? std::nullopt : std::optional(*number);
}

class Printer {
 public:
  std::string Print(const Detail& report) {
    Line(0, "file", TextIn(report, "filename"));
    Line(0, "container", TextIn(report, "container"));
    Size(0, "disk size", report, "actual-size");
    const Detail::List& disks = ListIn(report, "disks");
    for (std::size_t at = 0; at < disks.size(); ++at) PrintDisk(at + 1, disks[at]);
    if (const Detail* specific = report.Find("container-specific")) {
      PrintAppliance(*specific);
      const Detail::List& images = ListIn(*specific, "images");
      for (std::size_t at = 0; at < images.size(); ++at) PrintImage(at + 1, images[at]);
    }
    const Detail::List& layers = ListIn(report, "layers");
    for (std::size_t at = 0; at < layers.size(); ++at) PrintLayer(at + 1, layers[at]);
    Size(0, "virtual size", report, "virtual-size");
    if (!ListIn(report, "members").empty()) text_ += "members:\n";
    for (const Detail& member : ListIn(report, "members")) {
      fmt::format_to(std::back_inserter(text_), "    {:>14} {}\n", NumberIn(member, "size").value_or(0),
                     TextIn(member, "name"));
    }
    return std::move(text_);
  }

 private:
  void Line(std::size_t indent, std::string_view key, const std::string& value) {
    if (!value.empty()) fmt::format_to(std::back_inserter(text_), "{:{}}{}: {}\n", "", indent, key, value);
  }
  void Size(std::size_t indent, std::string_view key, const Detail& in, std::string_view member) {
    if (const auto size = NumberIn(in, member))
      Line(indent, key, fmt::format("{} ({} bytes)", HumanSize(*size), *size));
  }

  void PrintDisk(std::size_t number, const Detail& disk) {
    Line(0, fmt::format("disk {}", number), TextIn(disk, "id"));
    Line(4, "file", TextIn(disk, "filename"));
    Line(4, "parent", TextIn(disk, "parent"));
    Line(4, "file format", TextIn(disk, "format"));
    Size(4, "virtual size", disk, "virtual-size");
    if (NumberIn(disk, "capacity") != NumberIn(disk, "virtual-size")) Size(4, "capacity", disk, "capacity");
    Size(4, "file size", disk, "file-size");
    Line(4, "compression", TextIn(disk, "compression"));
    Line(4, "backing file", TextIn(disk, "backing-filename"));
    Line(4, "cannot be read", TextIn(disk, "error"));
  }

  void PrintAppliance(const Detail& specific) {
    Line(0, "OVF version", TextIn(specific, "ovf-version"));
    for (const Detail& product : ListIn(specific, "products")) {
      Line(0, "product",
           fmt::format("{} {} ({})", TextIn(product, "name"), TextIn(product, "version"), TextIn(product, "vendor")));
    }
    for (const Detail& system : ListIn(specific, "systems")) {
      const std::string name = TextIn(system, "name");
      Line(0, "machine", name.empty() ? TextIn(system, "id") : name);
      Line(4, "operating system", TextIn(system, "operating-system"));
      Line(4, "hardware", TextIn(system, "hardware"));
      if (const auto cpus = NumberIn(system, "cpus")) Line(4, "processors", std::to_string(*cpus));
      if (const auto memory = NumberIn(system, "memory")) Line(4, "memory", HumanSize(*memory));
    }
    for (const Detail& network : ListIn(specific, "networks")) Line(0, "network", TextIn(network, "name"));
    if (!ListIn(specific, "licenses").empty()) text_ += "license: yes\n";
    for (const std::string_view part : {"manifest", "certificate"}) {
      const Detail* found = specific.Find(part);
      if (found != nullptr) Line(0, part, std::get<bool>(found->value()) ? "yes" : "no");
    }
    PrintSignature(specific);
  }

  // Of the manifest alone: the files have not been compared with it.
  void PrintSignature(const Detail& specific) {
    const Detail* signature = specific.Find("signature");
    if (signature == nullptr) return;
    const bool intact = std::get<bool>(signature->Find("intact")->value());
    Line(0, "manifest's signature", intact ? "intact; the signer is not verified" : "does not fit");
    Line(4, "why", TextIn(*signature, "error"));
    for (const std::string_view key : {"algorithm", "subject", "issuer", "fingerprint"}) {
      Line(4, key, TextIn(*signature, key));
    }
  }

  // The words of a command as a list, so that blanks in them are seen.
  static std::string WordsIn(const Detail& report, std::string_view key) {
    std::string words;
    for (const Detail& item : ListIn(report, key)) {
      words += (words.empty() ? "[" : ", ") + JsonString(std::get<std::string>(item.value()));
    }
    return words.empty() ? words : words + "]";
  }

  void PrintImage(std::size_t number, const Detail& image) {
    std::string tags;
    for (const Detail& tag : ListIn(image, "tags")) {
      tags += (tags.empty() ? "" : ", ") + PrintableName(std::get<std::string>(tag.value()));
    }
    Line(0, fmt::format("image {}", number), tags.empty() ? "without a name" : tags);
    for (const std::string_view key :
         {"digest", "config-digest", "architecture", "variant", "os", "created", "author"}) {
      Line(4, key, TextIn(image, key));
    }
    for (const std::string_view key : {"entry-point", "command", "environment", "exposed-ports", "volumes"}) {
      Line(4, key, WordsIn(image, key));
    }
    for (const std::string_view key : {"working-directory", "user"}) Line(4, key, TextIn(image, key));
    std::string layers;
    for (const Detail& layer : ListIn(image, "layers")) {
      layers += fmt::format("{}{}", layers.empty() ? "" : ", ", std::get<std::uint64_t>(layer.value()) + 1);
    }
    Line(4, "layers", layers);
    if (!ListIn(image, "history").empty()) text_ += "    history:\n";
    for (const Detail& entry : ListIn(image, "history")) {
      const std::string comment = TextIn(entry, "comment");
      const std::string step = TextIn(entry, "created-by");
      fmt::format_to(std::back_inserter(text_), "        {} {}{}{}\n", TextIn(entry, "created"), step,
                     comment.empty() || step.empty() ? "" : " # ", comment);
    }
  }

  void PrintLayer(std::size_t number, const Detail& layer) {
    Line(0, fmt::format("layer {}", number), TextIn(layer, "filename"));
    for (const std::string_view key : {"diff-id", "media-type", "compression"}) Line(4, key, TextIn(layer, key));
    Size(4, "file size", layer, "file-size");
    Size(4, "size", layer, "size");
    Line(4, "cannot be read", TextIn(layer, "error"));
  }

  std::string text_;
};

}  // namespace

Detail ReportContainer(const Persona& persona, const std::string& name, const ContainerDriver& driver,
                       const Storage& storage, Container& container, const OpenContext& context) {
  const ContainerInfo& info = container.info();
  Detail report;
  report.Add("filename", name).Add("container", driver.name).Add("actual-size", storage.allocated_size());
  Detail::List disks;
  for (std::size_t at = 0; at < info.disks.size(); ++at) {
    disks.push_back(ReportDisk(persona, name, container, at, context));
  }
  if (info.layers.empty()) report.Add("disks", std::move(disks));
  if (info.virtual_size) report.Add("virtual-size", *info.virtual_size);
  Detail::List layers;
  for (const WrappedLayer& layer : info.layers) layers.push_back(ReportLayer(layer));
  if (!layers.empty()) report.Add("layers", std::move(layers));
  Detail::List members;
  for (const ContainerMember& member : info.members) {
    Detail item;
    item.Add("name", member.name).Add("type", member.type).Add("offset", member.offset).Add("size", member.size);
    members.push_back(std::move(item));
  }
  if (!members.empty()) report.Add("members", std::move(members));
  report.Add("container-specific", info.further);
  return report;
}

std::string ContainerText(const Detail& report) { return Printer().Print(report); }

}  // namespace platter::cli

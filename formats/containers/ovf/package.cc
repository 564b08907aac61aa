#include "formats/containers/ovf/package.h"

#include <fmt/format.h>

#include <utility>

#include "formats/containers/codec/unpacked_storage.h"

namespace platter::ovf {
namespace {

void AddText(Detail& detail, std::string key, std::string_view text) {
  if (!text.empty()) detail.Add(std::move(key), text);
}

Detail DetailOf(const System& system) {
  Detail detail;
  AddText(detail, "id", system.id);
  AddText(detail, "name", system.name);
  AddText(detail, "operating-system", system.os);
  AddText(detail, "hardware", system.hardware);
  if (system.cpus) detail.Add("cpus", *system.cpus);
  if (system.memory) detail.Add("memory", *system.memory);
  Detail::List devices;
  for (const Device& device : system.devices) {
    Detail item;
    item.Add("type", device.type);
    AddText(item, "name", device.name);
    AddText(item, "subtype", device.subtype);
    AddText(item, "connection", device.connection);
    devices.push_back(std::move(item));
  }
  if (!devices.empty()) detail.Add("devices", std::move(devices));
  return detail;
}

template <class Things, class Describe>
void AddList(Detail& detail, std::string key, const Things& things, Describe describe) {
  if (things.empty()) return;
  Detail::List list;
  for (const auto& thing : things) list.push_back(describe(thing));
  detail.Add(std::move(key), std::move(list));
}

Error Unread(std::string what, std::string field, const std::string& found) {
  return Error(ErrorKind::kUnsupported, std::move(what)).At("OVF descriptor", std::move(field)).Found(found);
}

}  // namespace

std::vector<WrappedDisk> WrappedDisks(const Descriptor& descriptor) {
  std::vector<WrappedDisk> disks;
  for (const Disk& disk : descriptor.disks) {
    WrappedDisk wrapped;
    wrapped.id = disk.id;
    wrapped.format = FormatOfUri(disk.format);
    wrapped.capacity = disk.capacity;
    wrapped.parent = disk.parent;
    if (const File* file = descriptor.FindFile(disk.file)) {
      auto name = FileNameOf(file->href);
      wrapped.file = name.ok() ? std::move(name).value() : file->href;
      wrapped.stored_size = file->size;
      wrapped.compression = file->compression;
      wrapped.open_ended = file->chunk_size && !file->size;
    }
    disks.push_back(std::move(wrapped));
  }
  return disks;
}

Detail DetailOf(const Descriptor& descriptor) {
  Detail detail;
  detail.Add("ovf-version", descriptor.version);
  AddList(detail, "systems", descriptor.systems, [](const System& system) { return DetailOf(system); });
  AddList(detail, "networks", descriptor.networks, [](const Network& network) {
    Detail item;
    item.Add("name", network.name);
    AddText(item, "description", network.description);
    return item;
  });
  AddList(detail, "products", descriptor.products, [](const Product& product) {
    Detail item;
    AddText(item, "name", product.name);
    AddText(item, "vendor", product.vendor);
    AddText(item, "version", product.version);
    return item;
  });
  AddList(detail, "licenses", descriptor.licenses, [](const std::string& text) { return Detail(text); });
  return detail;
}

Result<> CheckReadable(const Descriptor& descriptor, const Disk& disk) {
  const File* file = descriptor.FindFile(disk.file);
  if (file == nullptr) return Unread("the disk starts empty: there is no file to read", "Disk/@fileRef", disk.id);
  if (!file->compression.empty() && !codec::FindCompression(file->compression)) {
    return Unread("the disk's file is compressed in a way that is not read; unpack it beside the descriptor",
                  "File/@compression", file->compression);
  }
  return Done{};
}

Result<std::shared_ptr<Storage>> Decompressed(std::shared_ptr<Storage> stored, const WrappedDisk& disk) {
  if (disk.compression.empty()) return stored;
  const auto compression = codec::FindCompression(disk.compression);
  if (!compression) return Error(ErrorKind::kUnsupported, "an unknown compression").In(stored->name());
  return std::shared_ptr<Storage>(
      PLATTER_TRY(codec::UnpackedStorage::Make(std::move(stored), *compression, codec::OwnBound(*compression))));
}

Result<std::string> FileOfDisk(const Descriptor& descriptor, const Disk& disk) {
  PLATTER_CHECK(CheckReadable(descriptor, disk));
  return FileNameOf(descriptor.FindFile(disk.file)->href);
}

Finding& AddFinding(std::vector<Finding>& findings, std::string code, Concern concern, std::string message,
                    std::string value) {
  Finding& finding = findings.emplace_back();
  finding.code = std::move(code);
  finding.concern = concern;
  finding.severity = concern == Concern::kNone ? Severity::kWarning : SeverityOf(concern);
  finding.message = std::move(message);
  finding.value = std::move(value);
  return finding;
}

void JudgeDescriptor(const Descriptor& descriptor, std::vector<Finding>& findings) {
  for (const File& file : descriptor.files) {
    const auto name = FileNameOf(file.href);
    if (!name.ok()) findings.push_back(FindingOf("ovf", kFindingRules, name.error()));
    if (!file.compression.empty() && !codec::FindCompression(file.compression)) {
      AddFinding(findings, "ovf.compressed", Concern::kUnseen,
                 "a file is compressed in a way that is not read, and what is inside is not looked at", file.href);
    }
  }
  for (const Disk& disk : descriptor.disks) {
    if (disk.parent.empty()) continue;
    AddFinding(findings, "ovf.parent", Concern::kReference, "a disk is a layer above another one", disk.parent);
  }
  if (descriptor.disks.empty()) AddFinding(findings, "ovf.no_disk", Concern::kNone, "the appliance has no disk");
  if (descriptor.disks.size() > 1) {
    AddFinding(findings, "ovf.several_disks", Concern::kNone, "the appliance has several disks: one image cannot be it",
               std::to_string(descriptor.disks.size()));
  }
}

}  // namespace platter::ovf

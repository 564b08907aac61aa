#include "formats/containers/ovf/machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/containers/ovf/descriptor.h"
#include "formats/containers/ovf/xml.h"

namespace platter::ovf {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostCpus = 4096;
constexpr std::size_t kMostName = 80;  // bytes: ".ovf" and the like fit into a tar header behind it

bool IsControl(unsigned char letter) { return letter < 0x20 || letter == 0x7F; }

bool IsText(std::string_view text) { return TextLength(text) == text.size() && std::ranges::none_of(text, IsControl); }

// The name of a file may be any bytes.
std::string AsText(std::string name) {
  std::ranges::replace_if(name, IsControl, '_');
  for (std::size_t at = 0; at < name.size();) {
    at += TextLength(std::string_view(name).substr(at));
    if (at < name.size()) name[at] = '_';
  }
  return name;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

Result<std::string> TextOption(const OptionValues& options, const char* name, std::string otherwise) {
  std::string text = options.Text(name).value_or(std::move(otherwise));
  if (!text.empty() && IsText(text)) return text;
  return RefusedOption(name, "it has no text, or what is no text in UTF-8, such as control characters");
}

// One item of hardware; `more` stands behind the elements that each has, which have their order in the alphabet.
std::string Item(int id, int type, std::string_view name, std::string_view before, std::string_view behind = "") {
  return fmt::format(
      "      <Item>{}<rasd:ElementName>{}</rasd:ElementName>{}<rasd:InstanceID>{}</rasd:InstanceID>{}</Item>\n", before,
      name, type == 17 ? "<rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>" : "", id, behind);
}

std::string Hardware(const Machine& machine) {
  const auto quantity = [](int type, std::uint64_t count) {
    return fmt::format("<rasd:ResourceType>{}</rasd:ResourceType><rasd:VirtualQuantity>{}</rasd:VirtualQuantity>", type,
                       count);
  };
  const auto kind = [](std::string_view subtype, int type) {
    return fmt::format("<rasd:ResourceSubType>{}</rasd:ResourceSubType><rasd:ResourceType>{}</rasd:ResourceType>",
                       subtype, type);
  };
  const std::string connection = fmt::format(
      "<rasd:AddressOnParent>7</rasd:AddressOnParent><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>"
      "<rasd:Connection>{}</rasd:Connection>",
      Escaped(machine.network));
  return Item(1, 3, "Processors", "<rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>",
              quantity(3, machine.cpus)) +
         Item(2, 4, "Memory", "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>",
              quantity(4, machine.memory / kMebibyte)) +
         Item(3, 6, "SCSI Controller 0", "<rasd:Address>0</rasd:Address>", kind("lsilogic", 6)) +
         Item(4, 17, "Hard Disk 1", "<rasd:AddressOnParent>0</rasd:AddressOnParent>",
              "<rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType>") +
         Item(5, 10, "Network adapter 1", connection, kind("E1000", 10));
}

}  // namespace

std::string BaseName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return std::string(path.substr(0, path.rfind('.')));
}

bool IsReference(const std::string& file) {
  const auto name = FileNameOf(file);
  return TextLength(file) == file.size() && name.ok() && name.value() == file;
}

Result<Machine> MachineOf(const CreateRequest& request) {
  const OptionValues& options = request.options;
  Machine machine;
  machine.name = PLATTER_TRY(TextOption(options, "name", AsText(BaseName(request.storage->name()))));
  machine.files = machine.name;
  machine.os = PLATTER_TRY(TextOption(options, "os", "Other"));
  machine.network = PLATTER_TRY(TextOption(options, "network", "VM Network"));
  machine.cpus = options.Number("cpus", 1);
  machine.memory = options.Size("memory", 1024 * kMebibyte);
  machine.capacity = request.virtual_size;
  const std::string firmware = options.Text("firmware").value_or("bios");
  machine.efi = firmware == "efi";
  if (machine.name.size() > kMostName || machine.name.find_first_of("/\\%") != std::string::npos ||
      machine.name[0] == '.') {
    return RefusedOption(
        "name",
        fmt::format("it names files: no slashes or percent signs, no dot in front, at most {} bytes", kMostName));
  }
  if (!IsReference(machine.disk_file())) return RefusedOption("name", "it names files: not one of another place");
  if (machine.cpus == 0 || machine.cpus > kMostCpus) return RefusedOption("cpus", fmt::format("1 to {}", kMostCpus));
  if (machine.memory < kMebibyte || machine.memory % kMebibyte != 0) return RefusedOption("memory", "whole mebibytes");
  if (!machine.efi && firmware != "bios") return RefusedOption("firmware", "bios or efi");
  return machine;
}

std::string DescriptorOf(const Machine& machine, std::uint64_t disk_size) {
  const std::string name = Escaped(machine.name);
  const std::string network = Escaped(machine.network);
  const std::string size = fmt::format("{:<22}", fmt::format("\"{}\"", disk_size));
  const std::string firmware =
      machine.efi ? "      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>\n" : "";
  return fmt::format(
      R"(<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:id="file1" ovf:href="{disk}" ovf:size={size}/>
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
    <Network ovf:name="{network}"><Description>{network}</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="1">
      <Info>The guest operating system</Info>
      <Description>{os}</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements</Info>
      <System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier><vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType></System>
{hardware}{firmware}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
)",
      fmt::arg("disk", Escaped(machine.disk_file())), fmt::arg("size", size), fmt::arg("capacity", machine.capacity),
      fmt::arg("network", network), fmt::arg("name", name), fmt::arg("os", Escaped(machine.os)),
      fmt::arg("hardware", Hardware(machine)), fmt::arg("firmware", firmware));
}

}  // namespace platter::ovf

// The machine that a new appliance describes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/core/driver.h"
#include "formats/core/options.h"
#include "formats/core/result.h"

namespace platter::ovf {

inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"name", OptionType::kText, "Name of the machine, and of the files in an OVA (the target's by default)"},
    OptionSpec{"cpus", OptionType::kNumber, "Processors", "1"},
    OptionSpec{"memory", OptionType::kSize, "Memory", "1G"},
    OptionSpec{"os", OptionType::kText, "Guest operating system, in words", "Other"},
    OptionSpec{"network", OptionType::kText, "Name of the network", "VM Network"},
    OptionSpec{"firmware", OptionType::kText, "bios or efi", "bios"},
};

struct Machine {
  std::string name;
  std::string files;  // what the names of its files begin with
  std::uint64_t cpus = 1;
  std::uint64_t memory = 0;  // bytes
  std::string os;
  std::string network;
  bool efi = false;
  std::uint64_t capacity = 0;  // of its disk, in bytes

  std::string disk_file() const { return files + "-disk1.vmdk"; }
  std::string descriptor_file() const { return files + ".ovf"; }
  std::string manifest_file() const { return files + ".mf"; }
};

// Of kCreateOptionSpecs' values; its files are called as it is. kInvalid, naming the option.
Result<Machine> MachineOf(const CreateRequest& request);

// An OVF 1.1 descriptor as VMware's and VirtualBox's importers and virt-v2v take it. `disk_size`: bytes of the disk's
// file; the text is as long for any.
std::string DescriptorOf(const Machine& machine, std::uint64_t disk_size);

// Whether a descriptor can refer to a file of that name: as a reader takes it, it is that file beside the descriptor.
bool IsReference(const std::string& file);

// "box" of "folder/box.ova".
std::string BaseName(std::string_view path);

}  // namespace platter::ovf

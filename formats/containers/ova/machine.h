// The machine that a new OVA describes.
#pragma once

#include <cstdint>
#include <string>

#include "formats/core/driver.h"
#include "formats/core/result.h"

namespace platter::ova {

struct Machine {
  std::string name;
  std::uint64_t cpus = 1;
  std::uint64_t memory = 0;  // bytes
  std::string os;
  std::string network;
  bool efi = false;
  std::uint64_t capacity = 0;  // of its disk, in bytes

  std::string disk_file() const { return name + "-disk1.vmdk"; }
};

// kInvalid, naming the option.
Result<Machine> MachineOf(const CreateRequest& request);

// An OVF 1.1 descriptor as VMware's and VirtualBox's importers and virt-v2v take it. `disk_size`: bytes of the disk's
// file; the text is as long for any.
std::string DescriptorOf(const Machine& machine, std::uint64_t disk_size);

}  // namespace platter::ova

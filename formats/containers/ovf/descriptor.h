// The OVF descriptor (DMTF DSP0243): which files an appliance consists of, which disks it has, and what machine it is.
// Versions 0.9, 1.x and 2.x, as VMware, VirtualBox, oVirt and others write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"

namespace platter::ovf {

struct File {
  std::string id;
  std::string href;                         // as written: untrusted
  std::optional<std::uint64_t> size;        // bytes as stored
  std::string compression;                  // "gzip"; "" for none
  std::optional<std::uint64_t> chunk_size;  // bytes, not 0: the file is divided into chunks of this size (chunks.h)
};

struct Disk {
  std::string id;
  std::string file;    // File::id, or "" for a disk that starts empty
  std::string parent;  // Disk::id, or ""
  std::string format;  // the URI, as written
  std::string capacity_text;
  std::optional<std::uint64_t> capacity;        // bytes; empty where a property that has no value says it
  std::optional<std::uint64_t> populated_size;  // bytes
};

struct Network {
  std::string name;
  std::string description;
};

// One item of virtual hardware.
struct Device {
  std::uint64_t type = 0;  // CIM resource type: 3 processor, 4 memory, 10 Ethernet adapter, 17 disk, ...
  std::string name;
  std::string subtype;
  std::string connection;  // the network, or the disk (HostResource)
};

struct System {
  std::string id;
  std::string name;
  std::string os;
  std::string hardware;  // "vmx-13", "virtualbox-2.2"
  std::optional<std::uint64_t> cpus;
  std::optional<std::uint64_t> memory;  // bytes
  std::vector<Device> devices;
};

struct Product {
  std::string name;
  std::string vendor;
  std::string version;
};

struct Descriptor {
  std::string version;  // "0.9", "1.x", "2.x"
  std::vector<File> files;
  std::map<std::string, std::size_t, std::less<>> file_places;  // in `files`, by their ids
  std::vector<Disk> disks;
  std::vector<Network> networks;
  std::vector<System> systems;
  std::vector<Product> products;
  std::vector<std::string> licenses;

  const File* FindFile(std::string_view id) const noexcept;
};

// True for the beginning of a file that is an OVF descriptor.
bool LooksLikeDescriptor(std::span<const std::byte> head) noexcept;

// kNotThisFormat, kCorrupt (naming element and attribute), kLimit.
Result<Descriptor> ParseDescriptor(std::span<const std::byte> text, const Limits& limits);

// FormatDriver::name for the URI of a disk's format; "" for one that is not known.
std::string FormatOfUri(std::string_view uri);

// The file name that an href means: percent-encoding undone. kDenied for another place than the descriptor's own
// folder: a URL, an absolute path, a folder.
Result<std::string> FileNameOf(std::string_view href);
// The one that it means to programs that take it as it stands; "" where that is the same.
std::string LiteralNameOf(std::string_view href);

}  // namespace platter::ovf

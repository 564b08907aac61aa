// Container: a file that wraps disks, an appliance for one. Its driver answers what FormatDriver answers of an image:
// is it one, what is in it, what should whoever takes it from a stranger know. A wrapped disk is a Storage, which lies
// in the container as it stands there, or is decompressed while it is read: nothing is unpacked to anywhere, and any
// format may be opened on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/detail.h"
#include "formats/core/driver.h"
#include "formats/core/finding.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/unpacking.h"

namespace platter {

namespace ovf {
struct Descriptor;
}

// One name in an archive.
struct ContainerMember {
  std::string name;  // as written, without a leading "./": untrusted
  std::string_view type;
  std::uint64_t offset = 0;  // host byte of its content
  std::uint64_t size = 0;    // bytes
};

struct WrappedDisk {
  std::string id;      // the container's own name for it, unique in the container
  std::string file;    // the name of the file that holds it; "" for a disk that starts empty
  std::string format;  // FormatDriver::name, as the container claims; "" where it claims none that is known
  // Guest bytes that the container claims.
  std::optional<std::uint64_t> capacity = {};
  // Bytes of the file that holds it, as it is stored.
  std::optional<std::uint64_t> stored_size = {};
  std::string compression = {};  // "gzip", or "" for bytes as they are
  std::string parent = {};       // the id of the disk that it is a layer above; "" for none
  bool open_ended = false;       // in chunks, and nothing says how many: the last may be missing
};

// One layer of a container image: a tar of what it adds to the layers below, and takes from them.
struct WrappedLayer {
  std::string file;                        // that holds it, untrusted
  std::string digest;                      // of the stored bytes, "ALGORITHM:HEX"; "" where nothing names it
  std::string diff_id;                     // of the unpacked ones, as the image claims
  std::string media_type;                  // "" where none is claimed
  std::uint64_t stored_size = 0;           // bytes
  std::string compression = {};            // "gzip", "zstd", or ""; known once it has been measured
  std::optional<std::uint64_t> size = {};  // bytes that it unpacks to, measured
  std::string problem = {};                // why it could not be measured, or is not the layer that is meant
};

struct ContainerInfo {
  std::vector<ContainerMember> members;  // empty where the container is no archive
  std::vector<WrappedDisk> disks;        // in the container's order
  std::vector<WrappedLayer> layers;      // each once, however many images have it
  // Bytes of the unpacked layers, once all have been measured.
  std::optional<std::uint64_t> virtual_size = {};
  Detail further;  // what only this container says
};

// Thread rule: as Storage's reads.
class Container {
 public:
  virtual ~Container() = default;
  virtual const ContainerInfo& info() const noexcept = 0;
  // The bytes of the disk's file. Requires: disk < info().disks.size(). kUnsupported for a disk without a file,
  // kCorrupt where the file is missing, kDenied by the gate of open, kIo. The
  // storage keeps what it needs open.
  virtual Result<std::shared_ptr<Storage>> OpenDisk(std::size_t disk) = 0;
  // Reads the layers to their ends, and adds to info() what that shows. kIo, and nothing else: what is wrong with a
  // layer is its `problem`.
  virtual Result<> MeasureLayers() { return Done{}; }
};

// A disk for an inspector. Its bytes may still be arriving.
struct InspectedDisk {
  WrappedDisk disk;
  // As they are stored: where disk.compression says so, they are still to be decompressed. Null where they cannot be
  // looked at; a finding says why.
  std::shared_ptr<Storage> bytes;
};

// What an inspection has read of a stream, for the next look at the same stream: what has come by does not change.
struct ReadBefore {
  std::uint64_t offset = 0;  // host byte of the descriptor's text
  std::uint64_t size = 0;    // bytes of it
  std::shared_ptr<const ovf::Descriptor> descriptor;
};

struct ContainerInspection {
  Unpacking unpacking = {};           // the caller's, for what the driver decompresses
  ReadBefore* read_before = nullptr;  // the caller's, who looks at a stream again and again; null: at a file, once

  std::vector<InspectedDisk> disks;
  // What no disk refers to, and a machine may have attached all the same.
  std::vector<InspectedDisk> files;
  std::vector<Finding> findings;
  bool layered = false;  // it holds layers of file systems, and no disks
  // Bytes of the unpacked layers, where they have been measured.
  std::optional<std::uint64_t> virtual_size = {};
};

struct ContainerDriver {
  std::string_view name;   // the command line's word, the folder, the namespace
  std::string_view title;  // for people

  // Pure: bytes in, verdict out. kMaybe: open finds out.
  Likeness (*probe)(const ProbeInput&) noexcept = nullptr;
  // Reads the directory of the container and its description; looks at no disk. Other files, where a container has
  // some, are opened through the gate when their disk is: it must outlive the container. kNotThisFormat, kCorrupt,
  // kUnsupported, kLimit, kIo.
  Result<std::unique_ptr<Container>> (*open)(std::shared_ptr<Storage>, const OpenContext&) = nullptr;
  // Looks for what is unsafe or does not fit together, and adds it to the inspection. What it knew of disks and
  // findings when it failed stays there: the file may still be arriving, and its disks can be looked at before its end
  // is here. `whole` asks for what takes reading all of it, such as digests. Opens no other file. Its errors are the
  // caller's findings.
  Result<> (*inspect)(const std::shared_ptr<Storage>&, const Limits&, bool whole, ContainerInspection&) = nullptr;
  std::span<const FindingRule> finding_rules = {};

  // A kernel or a ramdisk that looks like this container is none: it is compressed as it is meant to be.
  bool yields_to_content = false;

  // Where a container may be a folder: the file in it that Open takes.
  std::string_view folder_member = "";

  // Makes a container of one disk, which is in the format of that name; the driver of it is handed in. Null: it cannot.
  std::string_view new_disk_format = "";
  Result<std::unique_ptr<ImageWriter>> (*create)(const CreateRequest&, const FormatDriver& disk_format) = nullptr;
  std::span<const OptionSpec> create_options = {};
  // The names of the files that create makes in the folder of the file `target`. Null: none. kInvalid for a target
  // whose name will not do.
  Result<std::vector<std::string>> (*files_beside)(const std::string& target) = nullptr;
};

}  // namespace platter

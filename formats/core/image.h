// Image: one layer of a guest disk, its read side.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/core/checked.h"
#include "formats/core/detail.h"
#include "formats/core/extent.h"
#include "formats/core/packing.h"
#include "formats/core/reference.h"
#include "formats/core/result.h"

namespace platter {

// Where a backing file is looked for that the image knows by its identity and no name.
struct BackingSearch {
  std::vector<std::string> folders;  // as seen from the image's own, in the order of trying
  std::string suffix;                // of file names, in any case: ".vdi"
  std::string format;                // FormatDriver::name
};

struct ImageInfo {
  std::uint64_t virtual_size = 0;     // guest bytes
  std::uint64_t allocation_unit = 0;  // bytes of a cluster, block or grain; 0 where the format has none (raw)
  std::optional<Reference> backing;   // as written in the image
  // Where else the backing file may be (a VHD has several locators), in the order of trying, after `backing`.
  std::vector<Reference> other_backing;
  // Instead of `backing`: the file that has backing_id for its id.
  std::optional<BackingSearch> backing_search;
  // What makes this layer known to those above it (a UUID, a VMDK's CID), and what it knows the layer below by; ""
  // where the format has no such thing. A chain whose neighbours do not agree is refused.
  std::string id;
  std::string backing_id;
  // Names the layer below as well as `backing_id` does; "" for none.
  std::string other_backing_id;
  bool encrypted = false;    // the guest bytes cannot be read: ReadAt answers kUnsupported
  bool dirty = false;        // the image was not closed properly
  bool tracks_dirty = true;  // false: qemu says nothing of `dirty` for this format, not even that it is not
  Detail specific;           // what only this format says, as qemu says it; empty where it says nothing
  Detail further;            // what qemu does not say
};

// An internal snapshot.
struct SnapshotInfo {
  std::string id;
  std::string name;
  std::uint64_t vm_state_size = 0;  // bytes
  std::uint32_t date_seconds = 0;   // Unix time
  std::uint32_t date_nanoseconds = 0;
  std::uint64_t vm_clock_nanoseconds = 0;
  std::optional<std::uint64_t> icount;  // instructions executed, where recorded
  std::uint64_t virtual_size = 0;       // guest bytes; may differ from the active layer's
};

class Image;
class FileTree;

class Snapshots {
 public:
  virtual ~Snapshots() = default;
  virtual const std::vector<SnapshotInfo>& snapshots() const noexcept = 0;
  // The guest disk as snapshot number `index` of snapshots() saw it. Shares this image's files; outlives it.
  virtual Result<std::shared_ptr<Image>> OpenSnapshot(std::size_t index) = 0;
};

// A persistent dirty bitmap: one bit per `granularity` guest bytes.
struct BitmapInfo {
  std::string name;
  std::uint64_t granularity = 0;  // guest bytes, a power of two
  bool in_use = false;            // inconsistent: the last writer did not close it
  bool automatic = false;         // records from the moment the image is opened
};

class Bitmaps {
 public:
  virtual ~Bitmaps() = default;
  virtual const std::vector<BitmapInfo>& bitmaps() const noexcept = 0;
  // The bits of bitmap `index` from bit `first_bit` on, lowest bit of each byte first. Bits past the disk's end are 0.
  virtual Result<> ReadBitmap(std::size_t index, std::uint64_t first_bit, std::span<std::byte> out) = 0;
};

// Thread-safe for Map and ReadAt once open. Covers one layer only and never follows its own backing reference.
class Image {
 public:
  virtual ~Image() = default;
  Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  virtual const ImageInfo& info() const noexcept = 0;

  // The extent at range.offset(), not longer than the range. No I/O beyond the metadata that answers it. kOutOfRange
  // unless the range is not empty and lies inside the guest disk; kCorrupt when the metadata lies.
  Result<LayerExtent> Map(std::uint64_t guest_offset, std::uint64_t length);
  // The layer's own bytes; where it is unallocated, zeros. All of `out` or an error.
  Result<> ReadAt(std::uint64_t guest_offset, std::span<std::byte> out);

  // How this layer stores what Map calls compressed, where it can give that away as it is (ReadPacked).
  virtual std::optional<Packing> packing() const noexcept { return std::nullopt; }
  // Adds the compressed units of the range to `out`, without inflating them: what can be known cheaply is checked, the
  // rest is as good as the image. False where that leaves a doubt: ReadAt then tells, and what was added is void.
  // Requires: packing(); whole units, inside the guest disk, that Map calls compressed. Thread-safe as ReadAt.
  Result<bool> ReadPacked(std::uint64_t guest_offset, std::uint64_t length, PackedUnits& out);

  // Extra abilities; null where the format has none. Owned by the image.
  virtual Snapshots* snapshots() noexcept { return nullptr; }
  virtual Bitmaps* bitmaps() noexcept { return nullptr; }
  virtual FileTree* file_tree() noexcept { return nullptr; }
  // The files that hold this layer, the image file first.
  virtual std::vector<std::shared_ptr<Storage>> files() const = 0;

 protected:
  // Requires: range not empty, inside the guest disk.
  virtual Result<LayerExtent> DoMap(ByteRange range) = 0;
  virtual Result<> DoRead(ByteRange range, std::span<std::byte> out) = 0;
  virtual Result<bool> DoReadPacked(ByteRange range, PackedUnits& out);

  // DoRead of a layer whose data lies verbatim in `file`, as DoMap says where.
  Result<> ReadMapped(Storage& file, ByteRange range, std::span<std::byte> out);
};

}  // namespace platter

// FormatDriver: everything the rest of the engine knows about a format, in one struct. A null function means that the
// format cannot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/chain.h"
#include "formats/core/finding.h"
#include "formats/core/image.h"
#include "formats/core/limits.h"
#include "formats/core/options.h"
#include "formats/core/reference.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/writer.h"

namespace platter {

enum class Likeness : std::uint8_t { kNo, kMaybe, kCertain };

// What a probe may look at. `head` holds the first kHead bytes of the file, fewer of a shorter one, with zeros up to
// kShortestHead where that is shorter still, as qemu reads it: its formats are told by fewer bytes than a header has.
// `tail` holds the last bytes.
struct ProbeInput {
  static constexpr std::size_t kHead = 65536;
  static constexpr std::size_t kShortestHead = 2048;
  static constexpr std::size_t kTail = 1536;
  std::span<const std::byte> head;
  std::span<const std::byte> tail;
  std::uint64_t file_size = 0;

  // How long the head of a file of so many bytes is.
  static constexpr std::size_t HeadOf(std::uint64_t size) noexcept {
    return size > kHead ? kHead : size < kShortestHead ? kShortestHead : static_cast<std::size_t>(size);
  }
};

struct OpenContext {
  Limits limits = {};
  ReferenceGate* gate = nullptr;  // not null; must outlive the open call, not the image
  // False: describe the image without opening any other file (info); ReadAt and Map may then answer kUnsupported.
  bool contents = true;
  Dialect dialect = Dialect::kPlatter;
  // Values of FormatDriver::open_options.
  OptionValues options = {};
};

struct CreateRequest {
  std::shared_ptr<Storage> storage = {};  // empty file, or a device; writable
  std::uint64_t virtual_size = 0;         // guest bytes
  OptionValues options = {};              // values of FormatDriver::create_options
  bool compress = false;                  // every batch is to be compressed; kUnsupported where the format cannot
  // Of what is compressed; kInvalid outside what the codec knows. Empty: the codec's fastest that is worth it.
  std::optional<int> compression_level = {};
  // Makes the other files that the image consists of (qcow2 data_file, extents of a vmdk, images of a bundle); they go
  // away with the image when it fails. Names are resolved as LocalGate does. Not null; called during create only.
  std::function<Result<std::shared_ptr<Storage>>(const Reference&)> open_side_file = {};
  // Of the backing file that the options name, where the caller opened it: its size in guest bytes, and ImageInfo::id.
  std::optional<std::uint64_t> backing_size = {};
  std::string backing_id = {};
};

// A new image out of files instead of guest bytes.
struct AuthorRequest {
  std::shared_ptr<Storage> storage = {};  // empty file, or a device; writable
  std::string folder = {};                // on the host, whose files it is to hold
  OptionValues options = {};              // values of FormatDriver::author_options
  // Asked now and then; true ends the work with kCancelled. May be empty.
  std::function<bool()> interrupted = {};
};

struct UpdateRequest {
  std::shared_ptr<Storage> storage = {};  // an existing image, writable
  OpenContext context = {};
  bool compress = false;
  std::optional<int> compression_level = {};  // as CreateRequest has it
};

// What a new image would take on the host, in bytes.
struct Measurement {
  std::uint64_t required = 0;                 // for the data that is there
  std::uint64_t fully_allocated = 0;          // when the guest has written everything
  std::optional<std::uint64_t> bitmaps = {};  // on top, for the source's persistent bitmaps
};

struct MeasureRequest {
  std::uint64_t virtual_size = 0;  // guest bytes
  OptionValues options = {};       // values of FormatDriver::create_options
  const Chain* source = nullptr;   // whose data counts; null: an empty disk
};

enum class Repair : std::uint8_t { kNothing, kLeaks, kAll };

struct CheckReport {
  std::uint64_t check_errors = 0;  // the check itself could not look everywhere
  std::uint64_t corruptions = 0;   // found and still there
  std::uint64_t leaks = 0;         // clusters marked as used that nothing refers to
  std::uint64_t corruptions_fixed = 0;
  std::uint64_t leaks_fixed = 0;
  std::uint64_t image_end_offset = 0;  // host bytes: end of the last cluster in use
  std::uint64_t total_clusters = 0;    // of the guest disk; 0: the format has no such figures
  std::uint64_t allocated_clusters = 0;
  std::uint64_t fragmented_clusters = 0;  // allocated ones that do not follow their predecessor on the host
  std::uint64_t compressed_clusters = 0;
};

struct CheckRequest {
  std::shared_ptr<Storage> storage = {};  // writable when `repair` asks for it
  Repair repair = Repair::kNothing;
  OpenContext context = {};
  // Called for every finding with a line for a person, in the order of finding. Not null.
  std::function<void(const std::string&)> log = {};
};

// What an inspector reports of an image beyond what open and ImageInfo say.
struct Inspection {
  // The caller's: the file is stored, and may be read to its last table.
  bool whole = false;
  std::string variant;                           // "dynamic", "streamOptimized"; "" where the format has one kind only
  std::optional<std::uint64_t> expected_length;  // host bytes that the file has at least when it is whole
  // Guest bytes of the disk to other programs, where that is more than ImageInfo says: limits go by it.
  std::optional<std::uint64_t> larger_size = {};
  std::vector<Finding> findings;
};

struct FormatDriver {
  std::string_view name;                              // the command line's word, the folder, the namespace
  std::string_view qemu_name;                         // qemu's word for it, "" where qemu has none; what tools print
  std::string_view title;                             // for people
  std::span<const std::string_view> extensions = {};  // without the dot; only for what is shown, never for detection
  // Where an image may be a folder: the file in it that Open takes. A folder that a user names means this file.
  std::string_view folder_member = "";

  // Pure: bytes in, verdict out.
  Likeness (*probe)(const ProbeInput&) noexcept = nullptr;
  // What qemu's probe says of the same bytes, where it differs.
  Likeness (*qemu_probe)(const ProbeInput&) noexcept = nullptr;
  // Reads headers and top-level tables. kNotThisFormat, kCorrupt, kUnsupported, kLimit, kIo, kDenied.
  Result<std::shared_ptr<Image>> (*open)(std::shared_ptr<Storage>, const OpenContext&) = nullptr;
  std::span<const OptionSpec> open_options = {};
  // Recognised and described only: with OpenContext::contents, open answers kUnsupported.
  bool described_only = false;

  Result<std::unique_ptr<ImageWriter>> (*create)(const CreateRequest&) = nullptr;
  std::span<const OptionSpec> create_options = {};
  bool can_compress = false;
  bool can_have_backing = false;
  // Whether a new image with these options can be written in one pass, as a pipe wants it (Storage::is_stream). Null:
  // never.
  bool (*can_stream)(const OptionValues&) noexcept = nullptr;
  // Whether a new image with these options is compressed without being asked for it. Null: never.
  bool (*always_compresses)(const OptionValues&) noexcept = nullptr;
  // Whether a new image with these options has ImageWriter::bitmap_target. Null: never.
  bool (*takes_bitmaps)(const OptionValues&) noexcept = nullptr;
  // Whether a new image with these options is a folder, with folder_member in it. Null: never.
  bool (*makes_folder)(const OptionValues&) noexcept = nullptr;
  // Makes an image that holds a folder's files; until it has succeeded the file does not look like an image.
  Result<> (*author)(const AuthorRequest&) = nullptr;
  std::span<const OptionSpec> author_options = {};
  // Opens an existing image for a conversion into it (convert -n).
  Result<std::unique_ptr<ImageWriter>> (*update)(const UpdateRequest&) = nullptr;

  Result<Measurement> (*measure)(const MeasureRequest&) = nullptr;
  // To qemu the whole disk is data: so `map` says when called as qemu-img.
  bool map_beyond_qemu = false;
  Result<CheckReport> (*check)(const CheckRequest&) = nullptr;
  bool can_repair = true;  // check takes requests for repairs
  // Looks at headers and top-level tables for what is unsafe or does not fit together, and adds it to the inspection.
  // References, encryption and what makes open fail are reported by the caller. Opens no other file, holds little,
  // reads forward as far as it can: the file may still be arriving. Its errors are the caller's findings, as open's
  // are. Null: nothing to add.
  Result<> (*inspect)(const std::shared_ptr<Storage>&, const Limits&, Inspection&) = nullptr;
  std::span<const FindingRule> finding_rules = {};

  // qemu's driver cannot: neither can we when called as qemu-img.
  bool measure_beyond_qemu = false;
  bool check_beyond_qemu = false;
};

}  // namespace platter

// The options of a new image, checked, and the header they make.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "formats/core/options.h"
#include "formats/core/result.h"
#include "formats/qcow2/header.h"

namespace platter::qcow2 {

enum class Preallocation : std::uint8_t {
  kOff,
  kMetadata,  // every guest cluster has a place in the file, which stays sparse
  kFalloc,    // as kMetadata, and the space is reserved
  kFull,      // as kMetadata, and the space is written with zeros
};

// A new disk is as large as the sectors that what was asked for takes.
inline constexpr std::uint64_t kSectorSize = 512;

struct CreateOptions {
  // Everything but the tables' offsets and the bitmaps. The virtual size is whole sectors.
  Header header;
  Preallocation preallocation = Preallocation::kOff;

  bool preallocates() const noexcept { return preallocation != Preallocation::kOff; }
};

// qemu's words, in the order in which it prints what it creates.
inline constexpr std::array kCreateOptionSpecs = {
    OptionSpec{"encryption", OptionType::kFlag,
               "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)"},
    OptionSpec{"encrypt.format", OptionType::kText, "Encrypt the image, format choices: 'aes', 'luks'"},
    OptionSpec{"encrypt.key-secret", OptionType::kText, "ID of secret providing qcow AES key or LUKS passphrase"},
    OptionSpec{"encrypt.cipher-alg", OptionType::kText, "Name of encryption cipher algorithm"},
    OptionSpec{"encrypt.cipher-mode", OptionType::kText, "Name of encryption cipher mode"},
    OptionSpec{"encrypt.ivgen-alg", OptionType::kText, "Name of IV generator algorithm"},
    OptionSpec{"encrypt.ivgen-hash-alg", OptionType::kText, "Name of IV generator hash algorithm"},
    OptionSpec{"encrypt.hash-alg", OptionType::kText, "Name of encryption hash algorithm"},
    OptionSpec{"encrypt.iter-time", OptionType::kNumber, "Time to spend in PBKDF in milliseconds"},
    OptionSpec{"cluster_size", OptionType::kSize, "qcow2 cluster size", "65536"},
    OptionSpec{"extended_l2", OptionType::kFlag, "Extended L2 tables", "off"},
    OptionSpec{"preallocation", OptionType::kText, "Preallocation mode (allowed values: off, metadata, falloc, full)"},
    OptionSpec{"compression_type", OptionType::kText, "Compression method used for image cluster compression", "zlib"},
    OptionSpec{"size", OptionType::kSize, "Virtual disk size"},
    OptionSpec{"compat", OptionType::kText, "Compatibility level (v2 [0.10] or v3 [1.1])"},
    OptionSpec{"data_file", OptionType::kText, "File name of an external data file"},
    OptionSpec{"data_file_raw", OptionType::kFlag, "The external data file must stay valid as a raw image"},
    OptionSpec{"backing_file", OptionType::kText, "File name of a base image"},
    OptionSpec{"backing_fmt", OptionType::kText, "Image format of the base image"},
    OptionSpec{"lazy_refcounts", OptionType::kFlag, "Postpone refcount updates", "off"},
    OptionSpec{"refcount_bits", OptionType::kNumber, "Width of a reference count entry in bits", "16"},
};

// `values` of kCreateOptionSpecs for a disk of `virtual_size` guest bytes (option "size" is the caller's business).
// kInvalid for values that are out of range or contradict each other, kUnsupported for encryption; the message names
// the option.
Result<CreateOptions> ParseCreateOptions(const OptionValues& values, std::uint64_t virtual_size);

// False for version 2, whose header has no place for them.
bool TakesBitmaps(const OptionValues& values) noexcept;

// SerializeHeader, without the feature name table where the first cluster has no room for it. `header` then says so.
Result<std::vector<std::byte>> SerializeFitting(Header& header);

}  // namespace platter::qcow2

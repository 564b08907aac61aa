// The manifest of an appliance (.mf): a digest of every file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::ovf {

enum class DigestAlgorithm : std::uint8_t { kSha1, kSha256, kSha512 };
std::string_view DigestName(DigestAlgorithm algorithm) noexcept;  // "SHA1", "SHA256", "SHA512"

// A line "SHA256(disk.vmdk)= 0123...", with spaces where there may be some: of a manifest, and of a certificate.
struct DigestLine {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string file;
  std::string hex;  // what is behind the "="
};
// kCorrupt for any other line; kUnsupported for an algorithm that is not known. `structure`, `field`: what and where
// the line is, for messages.
Result<DigestLine> ParseDigestLine(std::string_view line, std::string_view structure, std::string field);

struct ManifestEntry {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string file;
  std::string digest;  // lower-case hexadecimal digits, as many as the algorithm's digest has
};

// A line each. As ParseDigestLine; kCorrupt for a digest of another length than the algorithm's.
Result<std::vector<ManifestEntry>> ParseManifest(std::span<const std::byte> text);

// Of all bytes of the file, as ManifestEntry::digest is. kIo.
Result<std::string> DigestOf(Storage& file, DigestAlgorithm algorithm);

}  // namespace platter::ovf

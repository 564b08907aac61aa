// The command line of `platter convert`, parsed and checked against itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/hash/algorithm.h"
#include "formats/core/driver.h"
#include "formats/core/file_storage.h"
#include "tools/platter/argument_parser.h"

namespace platter::cli {

struct ConvertArguments {
  std::vector<std::string> sources;  // at least one
  std::string target;
  bool source_image_opts = false;
  bool target_image_opts = false;
  std::string source_format;            // -f; "" = recognise
  std::string target_format;            // -O; "" with --target-image-opts
  std::string create_options;           // every -o, joined
  std::string backing;                  // -B
  std::string backing_format;           // -F
  std::optional<std::string> snapshot;  // -l
  CacheMode source_cache = CacheMode::kWriteback;
  CacheMode target_cache = CacheMode::kUnsafe;
  std::optional<std::uint64_t> sparse;  // -S, bytes
  std::uint64_t rate_limit = 0;         // -r, bytes per second
  unsigned workers = 0;                 // -m; 0 = not said
  bool compress = false;
  bool in_kernel = false;
  bool no_reflink = false;
  bool recompress = false;
  std::optional<int> compression_level;
  bool progress = false;
  bool quiet = false;
  bool into_existing = false;  // -n
  bool force_share = false;
  bool target_is_zero = false;
  bool bitmaps = false;
  bool skip_broken_bitmaps = false;
  bool salvage = false;
  std::vector<DigestAlgorithm> digests;       // of the guest disk, to be printed
  std::vector<DigestAlgorithm> file_digests;  // of the new image's files, the same
  std::optional<std::string> disk;            // --disk
};

// Empty after a message: the call is over, with parser.exit_code() or else 1. "-o help" ends it with 0.
std::optional<ConvertArguments> ParseConvertArguments(const Invocation& call, ArgumentParser& parser);

// The letters and long options for the parser.
extern const std::string_view kConvertLetters;
std::span<const option> ConvertLongOptions() noexcept;

}  // namespace platter::cli

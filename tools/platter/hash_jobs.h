// Hashing the files that a command line or a list names: one after the other, or many at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/hash/algorithm.h"
#include "convert/hash/digest_pool.h"
#include "formats/core/result.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// What of a file is hashed.
enum class HashForm : std::uint8_t {
  kFile,   // its own bytes
  kGuest,  // the bytes of the guest disk
  kBlock,  // the guest disk's block hash
};

// The value of --block-size, in bytes. Empty after a message.
std::optional<std::uint64_t> ParseHashBlockSize(const Persona& persona, std::string_view text);

struct HashRules {
  HashForm form = HashForm::kFile;
  std::uint64_t block_size = 0;  // bytes, of kBlock
  std::string format;            // -f; "" = recognise
  bool image_opts = false;
  std::optional<std::string> disk = {};  // --disk
  bool force_share = false;
  bool progress = false;
  const std::atomic<bool>* cancel = nullptr;
};

struct HashJob {
  std::string name;  // "-" is the standard input, with kFile
  std::vector<DigestAlgorithm> algorithms;
};

struct HashedFile {
  std::uint64_t size = 0;  // bytes that were hashed
  std::vector<DigestValue> digests;
};

// `pool`: where kFile hashes together with others; null for alone.
Result<HashedFile> HashFile(const HashJob& job, const HashRules& rules, DigestPool* pool = nullptr);

// HashFile for each job; `take` is called in the jobs' order, in the calling thread, and ends the work by returning
// false. Files are hashed side by side, their digests in lanes, where one file keeps one core busy: kFile, without
// progress.
void HashFiles(std::span<const HashJob> jobs, const HashRules& rules,
               const std::function<bool(const HashJob&, Result<HashedFile>)>& take);

}  // namespace platter::cli

// The one way in: bytes of an image go to a store, to the digests and to the inspector side by side, and the record
// says what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/hash/digest_pool.h"
#include "formats/core/result.h"
#include "formats/inspect/policy.h"
#include "formats/inspect/report.h"
#include "registry-core/catalog/catalog.h"
#include "registry-core/ingest/unpack_memory.h"
#include "registry-core/stores/store.h"

namespace platter::registry {

struct IngestRules {
  // What is refused beyond what the image's own formats say; expected_disk and expected_container are set for each
  // upload from its record.
  inspect::Policy policy;
  bool require_format_match =
      true;  // [image_format] require_image_format_match: false: a mismatch is no reason to refuse
  std::uint64_t max_image_bytes = std::uint64_t{1} << 40;  // [DEFAULT] image_size_cap
  std::optional<std::uint64_t> quota_bytes;                // of each owner's images together
  std::string hash_algorithm = "sha512";                   // [DEFAULT] hashing_algorithm
};

// What all uploads share. Thread-safe; outlives them. One thread of `digests` for each core keeps all of them busy.
struct IngestContext {
  Catalog& catalog;
  StoreSet& stores;
  std::shared_ptr<DigestPool> digests;
  IngestRules rules;
  // For what decoders of compressed content hold; null: there is no limit but the host's.
  UnpackMemory* unpack_memory = nullptr;
  // Asked now and then, by any thread that looks through a stored file; true: it ends soon, with kCancelled. Null:
  // never.
  std::function<bool()> cancelled = {};

  // An owner's part of unpack_memory; null where there is no limit.
  std::shared_ptr<MemoryBudget> UnpackMemoryOf(const std::string& owner) const {
    return unpack_memory == nullptr ? nullptr : unpack_memory->Of(owner);
  }
};

// Why an upload ended early, beyond the error's text.
struct Refusal {
  std::string code;               // of the finding that decided, "qcow2.backing_file"; "" for none
  std::vector<Finding> findings;  // all of them
};

// Where an upload goes.
struct UploadTargets {
  std::vector<std::string> stores;  // by name; empty: the default one
  bool all_must_succeed = true;     // false: one is enough, and the others are left out
};

// One image's bytes on their way in. Fed by one thread at a time; holds at most 8 MiB while they arrive, and what
// decoders of compressed content take of IngestContext's unpack_memory. Every way out of it leaves the record where the
// state machine says and nothing in the store that no active record names: destroyed before Finish it is a broken
// connection.
//
// What decides is the inspection of the stored file at full depth, under the policy and what the record declares. What
// even that leaves undecided (a wrapping that is not looked into, a table too large to hold) is refused, with the code
// of the finding that says what was not seen. A policy allows what Tolerates() says, and nothing else.
class Upload {
 public:
  enum class Way : std::uint8_t {
    kDirect,  // queued -> saving -> active
    kImport,  // importing -> active; bytes come from the staging area or the web
  };

  // Moves the record into its state and opens the store (`store`: by name, "" for the default one). `declared_size`:
  // bytes that the client announces; more or fewer are an error. kNotFound, kConflict (not in the state for an upload),
  // kInvalid (disk_format or container_format is missing; an unknown store), kLimit (too large), kIo.
  static Result<std::unique_ptr<Upload>> Begin(const IngestContext& context, std::string_view image_id, Way way,
                                               std::string_view store, std::optional<std::uint64_t> declared_size);
  // The same into several stores at once.
  static Result<std::unique_ptr<Upload>> Begin(const IngestContext& context, std::string_view image_id, Way way,
                                               const UploadTargets& targets,
                                               std::optional<std::uint64_t> declared_size);
  virtual ~Upload() = default;

  // The bytes that follow. An error ends the upload; the record is then back in queued. kDenied: what was found is not
  // what the record declares, or is unsafe (refusal() says more); kLimit: too large, over quota; kIo: the store failed,
  // or (ENOMEM) there is no memory to unpack it now; kCancelled: the image was deleted meanwhile.
  virtual Result<> Feed(std::span<const std::byte> bytes) = 0;
  // The last byte has come: the stored file is inspected whole, and the record becomes active with its size, virtual
  // size and digests in one transaction. Takes as long as it takes to unpack what is compressed, but ends some seconds
  // after the image is deleted, and soon where IngestContext's `cancelled` says so. The record, or as Feed.
  virtual Result<ImageRecord> Finish() = 0;
  // After an error of kind kDenied.
  virtual const Refusal& refusal() const noexcept = 0;
  // The stores that failed where one was enough.
  virtual const std::vector<std::string>& failed_stores() const noexcept = 0;
};

}  // namespace platter::registry

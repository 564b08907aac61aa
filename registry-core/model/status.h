// The states of an image, and the moves between them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace platter::registry {

enum class Status : std::uint8_t {
  kQueued,         // the record is there, its bytes are not
  kSaving,         // bytes arrive by direct upload
  kUploading,      // bytes arrive in the staging area of an import
  kImporting,      // what was staged, or is fetched, is on its way into a store
  kActive,         // the bytes are there, and never change again
  kDeactivated,    // as active, but only administrators may read the bytes
  kKilled,         // an upload failed; nothing can be read
  kPendingDelete,  // deleted, its bytes still to be removed
  kDeleted,        // gone; the record stays for its id
};

inline constexpr std::array kAllStatuses = {Status::kQueued,    Status::kSaving,        Status::kUploading,
                                            Status::kImporting, Status::kActive,        Status::kDeactivated,
                                            Status::kKilled,    Status::kPendingDelete, Status::kDeleted};

// The API's word: "queued", "pending_delete".
std::string_view StatusName(Status status) noexcept;
std::optional<Status> FindStatus(std::string_view name) noexcept;

// Whether an image may go from one state into another. Staying where it is is no move: false.
bool MayMove(Status from, Status to) noexcept;

// The bytes of an image in this state are in a store.
constexpr bool HasBytes(Status status) noexcept { return status == Status::kActive || status == Status::kDeactivated; }

}  // namespace platter::registry

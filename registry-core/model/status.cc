#include "registry-core/model/status.h"

#include <algorithm>
#include <utility>

namespace platter::registry {
namespace {

struct StatusTraits {
  Status status;
  std::string_view name;
};

constexpr std::array kNames = {
    StatusTraits{Status::kQueued, "queued"},       StatusTraits{Status::kSaving, "saving"},
    StatusTraits{Status::kUploading, "uploading"}, StatusTraits{Status::kImporting, "importing"},
    StatusTraits{Status::kActive, "active"},       StatusTraits{Status::kDeactivated, "deactivated"},
    StatusTraits{Status::kKilled, "killed"},       StatusTraits{Status::kPendingDelete, "pending_delete"},
    StatusTraits{Status::kDeleted, "deleted"},
};

struct Move {
  Status from;
  Status to;
  friend bool operator==(const Move&, const Move&) = default;
};

constexpr std::array kMoves = {
    Move{Status::kQueued, Status::kSaving},
    Move{Status::kQueued, Status::kUploading},
    Move{Status::kQueued, Status::kImporting},
    Move{Status::kQueued, Status::kActive},  // a location was added
    Move{Status::kQueued, Status::kDeleted},
    Move{Status::kSaving, Status::kActive},
    Move{Status::kSaving, Status::kKilled},
    Move{Status::kSaving, Status::kDeleted},
    Move{Status::kSaving, Status::kQueued},  // refused or broken off: the client may try again
    Move{Status::kUploading, Status::kImporting},
    Move{Status::kUploading, Status::kQueued},
    Move{Status::kUploading, Status::kDeleted},
    Move{Status::kImporting, Status::kActive},
    Move{Status::kImporting, Status::kDeleted},
    Move{Status::kImporting, Status::kQueued},
    Move{Status::kActive, Status::kPendingDelete},
    Move{Status::kActive, Status::kDeleted},
    Move{Status::kActive, Status::kDeactivated},
    Move{Status::kDeactivated, Status::kActive},
    Move{Status::kDeactivated, Status::kDeleted},
    Move{Status::kKilled, Status::kDeleted},
    Move{Status::kPendingDelete, Status::kDeleted},
    Move{Status::kPendingDelete, Status::kActive},  // an administrator brings it back
};

}  // namespace

std::string_view StatusName(Status status) noexcept {
  return std::ranges::find(kNames, status, &StatusTraits::status)->name;
}

std::optional<Status> FindStatus(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kNames, name, &StatusTraits::name);
  return found == kNames.end() ? std::nullopt : std::optional(found->status);
}

bool MayMove(Status from, Status to) noexcept { return std::ranges::find(kMoves, Move{from, to}) != kMoves.end(); }

}  // namespace platter::registry

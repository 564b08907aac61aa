// Internal snapshots named on the command line (-l).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "formats/core/chain.h"
#include "formats/core/result.h"
#include "formats/open.h"

namespace platter::cli {

// "snapshot.id=1,snapshot.name=daily" means both; a bare word is an id or, where no id fits, a name.
struct SnapshotArgument {
  std::optional<std::string> id;
  std::optional<std::string> name;
  bool either = false;  // `id` may be a name
};

// kInvalid, naming the parameter, for one that is not "snapshot.id" or "snapshot.name".
Result<SnapshotArgument> ParseSnapshotArgument(std::string_view text);

// The guest disk as the top layer's snapshot saw it, on the same backing files. kUnsupported for a format without
// snapshots, kInvalid when no snapshot fits; otherwise as Snapshots::OpenSnapshot.
Result<Chain> OpenSnapshot(const OpenedChain& chain, const SnapshotArgument& wanted);

}  // namespace platter::cli

// The schema's versions, for the catalog itself and its tests.
#pragma once

#include "registry-core/catalog/catalog.h"

namespace platter::registry {

// This program's.
std::uint32_t SchemaVersion() noexcept;
// kUnsupported where the database is newer than this program.
Result<> CheckNotNewer(const SchemaState& state);
// As Migrate, but no further than `wanted`.
Result<SchemaState> MigrateTo(const DatabaseUrl& url, std::uint32_t wanted,
                              const std::function<void(std::string_view)>& report);

}  // namespace platter::registry

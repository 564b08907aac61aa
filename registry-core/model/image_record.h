// ImageRecord: what the registry knows about one image.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry-core/model/status.h"

namespace platter::registry {

// UTC. The API shows whole seconds; the catalog keeps microseconds, which order what was made within one second.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;

enum class Visibility : std::uint8_t { kPublic, kPrivate, kShared, kCommunity };
std::string_view VisibilityName(Visibility visibility) noexcept;
std::optional<Visibility> FindVisibility(std::string_view name) noexcept;

enum class MemberStatus : std::uint8_t { kPending, kAccepted, kRejected };
std::string_view MemberStatusName(MemberStatus status) noexcept;
std::optional<MemberStatus> FindMemberStatus(std::string_view name) noexcept;

// A project that a shared image is shared with. An image and a project meet in one Member at most.
struct Member {
  std::string image;    // id
  std::string project;  // id
  MemberStatus status = MemberStatus::kPending;
  Instant created{};
  Instant updated{};
};

// Where an image's bytes lie.
struct Location {
  std::string url;                              // "file:///...", "https://..."
  std::string store;                            // the store's name; "" where none of ours holds it
  std::map<std::string, std::string> metadata;  // as the client gave it; values are JSON texts
};

struct ImageRecord {
  std::string id;  // a UUID in lower case
  std::optional<std::string> name;
  Status status = Status::kQueued;
  Visibility visibility = Visibility::kShared;
  bool is_protected = false;                    // cannot be deleted
  bool hidden = false;                          // not in lists unless they ask for it
  std::optional<std::string> owner;             // a project's id
  std::optional<std::string> disk_format;       // one of DiskFormats()
  std::optional<std::string> container_format;  // one of ContainerFormats()
  std::uint64_t min_disk = 0;                   // GiB
  std::uint64_t min_ram = 0;                    // MiB
  std::optional<std::uint64_t> size;            // bytes of the file
  std::optional<std::uint64_t> virtual_size;    // bytes that a guest sees
  std::optional<std::string> checksum;          // MD5, hexadecimal
  std::optional<std::string> hash_algorithm;    // "sha512"
  std::optional<std::string> hash_value;        // hexadecimal
  std::set<std::string> tags;
  std::vector<Location> locations;                // in the order of trying
  std::map<std::string, std::string> properties;  // the custom ones
  Instant created{};
  Instant updated{};
  std::optional<Instant> deleted;
  std::uint64_t version = 0;  // the catalog's, counts changes; see Catalog::Update
};

// The record as it is when its bytes did not come, whatever it was on the way to: a client may try again.
void Requeue(ImageRecord& image);

// Bytes of what clients put into the record without a column's limit: its tags, properties, and locations with their
// metadata, names included.
std::size_t BulkOf(const ImageRecord& image) noexcept;
// As much may a property's value have, which is what Glance's own databases hold, ...
inline constexpr std::size_t kMostValueBytes = 65535;
// ... and all of that together.
inline constexpr std::size_t kMostBulkBytes = std::size_t{256} << 10;

// What an import is doing, for those who watch it.
struct TaskRecord {
  std::string id;
  std::string type;    // "api_image_import"
  std::string status;  // "pending", "processing", "success", "failure"
  std::string owner;
  std::string image;    // id; "" for none
  std::string request;  // the request's id
  std::string user;     // id
  std::string input;    // JSON
  std::string result;   // JSON, or ""
  std::string message;
  Instant created{};
  Instant updated{};
  std::optional<Instant> expires;
};

// How long the record of a task is kept that has ended.
inline constexpr std::chrono::hours kTaskLifetime{48};

// The values that a registry takes: "raw", "vhd", ..., and "bare", "docker", ....
std::span<const std::string_view> DiskFormats() noexcept;
std::span<const std::string_view> ContainerFormats() noexcept;

// The names that a record has by itself, which no custom property may have.
bool IsReservedProperty(std::string_view name) noexcept;

// A random UUID (RFC 4122, version 4).
std::string NewIdentifier();
// Whether `text` is a UUID in its usual form, in either case.
bool IsIdentifier(std::string_view text) noexcept;

// "2026-11-23T06:20:10Z".
std::string FormatInstant(Instant instant);
// That, with fractions of a second and with offsets ("+02:00"), too. Empty for anything else.
std::optional<Instant> ParseInstant(std::string_view text) noexcept;
Instant Now() noexcept;

}  // namespace platter::registry

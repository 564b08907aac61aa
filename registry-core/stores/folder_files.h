// What a FileStore does with names in its folders: every path is walked name by name, and no link is followed.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "registry-core/stores/descriptor.h"
#include "registry-core/stores/file_store.h"

namespace platter::registry {

inline constexpr std::string_view kIncoming = ".incoming";

// The folder that `path` ("aa/bb/ID") lies in, and its last name.
struct Parent {
  Descriptor folder;
  std::string name;
};
// kNotFound; kDenied where something other than a folder is on the way.
Result<Parent> OpenParent(int root, std::string_view path);
// The same with missing folders made, each durable before the next. They get `like`'s owner where that is allowed.
Result<Parent> MakeParent(int root, std::string_view path, const struct stat& like);
// A regular file. kNotFound, kDenied for anything else, kIo.
Result<Descriptor> OpenObject(int root, std::string_view path, int flags);
Result<struct stat> StatusOf(int fd);
Result<> SyncFolder(int fd);

// "ID" or "ID.RANDOM".
struct ObjectName {
  std::string id;
  std::string random;  // "" for none
};
std::optional<ObjectName> ParseObjectName(std::string_view name);
std::string NewRandom();
// "aa/bb/ID".
std::string PathOf(std::string_view id);

enum class Lock : std::uint8_t { kTaken, kBusy };
// Waits not at all; kIo.
Result<Lock> TryLock(int fd);

// Names in a folder, without "." and "..", in no order.
Result<> ForEachName(int folder, const std::function<Result<>(const std::string&)>& visit);

// What an object in .incoming is the second name of: a path below the folder, "" for none.
Result<std::string> FinalPathOf(const StoreFolder& folder, const ObjectName& mark, const struct stat& file);

// An open object as positional bytes. `size`: what is read never leaves it; shared with whoever makes it grow.
std::shared_ptr<Storage> MakeObjectStorage(std::shared_ptr<const Descriptor> file,
                                           std::shared_ptr<const std::atomic<std::uint64_t>> size, std::string name);

}  // namespace platter::registry

// RecordCache: records that listings have read, so that a page costs one statement.
//
// A record is taken for the one that is stored where id, version and creation are: every change raises the version, in
// this process and in all others. A listing reads these three in its transaction; nothing here is older than that.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "registry-core/model/image_record.h"

namespace platter::registry {

// Thread-safe.
class RecordCache {
 public:
  explicit RecordCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  // Empty where it has none that is the same.
  std::shared_ptr<const ImageRecord> Find(std::string_view id, std::uint64_t version, Instant created);
  // In the place of any other version; what was not used for longest goes. One that is large is not kept.
  void Keep(std::shared_ptr<const ImageRecord> image);

 private:
  struct Entry {
    std::shared_ptr<const ImageRecord> image;
    std::size_t bytes;
  };
  using Entries = std::list<Entry>;
  void Drop(Entries::iterator entry);

  const std::size_t most_bytes_;
  std::mutex mutex_;
  Entries entries_;  // what was used last comes first
  std::unordered_map<std::string_view, Entries::iterator> by_id_;
  std::size_t bytes_ = 0;
};

}  // namespace platter::registry

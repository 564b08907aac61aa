#include "registry-core/catalog/record_cache.h"

namespace platter::registry {
namespace {

// About what the record takes in memory.
std::size_t SizeOf(const ImageRecord& image) {
  constexpr std::size_t kNode = 100;  // of a set or a map, beside the texts themselves
  std::size_t bytes = sizeof(ImageRecord) + image.id.size();
  for (const auto* text : {&image.name, &image.owner, &image.checksum, &image.hash_value})
    bytes += text->value_or("").size();
  for (const std::string& tag : image.tags) bytes += kNode + tag.size();
  for (const auto& [name, value] : image.properties) bytes += kNode + name.size() + value.size();
  for (const Location& location : image.locations) {
    bytes += sizeof(Location) + location.url.size() + location.store.size();
    for (const auto& [name, value] : location.metadata) bytes += kNode + name.size() + value.size();
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const ImageRecord> RecordCache::Find(std::string_view id, std::uint64_t version, Instant created) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  const ImageRecord& image = *found->second->image;
  if (image.version != version || image.created != created) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->image;
}

void RecordCache::Keep(std::shared_ptr<const ImageRecord> image) {
  constexpr std::size_t kShare = 64;  // a record may have this part of the room
  const std::size_t bytes = SizeOf(*image);
  const std::lock_guard lock(mutex_);
  if (const auto known = by_id_.find(image->id); known != by_id_.end()) Drop(known->second);
  if (bytes > most_bytes_ / kShare) return;
  while (!entries_.empty() && bytes_ + bytes > most_bytes_) Drop(std::prev(entries_.end()));
  entries_.push_front({std::move(image), bytes});
  by_id_.emplace(entries_.front().image->id, entries_.begin());
  bytes_ += bytes;
}

void RecordCache::Drop(Entries::iterator entry) {
  by_id_.erase(entry->image->id);
  bytes_ -= entry->bytes;
  entries_.erase(entry);
}

}  // namespace platter::registry

#include "tests/registry/catalog/catalog_model.h"

#include <algorithm>
#include <compare>

namespace platter::registry {
namespace {

bool OneOf(const std::vector<std::string>& values, const std::optional<std::string>& field) {
  return values.empty() || (field && std::ranges::find(values, *field) != values.end());
}

template <class T>
bool Is(const std::optional<T>& wanted, const std::optional<T>& field) {
  return !wanted || field == wanted;
}

// The API's instants are whole seconds: all that happened within one is equal to it.
bool Passes(const InstantFilter& filter, Instant instant) {
  const bool whole = std::chrono::floor<std::chrono::seconds>(filter.instant) == filter.instant;
  const auto seen = whole ? Instant(std::chrono::floor<std::chrono::seconds>(instant)) : instant;
  switch (filter.comparison) {
    case Comparison::kEqual:
      return seen == filter.instant;
    case Comparison::kNotEqual:
      return seen != filter.instant;
    case Comparison::kLess:
      return seen < filter.instant;
    case Comparison::kLessOrEqual:
      return seen <= filter.instant;
    case Comparison::kGreater:
      return seen > filter.instant;
    case Comparison::kGreaterOrEqual:
      return seen >= filter.instant;
  }
  return false;
}

bool PassesParts(const ImageQuery& query, const ImageRecord& image) {
  for (const std::string& tag : query.tags) {
    if (!image.tags.contains(tag)) return false;
  }
  for (const auto& [name, value] : query.properties) {
    const auto found = image.properties.find(name);
    if (found == image.properties.end() || found->second != value) return false;
  }
  for (const InstantFilter& filter : query.created) {
    if (!Passes(filter, image.created)) return false;
  }
  for (const InstantFilter& filter : query.updated) {
    if (!Passes(filter, image.updated)) return false;
  }
  return true;
}

bool PassesFilters(const ImageQuery& query, const ImageRecord& image) {
  return image.status != Status::kDeleted && image.hidden == query.hidden && OneOf(query.ids, image.id) &&
         OneOf(query.names, image.name) && OneOf(query.statuses, std::string(StatusName(image.status))) &&
         OneOf(query.disk_formats, image.disk_format) && OneOf(query.container_formats, image.container_format) &&
         OneOf(query.owners, image.owner) && Is(query.is_protected, std::optional(image.is_protected)) &&
         (!query.size_min || (image.size && *image.size >= *query.size_min)) &&
         (!query.size_max || (image.size && *image.size <= *query.size_max)) && Is(query.size, image.size) &&
         Is(query.min_disk, std::optional(image.min_disk)) && Is(query.min_ram, std::optional(image.min_ram)) &&
         Is(query.checksum, image.checksum) && Is(query.hash_value, image.hash_value) &&
         Is(query.hash_algorithm, image.hash_algorithm) && PassesParts(query, image);
}

bool Shows(const ImageQuery& query, const ImageRecord& image, const std::vector<Member>& members) {
  if (query.visibility && image.visibility != *query.visibility) return false;
  const auto& project = query.viewer.project;
  const bool own = project && image.owner == project;
  const bool community = query.all_visibilities || query.visibility == Visibility::kCommunity;
  if (own) return true;
  if (image.visibility == Visibility::kCommunity) return community;
  if (query.viewer.admin || image.visibility == Visibility::kPublic) return true;
  if (image.visibility == Visibility::kPrivate || !project) return false;
  return std::ranges::any_of(members, [&](const Member& member) {
    return member.image == image.id && member.project == *project &&
           (!query.member_status || member.status == *query.member_status);
  });
}

// Nothing is smaller than a field that is not there.
std::weak_ordering Compare(const ImageRecord& left, const ImageRecord& right, Sort key) {
  switch (key) {
    case Sort::kName:
      return left.name <=> right.name;
    case Sort::kStatus:
      return StatusName(left.status) <=> StatusName(right.status);
    case Sort::kContainerFormat:
      return left.container_format <=> right.container_format;
    case Sort::kDiskFormat:
      return left.disk_format <=> right.disk_format;
    case Sort::kSize:
      return left.size <=> right.size;
    case Sort::kId:
      return left.id <=> right.id;
    case Sort::kCreatedAt:
      return left.created.time_since_epoch().count() <=> right.created.time_since_epoch().count();
    case Sort::kUpdatedAt:
      return left.updated.time_since_epoch().count() <=> right.updated.time_since_epoch().count();
  }
  return std::weak_ordering::equivalent;
}

}  // namespace

std::vector<std::string> CatalogModel::Ids(const ImageQuery& query) const {
  std::vector<const ImageRecord*> found;
  for (const ImageRecord& image : images) {
    if (PassesFilters(query, image) && Shows(query, image, members)) found.push_back(&image);
  }
  std::vector<SortKey> keys = query.sort;
  const bool ascending = keys.size() == 1 && keys[0].ascending;
  keys.push_back({Sort::kCreatedAt, ascending});
  keys.push_back({Sort::kId, ascending});
  std::ranges::sort(found, [&](const ImageRecord* left, const ImageRecord* right) {
    for (const SortKey& key : keys) {
      const auto order = Compare(*left, *right, key.key);
      if (order != 0) return (order < 0) == key.ascending;
    }
    return false;
  });
  std::vector<std::string> ids;
  for (const ImageRecord* image : found) ids.push_back(image->id);
  return ids;
}

}  // namespace platter::registry

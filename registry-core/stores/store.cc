#include "registry-core/stores/store.h"

#include <algorithm>

namespace platter::registry {

Result<> Store::Delete(std::string_view url) {
  const std::unique_ptr<StoreRemoval> removal = PLATTER_TRY(PrepareDelete(url));
  return removal->Finish();
}

Result<StoreSet> StoreSet::Make(std::vector<std::shared_ptr<Store>> stores, std::string_view default_name) {
  if (stores.empty()) return Error(ErrorKind::kInvalid, "there is no store");
  StoreSet set;
  for (std::shared_ptr<Store>& store : stores) {
    if (set.Find(store->name()) != nullptr) {
      return Error(ErrorKind::kInvalid, "two stores have one name").Found(store->name());
    }
    set.stores_.push_back(std::move(store));
  }
  const auto found = std::ranges::find_if(
      set.stores_, [&](const std::shared_ptr<Store>& store) { return store->name() == default_name; });
  if (found == set.stores_.end()) {
    return Error(ErrorKind::kInvalid, "the default store is none of the stores").Found(std::string(default_name));
  }
  if ((*found)->read_only()) {
    return Error(ErrorKind::kInvalid, "the default store takes no images").Found(std::string(default_name));
  }
  set.default_ = *found;
  return set;
}

Store* StoreSet::Find(std::string_view name) const noexcept {
  const auto found =
      std::ranges::find_if(stores_, [&](const std::shared_ptr<Store>& store) { return store->name() == name; });
  return found == stores_.end() ? nullptr : found->get();
}

Store* StoreSet::FindFor(std::string_view url) const {
  const auto found =
      std::ranges::find_if(stores_, [&](const std::shared_ptr<Store>& store) { return store->Owns(url); });
  return found == stores_.end() ? nullptr : found->get();
}

}  // namespace platter::registry

// StagingArea: where the bytes of an import wait. A store of its own, whose objects are named by the image's id alone.
//
// Several processes with one catalog share one staging folder, or one of them alone runs Sweep.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "formats/core/result.h"
#include "registry-core/stores/store.h"

namespace platter::registry {

class StagingArea {
 public:
  explicit StagingArea(std::shared_ptr<Store> store) : store_(std::move(store)) {}

  Store& store() const noexcept { return *store_; }
  // A sign of life for an image that an import works on, seen by every sweep for as long as it lives. kIo.
  Result<std::unique_ptr<StoreWriter>> Claim(std::string_view image_id) const { return store_->Put(image_id, 0); }
  // The object that was staged for the image: its URL. Empty where there is none. kConflict where there are several, of
  // which nobody can say which is meant.
  Result<std::optional<std::string>> Find(std::string_view image_id) const;
  // Everything that was staged for it goes. kIo.
  Result<> Remove(std::string_view image_id) const;

 private:
  std::shared_ptr<Store> store_;
};

}  // namespace platter::registry

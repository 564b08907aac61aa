#include "tools/platter/new_image.h"

#include <unistd.h>

#include "formats/core/reference.h"

namespace platter::cli {

NewImageFiles::~NewImageFiles() {
  for (const std::shared_ptr<FileStorage>& file : files_) {
    if (file->created()) {
      unlink(file->name().c_str());
    } else if (!file->is_device()) {
      // It was there before and is emptied already: what is in it now must not pass for an image.
      (void)file->Resize(0).ok();
    }
  }
}

Result<std::shared_ptr<Storage>> NewImageFiles::MakeBeside(const Reference& wanted, const std::string& image) {
  return Make(PLATTER_TRY(ResolveReference(wanted, image)));
}

Result<std::shared_ptr<Storage>> NewImageFiles::Make(const std::string& path) {
  const FileMode mode{.access = FileMode::Access::kCreate, .cache = cache_};
  auto file = PLATTER_TRY(FileStorage::Open(path, mode));
  files_.push_back(file);
  return std::shared_ptr<Storage>(std::move(file));
}

}  // namespace platter::cli

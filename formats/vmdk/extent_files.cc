#include "formats/vmdk/extent_files.h"

#include <string>

#include "formats/core/checked.h"
#include "formats/vmdk/layout.h"

namespace platter::vmdk {

Result<std::vector<std::shared_ptr<Storage>>> MakeExtentFiles(const CreateRequest& request,
                                                              const std::vector<ExtentLine>& extents) {
  std::vector<std::shared_ptr<Storage>> files;
  files.reserve(extents.size());
  for (const ExtentLine& extent : extents) {
    files.push_back(PLATTER_TRY(request.open_side_file(Reference{Reference::Role::kExtentFile, extent.file, ""})));
  }
  return files;
}

Result<> WriteDescriptorFile(Storage& storage, const Descriptor& descriptor) {
  std::string text = PrintDescriptor(descriptor);
  // A device goes on after it: a NUL ends the text.
  if (storage.is_device()) text.resize(AlignUp<std::size_t>(text.size() + 1, kSectorSize));
  PLATTER_CHECK(storage.WriteAt(0, std::as_bytes(std::span(text))));
  if (!storage.is_device()) PLATTER_CHECK(storage.Resize(text.size()));
  return storage.Sync();
}

Result<> ClearDescriptorFile(Storage& storage) {
  if (storage.size() == 0) return Done{};
  return storage.is_device() ? storage.Punch(0, kSectorSize) : storage.Resize(0);
}

}  // namespace platter::vmdk

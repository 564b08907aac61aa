#include "fuzz/support/small_files_gate.h"

#include <algorithm>

#include "formats/core/driver.h"
#include "formats/format_table.h"

namespace platter::fuzz {

Result<std::shared_ptr<Storage>> SmallFilesGate::Open(const Reference& wanted, const std::string& referrer) {
  if (wanted.text.empty()) return Error(ErrorKind::kDenied, "a file without a name").In(referrer);
  auto& file = files_[wanted.text];
  if (file == nullptr) file = PLATTER_TRY(Make(wanted.text));
  return std::shared_ptr<Storage>(file);
}

Result<std::shared_ptr<SparseStorage>> SmallFilesGate::Make(const std::string& name) const {
  const std::size_t choice = static_cast<unsigned char>(name.back()) % (others_.size() + 2);
  if (choice < others_.size()) return others_[choice]->Copy();
  if (choice == others_.size()) return image_->Copy();
  auto text = std::make_shared<SparseStorage>(name);
  const std::vector<std::byte> bytes(65536, std::byte{'x'});
  PLATTER_CHECK(text->WriteAt(0, bytes));
  return text;
}

std::vector<std::shared_ptr<SparseStorage>> SmallImages(std::string_view format) {
  std::vector<std::shared_ptr<SparseStorage>> images;
  const FormatDriver* driver = FindFormat(format);
  if (driver == nullptr || driver->create == nullptr) return images;
  for (const std::uint64_t size : {std::uint64_t{1} << 20, std::uint64_t{2} << 20}) {
    auto file = std::make_shared<SparseStorage>("small");
    const auto writer = driver->create({.storage = file, .virtual_size = size});
    if (writer.ok() && writer.value()->Finish().ok()) images.push_back(std::move(file));
  }
  return images;
}

}  // namespace platter::fuzz

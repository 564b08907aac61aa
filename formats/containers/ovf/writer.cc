#include "formats/containers/ovf/writer.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "formats/containers/ovf/machine.h"
#include "formats/containers/ovf/new_files.h"
#include "formats/core/reference.h"

namespace platter::ovf {
namespace {

// What the names of the files begin with.
Result<std::string> BaseOf(const std::string& target) {
  const auto refusal = [&](const char* why) { return Error(ErrorKind::kInvalid, why).In(target); };
  constexpr std::string_view kSuffix = ".ovf";
  if (!target.ends_with(kSuffix)) return refusal("the name of an OVF descriptor ends in .ovf");
  std::string base = BaseName(target);
  const auto unsayable = [](unsigned char letter) {
    return letter < 0x20 || letter == 0x7F || letter == '%' || letter == '\\' || letter == '(' || letter == ')';
  };
  if (base.empty() || std::ranges::any_of(base, unsayable) || !IsReference(base)) {
    return refusal(
        "the descriptor and the manifest name files after it: UTF-8, no control characters, percent signs, backslashes "
        "or brackets, nothing that leads elsewhere");
  }
  return base;
}

class FolderWriter : public ApplianceWriter {
 public:
  FolderWriter(std::shared_ptr<Storage> descriptor, Machine machine)
      : ApplianceWriter(std::move(machine)), descriptor_(std::move(descriptor)) {}

  Result<> Start(const CreateRequest& request, const FormatDriver& disk_format) {
    const auto make = [&](const std::string& name) {
      return request.open_side_file({Reference::Role::kExtentFile, "./" + name, ""});
    };
    auto disk = PLATTER_TRY(make(machine().disk_file()));
    manifest_ = PLATTER_TRY(make(machine().manifest_file()));
    return StartDisk(request, std::move(disk), disk_format);
  }

  Result<> Finish() override {
    const NewTexts texts = PLATTER_TRY(FinishDisk());
    PLATTER_CHECK(manifest_->WriteAt(0, std::as_bytes(std::span(texts.manifest))));
    PLATTER_CHECK(manifest_->Sync());
    const auto bytes = std::as_bytes(std::span(texts.descriptor));
    PLATTER_CHECK(descriptor_->WriteAt(1, bytes.subspan(1)));
    PLATTER_CHECK(descriptor_->WriteAt(0, bytes.first(1)));
    return descriptor_->Sync();
  }

 private:
  std::shared_ptr<Storage> descriptor_;
  std::shared_ptr<Storage> manifest_;
};

}  // namespace

Result<std::vector<std::string>> FilesBeside(const std::string& target) {
  Machine machine;
  machine.files = PLATTER_TRY(BaseOf(target));
  return std::vector<std::string>{machine.disk_file(), machine.manifest_file()};
}

Result<std::unique_ptr<ImageWriter>> CreateFolder(const CreateRequest& request, const FormatDriver& disk_format) {
  if (request.storage->is_device() || request.storage->is_stream()) {
    return Error(ErrorKind::kUnsupported, "an OVF descriptor is written to a file").In(request.storage->name());
  }
  std::string files = PLATTER_TRY(BaseOf(request.storage->name()));
  Machine machine = PLATTER_TRY(MachineOf(request));
  machine.files = std::move(files);
  auto writer = std::make_unique<FolderWriter>(request.storage, std::move(machine));
  PLATTER_CHECK(writer->Start(request, disk_format));
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::ovf

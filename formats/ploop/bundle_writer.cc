#include <string>
#include <utility>

#include "formats/ploop/bundle.h"
#include "formats/ploop/writer.h"

namespace platter::ploop {
namespace {

constexpr const char* kImageFile = "root.hds";

// The image, and at its end the descriptor: without it there is no bundle.
class BundleWriter : public Writer {
 public:
  BundleWriter(const CreateOptions& options, std::shared_ptr<Storage> image, std::shared_ptr<Storage> descriptor)
      : Writer(options, std::move(image)), header_(options.header), descriptor_(std::move(descriptor)) {}

  Result<> Finish() override {
    PLATTER_CHECK(Writer::Finish());
    Descriptor described;
    described.virtual_size = header_.virtual_size;
    described.cylinders = header_.cylinders;
    described.heads = header_.heads;
    described.top = kDefaultTopGuid;
    described.shots = {{described.top, std::string(kNullGuid)}};
    described.parts = {
        {0, header_.virtual_size, header_.cluster_size / kSectorSize, {{described.top, false, kImageFile}}}};
    const std::string text = SerializeDescriptor(described);
    PLATTER_CHECK(descriptor_->WriteAt(0, std::as_bytes(std::span(text))));
    return descriptor_->Sync();
  }

 private:
  Header header_;
  std::shared_ptr<Storage> descriptor_;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateBundle(const CreateRequest& request) {
  const CreateOptions options = PLATTER_TRY(ParseCreateOptions(request.options, request.virtual_size));
  auto image = PLATTER_TRY(request.open_side_file({Reference::Role::kExtentFile, kImageFile, "ploop"}));
  auto writer = std::make_unique<BundleWriter>(options, std::move(image), request.storage);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::ploop

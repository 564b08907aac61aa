// An image of a format that is recognised and described, and not read.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "formats/core/driver.h"

namespace platter::recognised {

// Says what `info` holds. Map and ReadAt answer kUnsupported.
class DescribedImage : public Image {
 public:
  DescribedImage(std::string_view format, std::shared_ptr<Storage> storage, ImageInfo info)
      : format_(format), storage_(std::move(storage)), info_(std::move(info)) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override;
  Result<> DoRead(ByteRange range, std::span<std::byte> out) override;

 private:
  std::string_view format_;
  std::shared_ptr<Storage> storage_;
  ImageInfo info_;
};

// The refusal that open answers when it is asked for the contents. `remedy`: a sentence without its full stop.
Error NotRead(std::string_view format, std::string_view remedy);

// True where `bytes` stand at `offset` of `head`.
bool StartsWith(std::span<const std::byte> head, std::size_t offset, std::string_view bytes) noexcept;

// The finding of a text that says which files of the host are to be read: `value` names them.
void AddReference(Inspection& inspection, std::string_view code, std::string value, std::string_view message);

// An error about one field of `format`'s header.
Error BadField(std::string_view format, std::string_view field, std::uint64_t offset, std::uint64_t found,
               std::string allowed);

}  // namespace platter::recognised

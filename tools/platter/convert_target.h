// The image that `platter convert` writes: made or opened, and taken away again when the conversion fails.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "convert/copy/copy.h"
#include "formats/containers/container.h"
#include "formats/core/chain.h"
#include "formats/core/writer.h"
#include "formats/open.h"
#include "tools/platter/convert_arguments.h"
#include "tools/platter/new_image.h"

namespace platter::cli {

class ConvertTarget {
 public:
  // Both empty after a message. `sources`: what must not be written on; `size`: guest bytes.
  static std::optional<ConvertTarget> Create(const Persona& persona, const ConvertArguments& arguments,
                                             const std::vector<OpenedChain>& sources, std::uint64_t size);
  static std::optional<ConvertTarget> OpenExisting(const Persona& persona, const ConvertArguments& arguments,
                                                   const std::vector<OpenedChain>& sources, std::uint64_t size);

  const FormatDriver& driver() const noexcept { return *driver_; }
  // Of the image's own file, whatever way the command line named it.
  const std::string& path() const noexcept { return path_; }
  ImageWriter& writer() noexcept { return *writer_; }
  bool compresses() const noexcept { return writer_->traits().compresses; }
  // The backing file that the command line named; null without one.
  const Chain* backing() const noexcept { return backing_ ? &*backing_ : nullptr; }
  // How many layers of `source` lie above that file; 0 where it is none of them.
  std::size_t LayersAboveBacking(const OpenedChain& source) const;
  // What an existing target holds; null for a new one.
  const Chain* content() const noexcept { return content_ ? &*content_ : nullptr; }
  // The target takes its bytes in order only.
  bool streams() const noexcept { return files_.streams(); }
  // As NewImageFiles::any.
  const Storage* any_file() const noexcept { return files_.any(); }
  // Those of a new target.
  const std::vector<std::shared_ptr<FileStorage>>& files() const noexcept { return files_.files(); }
  // Guest bytes of a new image that is finished and was to have `size`; of one that is not new, in a pipe or on a
  // device, `size`. Fails as OpenImage.
  Result<std::uint64_t> NewSize(std::uint64_t size) const;
  // All of a new target but Keep: copies the chain, which an interrupt ends, and finishes the image. As Copy.
  Result<> Fill(const Chain& chain, CopyOptions options = {});
  // The conversion succeeded: the files stay.
  void Keep() noexcept { files_.Keep(); }

 private:
  explicit ConvertTarget(CacheMode cache) : files_(cache) {}
  bool MakeWriter(const Persona& persona, const ConvertArguments& arguments, const NewImagePlace& place,
                  const std::vector<OpenedChain>& sources, std::uint64_t size);
  bool OpenBacking(const Persona& persona, const ConvertArguments& arguments);

  std::string path_;
  const FormatDriver* driver_ = nullptr;
  const ContainerDriver* container_ = nullptr;  // that is made around an image of `driver_`; null: none
  OptionValues options_;
  std::optional<OpenedLayer> backing_layer_;  // the topmost of `backing_`
  std::optional<Chain> backing_;
  std::optional<Chain> content_;
  NewImageFiles files_;
  std::unique_ptr<ImageWriter> writer_;  // goes before its files
};

}  // namespace platter::cli

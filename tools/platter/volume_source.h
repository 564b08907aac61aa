// The files inside an image: what `ls`, `cat` and `extract` work on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/core/file_tree.h"
#include "formats/open.h"
#include "tools/platter/open_arguments.h"
#include "tools/platter/source_watch.h"

namespace platter::cli {

// A tree and what keeps it open.
class VolumeSource {
 public:
  // Opens the image, and where its format has no files of its own, the file system that its guest disk holds. kInvalid
  // when there is none that is read. Containers are looked into. `tree`: whose names, where the volume has several; ""
  // for the best.
  static Result<VolumeSource> Open(const ImageArgument& argument, const std::string& tree);

  FileTree& tree() const noexcept { return *tree_; }
  // As SourceWatch::Unchanged, since the image was opened.
  Result<> Unchanged() const { return watch_.Unchanged(); }

 private:
  SourceWatch watch_;
  OpenedChain chain_;
  std::shared_ptr<Image> inner_;  // null where the image itself has the files
  FileTree* tree_ = nullptr;      // owned by one of them
};

// A name from an image as one line of text: backslashes, control characters and what is no UTF-8 become \xHH.
std::string PrintableName(std::string_view name);

}  // namespace platter::cli

// Where the files of an image lie: in an archive, or in a folder.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/containers/tar/index.h"
#include "formats/core/reference.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::docker {

class Blobs {
 public:
  virtual ~Blobs() = default;
  // The file's bytes, where they lie; null where there is no such file. The name is untrusted: kDenied for one that
  // leads out. kUnsupported for what is no plain file, kIo.
  virtual Result<std::shared_ptr<Storage>> Open(std::string_view name) = 0;
  // False while an archive is still arriving: a file that is not there may yet come.
  virtual bool complete() const noexcept { return true; }
};

// Members of an archive. Of two of one name the first counts. Symbolic and hard links inside the archive are followed:
// docker and skopeo make them for layers that two images share.
class ArchiveBlobs : public Blobs {
 public:
  // `complete`: the index has been read to its end. The index must outlive this, and stay as it is.
  ArchiveBlobs(std::shared_ptr<Storage> archive, const tar::Index& index, bool complete);

  Result<std::shared_ptr<Storage>> Open(std::string_view name) override;
  bool complete() const noexcept override { return complete_; }
  const tar::Member* Find(std::string_view plain_name) const;

 private:
  std::shared_ptr<Storage> archive_;
  const tar::Index& index_;
  bool complete_;
  std::map<std::string, std::size_t, std::less<>> names_;  // plain names: which member
};

// The plain name of what a link of that name leads to, as seen from the archive's root; "" where it leads out.
std::string LinkTarget(const tar::Member& link);

// Files of a folder, which is that of `referrer`, an index.json.
class FolderBlobs : public Blobs {
 public:
  // Both must outlive this.
  FolderBlobs(const std::shared_ptr<Storage>& index, ReferenceGate& gate) : index_(index), gate_(gate) {}
  Result<std::shared_ptr<Storage>> Open(std::string_view name) override;

 private:
  std::shared_ptr<Storage> index_;
  ReferenceGate& gate_;
};

}  // namespace platter::docker

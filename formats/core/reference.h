// References: the names of other files that stand inside an image. They are untrusted text, and a ReferenceGate is the
// only way in which any of them gets opened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter {

struct Reference {
  enum class Role : std::uint8_t { kBacking, kDataFile, kExtentFile };
  Role role = Role::kBacking;
  std::string text;         // as written in the image
  std::string format_hint;  // "" when the image does not say
};

class ReferenceGate {
 public:
  virtual ~ReferenceGate() = default;
  // Opens what `wanted` names, as seen from the image file `referrer`. kDenied when the gate's policy says no.
  virtual Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) = 0;
  // The files in `folder`, as seen from the image file `referrer`, whose names end in `suffix` in any case: texts for a
  // Reference, sorted. For images that know each other by content and not by name. kDenied unless the gate's policy
  // allows it; kLimit for a folder with more than `most` entries; kIo.
  virtual Result<std::vector<std::string>> List(const std::string& folder, std::string_view suffix,
                                                const std::string& referrer, std::uint32_t most);
};

// Refuses everything: for inspecting uploads, and the default.
class DenyGate : public ReferenceGate {
 public:
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override;
};

// Opens local files, relative names from the folder of the file that refers to them; but a data file's from the current
// folder, because that is how qemu makes and finds them. Names that ask for another driver
// ("json:", "nbd:", any "protocol:") are kUnsupported, by name.
class LocalGate : public ReferenceGate {
 public:
  // Backing files are opened for reading whatever `mode` says; data and extent files as it says.
  explicit LocalGate(FileMode mode) : mode_(mode) {}
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override;
  Result<std::vector<std::string>> List(const std::string& folder, std::string_view suffix, const std::string& referrer,
                                        std::uint32_t most) override;

 private:
  FileMode mode_;
};

// The path of `reference` as seen from the file `referrer`, as qemu resolves it: absolute names stand, relative ones
// start in the referrer's folder. A name after "file:" is taken as it is, from the current folder where it is relative.
// kUnsupported for any other protocol and for "json:".
Result<std::string> ResolveReference(std::string_view reference, std::string_view referrer);

// The same for any reference: a data file's name starts in the current folder, every other in the referrer's.
Result<std::string> ResolveReference(const Reference& reference, std::string_view referrer);

// A file name from a user: kUnsupported for "json:" and "protocol:" names, otherwise the local path.
Result<std::string> LocalPath(std::string_view name);

}  // namespace platter

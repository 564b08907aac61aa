// Judging an image never makes one: standing in for formats/iso/author.cc, this keeps libisofs, and its licence, out of
// what it is linked into.
#include "formats/iso/author.h"

namespace platter::iso {

Result<> Author(const AuthorRequest& /*request*/) {
  return Error(ErrorKind::kUnsupported, "this program judges images and makes none");
}

}  // namespace platter::iso

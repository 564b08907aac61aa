// An OVA that comes out of a pipe: nothing is held of it but its descriptor and the names of its members, and a disk is
// read while it passes by.
#pragma once

#include <memory>

#include "formats/containers/container.h"
#include "formats/core/forward_storage.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"

namespace platter::ova {

// A Container of which one disk can be opened, once: that takes the pipe to where it begins. info() has no members. A
// disk that stands in front of the descriptor or has passed by, one in chunks and a compressed one are kUnsupported.
class PassingAppliance : public Container {
 public:
  // Whatever follows the disk is read to the archive's end and the pipe's: kCorrupt for what Open would have refused in
  // a file, such as another member of the disk's name.
  virtual Result<> Finish() = 0;
};

// Reads the pipe up to the end of the descriptor. kNotThisFormat for what is no tar archive, and for one without a
// descriptor; kUnsupported where more than ForwardStorage::kHeld bytes stand in front of it; kCorrupt, kLimit, kIo.
Result<std::unique_ptr<PassingAppliance>> OpenPassing(std::shared_ptr<ForwardStorage> pipe, const Limits& limits);

}  // namespace platter::ova

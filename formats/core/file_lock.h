// The advisory locks by which qemu processes keep off each other's images, so that a disk of a running guest is not
// read or rewritten by accident.
//
// Protocol (the "image locking" of qemu's file driver): open-file-description read locks on single bytes. Byte 100 + b
// says "I use permission b", byte 200 + b says "I do not share permission b"; b = 0 consistent read, 1 write,
// 3 resize. After taking its own, a process looks whether anybody holds a byte that contradicts it.
#pragma once

#include "formats/core/result.h"

namespace platter {

enum class LockIntent : std::uint8_t {
  kRead,   // others may read, nobody may write
  kWrite,  // nobody else may write; readers, who refuse writers, are in the way too
};

// Takes the locks on `fd`; they end with the last descriptor of this open file. kDenied when another process is in the
// way; success without locks where the file system has none.
Result<> LockImage(int fd, LockIntent intent);

}  // namespace platter

// Files that are divided into chunks (DSP0243 1.1, section 7.1): of a File with the href "disk.vmdk" and a chunkSize
// the stored bytes lie in disk.vmdk.000000000, disk.vmdk.000000001 and so on, as split(1) cuts them: each of that size
// but the last. A compressed file is divided as it is stored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "formats/containers/ovf/descriptor.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::ovf {

// "disk.vmdk.000000007"
std::string ChunkName(std::string_view file, std::uint64_t number);
// The file that a chunk's name is made of; "" where it is no chunk's name.
std::string_view FileOfChunk(std::string_view name) noexcept;

// Opens a file beside the descriptor; null where there is none.
using OpenNamed = std::function<Result<std::shared_ptr<Storage>>(const std::string& name)>;

// The whole of a divided file, which is in no other place. Requires: file.chunk_size. `name`: of the whole, as the
// chunks' names begin. Reads nothing. kCorrupt for chunks that are missing, for more of them than the file's size
// takes, and for one of another size; kLimit for more than 65536; `open`'s errors. Its name is that of its first chunk.
Result<std::shared_ptr<Storage>> OpenDivided(const File& file, const std::string& name, const OpenNamed& open);

}  // namespace platter::ovf

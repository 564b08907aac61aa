// I/O channels of libext2fs whose private data is an object of ours.
#pragma once

#include <ext2fs/ext2fs.h>

#include <string>

namespace platter::ext {

// libext2fs hands over a name and nothing else: it is the object's address in digits.
std::string ChannelName(void* object);
// What io_manager::open, close and set_blksize do.
errcode_t MakeChannel(const char* name, io_manager manager, io_channel* out);
errcode_t CloseChannel(io_channel channel);
errcode_t SetBlockSize(io_channel channel, int size);

}  // namespace platter::ext

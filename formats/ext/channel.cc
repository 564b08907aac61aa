#include "formats/ext/channel.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace platter::ext {

std::string ChannelName(void* object) { return std::to_string(reinterpret_cast<std::uintptr_t>(object)); }

errcode_t MakeChannel(const char* name, io_manager manager, io_channel* out) {
  std::uintptr_t address = 0;
  const char* end = name + std::strlen(name);
  if (std::from_chars(name, end, address).ptr != end || address == 0) return EXT2_ET_BAD_DEVICE_NAME;
  auto* channel = static_cast<io_channel>(std::calloc(1, sizeof(struct_io_channel)));
  if (channel == nullptr) return EXT2_ET_NO_MEMORY;
  channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  channel->manager = manager;
  channel->name = strdup(name);
  channel->block_size = 1024;
  channel->refcount = 1;
  channel->private_data = reinterpret_cast<void*>(address);  // NOLINT: see ChannelName
  *out = channel;
  return 0;
}

errcode_t CloseChannel(io_channel channel) {
  if (--channel->refcount > 0) return 0;
  std::free(channel->name);
  std::free(channel);
  return 0;
}

errcode_t SetBlockSize(io_channel channel, int size) {
  channel->block_size = size;
  return 0;
}

}  // namespace platter::ext

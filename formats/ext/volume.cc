#include "formats/ext/volume.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "formats/core/checked.h"

namespace platter::ext {
namespace {

Volume& VolumeOf(io_channel channel) { return *static_cast<Volume*>(channel->private_data); }

// libext2fs hands over a name and nothing else: it is our address in digits.
errcode_t OpenChannel(const char* name, int /*flags*/, io_channel* out) {
  std::uintptr_t address = 0;
  const char* end = name + std::strlen(name);
  if (std::from_chars(name, end, address).ptr != end || address == 0) return EXT2_ET_BAD_DEVICE_NAME;
  auto* channel = static_cast<io_channel>(std::calloc(1, sizeof(struct_io_channel)));
  if (channel == nullptr) return EXT2_ET_NO_MEMORY;
  channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  channel->manager = VolumeManager();
  channel->name = strdup(name);
  channel->block_size = 1024;
  channel->refcount = 1;
  channel->private_data = reinterpret_cast<void*>(address);  // NOLINT: see above
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

// `count` blocks, or -count bytes.
errcode_t ReadBlocks64(io_channel channel, unsigned long long block, int count, void* data) {
  Volume& volume = VolumeOf(channel);
  const auto block_size = static_cast<std::uint64_t>(channel->block_size);
  const auto units = static_cast<std::uint64_t>(count < 0 ? -static_cast<std::int64_t>(count) : count);
  const std::uint64_t length = count < 0 ? units : units * block_size;
  const auto offset = CheckedMultiply<std::uint64_t>(block, block_size);
  const std::span out(static_cast<std::byte*>(data), length);
  if (offset && volume.Read(*offset, out)) return 0;
  std::ranges::fill(out, std::byte{0});
  return EXT2_ET_SHORT_READ;
}

errcode_t ReadBlocks(io_channel channel, unsigned long block, int count, void* data) {
  return ReadBlocks64(channel, block, count, data);
}

errcode_t RefuseWrite64(io_channel /*channel*/, unsigned long long /*block*/, int /*count*/, const void* /*data*/) {
  return EXT2_ET_RO_FILSYS;
}

errcode_t RefuseWrite(io_channel /*channel*/, unsigned long /*block*/, int /*count*/, const void* /*data*/) {
  return EXT2_ET_RO_FILSYS;
}

errcode_t Flush(io_channel /*channel*/) { return 0; }

}  // namespace

const Volume::Window* Volume::WindowAt(std::uint64_t offset) {
  const std::uint64_t start = AlignDown(offset, kWindow);
  const auto there = [&](const Window& window) { return window.used != 0 && window.offset == start; };
  auto window = std::ranges::find_if(windows_, there);
  if (window == windows_.end()) {
    window = std::ranges::min_element(windows_, {}, &Window::used);
    window->used = 0;
    window->offset = start;
    window->bytes.resize(std::min(kWindow, storage_->size() - start));
    auto read = storage_->ReadAt(start, window->bytes);
    if (!read.ok()) {
      if (!failure) failure = std::move(read).error();
      return nullptr;
    }
  }
  window->used = ++clock_;
  return &*window;
}

bool Volume::Read(std::uint64_t offset, std::span<std::byte> out) {
  if (!FitsWithin(offset, out.size(), storage_->size()) || out.size() > budget_) return false;
  budget_ -= out.size();
  while (!out.empty()) {
    const Window* window = WindowAt(offset);
    if (window == nullptr) return false;
    const std::uint64_t inside = offset - window->offset;
    const std::size_t length = std::min<std::size_t>(out.size(), window->bytes.size() - inside);
    std::ranges::copy(std::span(window->bytes).subspan(inside, length), out.begin());
    out = out.subspan(length);
    offset += length;
  }
  return true;
}

std::string VolumeName(const Volume& volume) { return std::to_string(reinterpret_cast<std::uintptr_t>(&volume)); }

io_manager VolumeManager() noexcept {
  static struct_io_manager manager = [] {
    struct_io_manager made{};
    made.magic = EXT2_ET_MAGIC_IO_MANAGER;
    made.name = "platter";
    made.open = OpenChannel;
    made.close = CloseChannel;
    made.set_blksize = SetBlockSize;
    made.read_blk = ReadBlocks;
    made.read_blk64 = ReadBlocks64;
    made.write_blk = RefuseWrite;
    made.write_blk64 = RefuseWrite64;
    made.flush = Flush;
    return made;
  }();
  return &manager;
}

}  // namespace platter::ext

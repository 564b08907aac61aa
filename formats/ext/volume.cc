#include "formats/ext/volume.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/ext/channel.h"

namespace platter::ext {
namespace {

Volume& VolumeOf(io_channel channel) { return *static_cast<Volume*>(channel->private_data); }

errcode_t OpenChannel(const char* name, int /*flags*/, io_channel* out) {
  return MakeChannel(name, VolumeManager(), out);
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

std::string VolumeName(Volume& volume) { return ChannelName(&volume); }

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

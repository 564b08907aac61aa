#include "formats/ext/block_store.h"

#include <algorithm>

#include "formats/core/checked.h"
#include "formats/ext/channel.h"

namespace platter::ext {
namespace {

BlockStore& StoreOf(io_channel channel) { return *static_cast<BlockStore*>(channel->private_data); }

errcode_t OpenChannel(const char* name, int /*flags*/, io_channel* out) {
  return MakeChannel(name, StoreManager(), out);
}

// `count` blocks, or -count bytes.
std::size_t LengthOf(io_channel channel, int count) {
  const auto wide = static_cast<std::int64_t>(count);
  return static_cast<std::size_t>(wide < 0 ? -wide : wide * channel->block_size);
}

std::uint64_t OffsetOf(io_channel channel, unsigned long long block) {
  return block * static_cast<std::uint64_t>(channel->block_size);
}

errcode_t ReadBlocks64(io_channel channel, unsigned long long block, int count, void* data) {
  StoreOf(channel).Read(OffsetOf(channel, block), {static_cast<std::byte*>(data), LengthOf(channel, count)});
  return 0;
}

errcode_t ReadBlocks(io_channel channel, unsigned long block, int count, void* data) {
  return ReadBlocks64(channel, block, count, data);
}

errcode_t WriteBlocks64(io_channel channel, unsigned long long block, int count, const void* data) {
  StoreOf(channel).Write(OffsetOf(channel, block), {static_cast<const std::byte*>(data), LengthOf(channel, count)});
  return 0;
}

errcode_t WriteBlocks(io_channel channel, unsigned long block, int count, const void* data) {
  return WriteBlocks64(channel, block, count, data);
}

errcode_t WriteBytes(io_channel channel, unsigned long offset, int size, const void* data) {
  if (size < 0) return EXT2_ET_INVALID_ARGUMENT;
  StoreOf(channel).Write(offset, {static_cast<const std::byte*>(data), static_cast<std::size_t>(size)});
  return 0;
}

errcode_t ZeroOut(io_channel channel, unsigned long long block, unsigned long long count) {
  StoreOf(channel).Clear(OffsetOf(channel, block), OffsetOf(channel, count));
  return 0;
}

errcode_t Flush(io_channel /*channel*/) { return 0; }

bool IsZero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

void BlockStore::Read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const std::uint64_t inside = offset % kBlock;
    const std::size_t length = std::min<std::uint64_t>(out.size(), kBlock - inside);
    const auto found = blocks_.find(offset / kBlock);
    if (found == blocks_.end()) {
      std::ranges::fill(out.first(length), std::byte{0});
    } else {
      std::ranges::copy(std::span(*found->second).subspan(inside, length), out.begin());
    }
    offset += length;
    out = out.subspan(length);
  }
}

void BlockStore::Write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t inside = offset % kBlock;
    const std::size_t length = std::min<std::uint64_t>(bytes.size(), kBlock - inside);
    const auto piece = bytes.first(length);
    auto found = blocks_.find(offset / kBlock);
    if (found == blocks_.end() && !IsZero(piece)) {
      found = blocks_.emplace(offset / kBlock, std::make_unique<Bytes>()).first;
    }
    if (found != blocks_.end()) {
      std::ranges::copy(piece, found->second->begin() + static_cast<std::ptrdiff_t>(inside));
    }
    offset += length;
    bytes = bytes.subspan(length);
  }
}

void BlockStore::Clear(std::uint64_t offset, std::uint64_t length) {
  static constexpr Bytes kZeros{};
  const std::uint64_t end = offset + length;
  for (auto at = blocks_.lower_bound(offset / kBlock); at != blocks_.end() && at->first * kBlock < end; ++at) {
    const std::uint64_t first = std::max(offset, at->first * kBlock);
    const std::uint64_t last = std::min(end, (at->first + 1) * kBlock);
    std::copy_n(kZeros.begin(), last - first, at->second->begin() + static_cast<std::ptrdiff_t>(first % kBlock));
  }
}

std::optional<std::uint64_t> BlockStore::Next(std::uint64_t block) const {
  const auto found = blocks_.lower_bound(block);
  return found == blocks_.end() ? std::nullopt : std::optional(found->first);
}

std::string StoreName(BlockStore& store) { return ChannelName(&store); }

io_manager StoreManager() noexcept {
  static struct_io_manager manager = [] {
    struct_io_manager made{};
    made.magic = EXT2_ET_MAGIC_IO_MANAGER;
    made.name = "platter-store";
    made.open = OpenChannel;
    made.close = CloseChannel;
    made.set_blksize = SetBlockSize;
    made.read_blk = ReadBlocks;
    made.read_blk64 = ReadBlocks64;
    made.write_blk = WriteBlocks;
    made.write_blk64 = WriteBlocks64;
    made.write_byte = WriteBytes;
    made.zeroout = ZeroOut;
    made.flush = Flush;
    return made;
  }();
  return &manager;
}

}  // namespace platter::ext

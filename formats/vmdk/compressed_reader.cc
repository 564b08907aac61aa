#include "formats/vmdk/compressed_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/deflate.h"

namespace platter::vmdk {
namespace {

// One host read: no more than this, unless a single grain is larger.
constexpr std::uint64_t kGroupBytes = std::uint64_t{512} << 10;
// Unused bytes between two streams that are worth reading over.
constexpr std::uint64_t kGroupGap = std::uint64_t{16} << 10;

constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

// A stream longer than this is no compression of a grain.
constexpr std::uint64_t LongestStream(std::uint64_t grain_size) noexcept { return 2 * grain_size + kSectorSize; }

Error BadMarker(std::string what, const char* field, std::uint64_t host_offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("VMDK grain marker", field, host_offset);
}

}  // namespace

struct CompressedReader::Scratch {
  struct Grain {
    std::uint64_t guest;
    std::uint64_t host;
  };
  DeflateInflater inflater{DeflateWrapper::kZlib};
  std::vector<Grain> group;
  std::uint64_t begin = 0;            // host bytes: where `bytes` comes from
  std::vector<std::byte> bytes;       // of the group
  std::vector<std::byte> single;      // a stream that reaches past `bytes`
  std::vector<std::byte> grain;       // the grain that was last read in part
  std::uint64_t grain_at = kNowhere;  // its guest offset
};

CompressedReader::CompressedReader(GrainMap& map)
    : map_(map),
      grain_size_(map.tables().grain_size),
      file_size_(map.storage().size()),
      idle_([] { return std::make_unique<Scratch>(); }) {}

CompressedReader::~CompressedReader() = default;

Result<> CompressedReader::Read(ByteRange range, std::span<std::byte> out) {
  IdlePool<Scratch>::Lease scratch(idle_);
  std::uint64_t guest = range.offset();
  while (!out.empty()) {
    const std::uint64_t inside = guest % grain_size_;
    std::uint64_t length = std::min<std::uint64_t>(grain_size_ - inside, out.size());
    if (length < grain_size_) {
      PLATTER_CHECK(ReadPart(*scratch, guest, out.first(length)));
    } else {
      PLATTER_CHECK(Gather(*scratch, guest, out.size() / grain_size_));
      length = scratch->group.size() * grain_size_;
      for (std::size_t at = 0; at < scratch->group.size(); ++at) {
        const Scratch::Grain grain = scratch->group[at];
        PLATTER_CHECK(InflateOne(*scratch, grain.guest, grain.host, out.subspan(at * grain_size_, grain_size_)));
      }
    }
    guest += length;
    out = out.subspan(length);
  }
  return Done{};
}

Result<bool> CompressedReader::ReadPacked(ByteRange range, PackedUnits& out) {
  IdlePool<Scratch>::Lease scratch(idle_);
  for (std::uint64_t guest = range.offset(); guest < range.end();) {
    PLATTER_CHECK(Gather(*scratch, guest, (range.end() - guest) / grain_size_));
    for (const Scratch::Grain& grain : scratch->group) {
      const auto stream = PLATTER_TRY(StreamAt(*scratch, grain.guest, grain.host));
      // A writer has room for what a grain takes that does not compress.
      const bool fits = stream.size() <= DeflateBound(grain_size_);
      if (!fits || !LooksDeflated(DeflateWrapper::kZlib, stream)) return false;
      out.Add(grain.guest, stream, std::nullopt);
    }
    guest += scratch->group.size() * grain_size_;
  }
  return true;
}

Result<> CompressedReader::Gather(Scratch& scratch, std::uint64_t guest, std::uint64_t count) {
  auto& group = scratch.group;
  group.clear();
  for (; count > 0; --count, guest += grain_size_) {
    const auto one = PLATTER_TRY(ByteRange::Within(guest, 1, map_.tables().capacity));
    const GrainRun run = PLATTER_TRY(map_.At(one));
    if (run.kind != GrainKind::kCompressed) {
      return Error(ErrorKind::kCorrupt, fmt::format("grain at guest offset {:#x} is no longer compressed", guest));
    }
    if (!group.empty()) {
      const std::uint64_t previous = group.back().host;
      const bool near = run.host > previous && run.host - previous <= grain_size_ + kGroupGap;
      if (!near || run.host + grain_size_ - group.front().host > kGroupBytes) break;
    }
    group.push_back({guest, run.host});
  }
  return LoadGroup(scratch);
}

// Where the last stream ends only its marker says: enough is read for one that did not get longer by compression.
Result<> CompressedReader::LoadGroup(Scratch& scratch) const {
  scratch.begin = scratch.group.front().host;
  const std::uint64_t last = map_.tables().markers ? grain_size_ + kSectorSize : LongestStream(grain_size_);
  const std::uint64_t end = std::min(scratch.group.back().host + last, file_size_);
  scratch.bytes.resize(end - scratch.begin);
  return map_.storage().ReadAt(scratch.begin, scratch.bytes);
}

Result<std::span<const std::byte>> CompressedReader::StreamAt(Scratch& scratch, std::uint64_t guest,
                                                              std::uint64_t host) const {
  const auto bytes = std::span<const std::byte>(scratch.bytes).subspan(host - scratch.begin);
  if (!map_.tables().markers) return bytes.first(std::min<std::uint64_t>(bytes.size(), LongestStream(grain_size_)));
  const RecordView<GrainMarkerLayout> marker(bytes.first<GrainMarkerLayout::kSize>());
  const auto lba = marker.Get<GrainMarkerLayout::kLba>();
  if (lba != guest / kSectorSize) {
    return BadMarker("the grain belongs to another place of the disk", "lba", host)
        .Found(lba)
        .Allowed(fmt::format("{}", guest / kSectorSize));
  }
  const std::uint64_t start = host + GrainMarkerLayout::kSize;
  const std::uint64_t length = marker.Get<GrainMarkerLayout::kDataBytes>();
  if (length == 0 || length > LongestStream(grain_size_) || !FitsWithin(start, length, file_size_)) {
    return BadMarker("compressed grain is too long or reaches past the end of the file", "size", host + 8)
        .Found(length)
        .Allowed(fmt::format("1 to {}, inside the file's {} bytes", LongestStream(grain_size_), file_size_));
  }
  if (FitsWithin(GrainMarkerLayout::kSize, length, bytes.size())) {
    return bytes.subspan(GrainMarkerLayout::kSize, length);
  }
  scratch.single.resize(length);
  PLATTER_CHECK(map_.storage().ReadAt(start, scratch.single));
  return std::span<const std::byte>(scratch.single);
}

Result<> CompressedReader::InflateOne(Scratch& scratch, std::uint64_t guest, std::uint64_t host,
                                      std::span<std::byte> out) const {
  const auto stream = PLATTER_TRY(StreamAt(scratch, guest, host));
  auto inflated = scratch.inflater.Inflate(stream, out);
  if (!inflated.ok()) return std::move(inflated).error().At("VMDK grain", fmt::format("guest offset {}", guest), host);
  // The last grain of a disk may hold no more than the disk has.
  const std::uint64_t needed = std::min<std::uint64_t>(out.size(), map_.tables().capacity - guest);
  const Inflated& made = inflated.value();
  if (!made.ended || made.length < needed) {
    return Error(ErrorKind::kCorrupt, "compressed grain cannot be inflated")
        .At("VMDK grain", fmt::format("guest offset {}", guest), host)
        .Found(fmt::format("{} bytes, {}", made.length, made.ended ? "the stream ends" : "the stream does not end"))
        .Allowed(fmt::format("a stream that gives {} bytes", needed));
  }
  std::ranges::fill(out.subspan(made.length), std::byte{0});
  return Done{};
}

Result<> CompressedReader::ReadPart(Scratch& scratch, std::uint64_t guest, std::span<std::byte> out) {
  const std::uint64_t start = guest - guest % grain_size_;
  if (scratch.grain_at != start) {
    scratch.grain_at = kNowhere;
    scratch.grain.resize(grain_size_);
    PLATTER_CHECK(Gather(scratch, start, 1));
    PLATTER_CHECK(InflateOne(scratch, start, scratch.group.front().host, scratch.grain));
    scratch.grain_at = start;
  }
  std::ranges::copy(std::span(scratch.grain).subspan(guest - start, out.size()), out.begin());
  return Done{};
}

}  // namespace platter::vmdk

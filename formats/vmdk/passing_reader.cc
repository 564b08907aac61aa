#include "formats/vmdk/passing_reader.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/core/checked.h"
#include "formats/core/idle_pool.h"
#include "formats/core/inflate.h"
#include "formats/vmdk/details.h"
#include "formats/vmdk/reader.h"

namespace platter::vmdk {
namespace {

constexpr std::uint64_t kMaxCompressedGrain = std::uint64_t{4} << 20;
constexpr std::uint64_t kPiece = std::uint64_t{64} << 10;  // of the directory
// Grains that are remembered: more than the pipe holds.
constexpr std::size_t kRemembered = std::size_t{1} << 16;

Error Wrong(std::string what, std::string field, std::uint64_t host_offset) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("VMDK stream", std::move(field), host_offset);
}

// Whether two lists of grains and their places are one, without holding either. A place is given a random weight; a
// list is the sum of weights times numbers of grains. Of tables the sums are known before their numbers are.
class Fingerprint {
 public:
  Fingerprint() {
    if (getrandom(&seed_, sizeof seed_, 0) != sizeof seed_) seed_ ^= reinterpret_cast<std::uintptr_t>(this);
  }

  void AddGrain(std::uint64_t grain, std::uint64_t sector) { grains_ += Weight(sector) * (grain + 1); }

  // The table at `sector`, whose entries these are.
  void AddTable(std::uint64_t sector, std::span<const std::byte> entries) {
    Sums& sums = tables_[sector];
    sums = {};
    for (std::size_t at = 0; at < entries.size() / kEntrySize; ++at) {
      const std::uint64_t entry = LoadLe<std::uint32_t>(entries.data() + at * kEntrySize);
      if (entry == kNoGrain || entry == kZeroedGrain) continue;
      sums.weights += Weight(entry);
      sums.products += Weight(entry) * (at + 1);
    }
  }

  // An entry of the directory: the table at `sector` begins with the grain `first`. False where no such table has come
  // by.
  bool UseTable(std::uint64_t sector, std::uint64_t first) {
    const auto found = tables_.find(sector);
    if (found == tables_.end()) return false;
    listed_ += found->second.products + found->second.weights * first;
    return true;
  }

  bool fits() const noexcept { return grains_ == listed_; }
  std::size_t tables() const noexcept { return tables_.size(); }

 private:
  struct Sums {
    std::uint64_t weights = 0;
    std::uint64_t products = 0;  // of weights and places in the table, from 1 on
  };

  // A mixing function that nobody can foresee.
  std::uint64_t Weight(std::uint64_t sector) const noexcept {
    std::uint64_t word = sector + seed_;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB;
    return word ^ (word >> 31);
  }

  std::uint64_t seed_ = 0x9E3779B97F4A7C15;
  std::uint64_t grains_ = 0;
  std::uint64_t listed_ = 0;
  std::unordered_map<std::uint64_t, Sums> tables_;
};

class PassingImage final : public Image {
 public:
  PassingImage(std::shared_ptr<Storage> storage, const SparseHeader& header, ImageInfo info)
      : storage_(std::move(storage)),
        header_(header),
        info_(std::move(info)),
        grain_size_(header.grain_sectors * kSectorSize),
        at_(std::max({header.overhead, header.descriptor_offset + header.descriptor_size, std::uint64_t{1}}) *
            kSectorSize) {}

  const ImageInfo& info() const noexcept override { return info_; }
  std::vector<std::shared_ptr<Storage>> files() const override { return {storage_}; }

 protected:
  Result<LayerExtent> DoMap(ByteRange range) override {
    const std::lock_guard lock(mutex_);
    const std::uint64_t end = std::min(range.end(), info_.virtual_size);
    PLATTER_CHECK(FindUpTo(range.offset() / grain_size_));
    const auto behind = std::ranges::lower_bound(grains_, range.offset() / grain_size_, {}, &Grain::number);
    LayerExtent extent;
    if (behind == grains_.end()) {
      // Nothing follows: all grains have come by.
      extent = {.length = end - range.offset(), .status = BlockStatus::kUnallocated};
    } else if (behind->number * grain_size_ > range.offset()) {
      extent = {.length = std::min(end, behind->number * grain_size_) - range.offset(),
                .status = BlockStatus::kUnallocated};
    } else {
      extent = {.length = std::min(end, (behind->number + 1) * grain_size_) - range.offset(), .compressed = true};
    }
    if (range.offset() + extent.length == info_.virtual_size) PLATTER_CHECK(FindUpTo(kNoNumber));
    return extent;
  }

  Result<> DoRead(ByteRange range, std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::uint64_t at = range.end() - out.size();
      const std::uint64_t inside = at % grain_size_;
      const auto part = out.first(std::min<std::uint64_t>(out.size(), grain_size_ - inside));
      PLATTER_CHECK(ReadGrain(at / grain_size_, inside, part));
      out = out.subspan(part.size());
    }
    return Done{};
  }

 private:
  static constexpr std::uint64_t kNoNumber = ~std::uint64_t{0};

  struct Grain {
    std::uint64_t number = 0;
    std::uint64_t host = 0;  // of its stream, behind the marker
    std::uint64_t length = 0;
  };

  struct Scratch {
    DeflateInflater inflater{DeflateWrapper::kZlib};
    std::vector<std::byte> stream;
    std::vector<std::byte> grain;
  };

  std::uint64_t most_stream() const noexcept { return 2 * grain_size_ + kSectorSize; }

  // Follows the stream until a grain of that number, or of a larger one, has come by, or the end.
  Result<> FindUpTo(std::uint64_t number) {
    if (number < first_) {
      return Error(ErrorKind::kUnsupported, "the disk is read in an order in which a pipe does not give it")
          .In(storage_->name())
          .Try("store what comes out of the pipe in a file first");
    }
    while (!ended_ && (grains_.empty() || grains_.back().number < number)) PLATTER_CHECK(TakeMarker());
    return Done{};
  }

  Result<> TakeMarker() {
    std::array<std::byte, MetadataMarkerLayout::kSize> bytes{};
    PLATTER_CHECK(storage_->ReadAt(at_, bytes));
    const RecordView<MetadataMarkerLayout> marker(bytes);
    const std::uint64_t value = marker.Get<MetadataMarkerLayout::kSectors>();
    const std::uint64_t length = marker.Get<MetadataMarkerLayout::kDataBytes>();
    if (length != 0) return TakeGrain(value, length);
    const std::uint64_t content = at_ + kSectorSize;
    const auto type = marker.Get<MetadataMarkerLayout::kType>();
    switch (static_cast<Marker>(type)) {
      case Marker::kGrainTable:
        return TakeTable(content, value);
      case Marker::kGrainDirectory:
        return TakeDirectory(content, value);
      case Marker::kFooter:
        return TakeFooter();
      case Marker::kEndOfStream:
        break;
    }
    return Wrong("no kind of marker that has its place here", "marker", at_).Found(type);
  }

  Result<> TakeGrain(std::uint64_t lba, std::uint64_t length) {
    const bool whole = lba % header_.grain_sectors == 0 && lba < header_.capacity;
    const std::uint64_t number = lba / header_.grain_sectors;
    if (!whole || number < next_) {
      return Wrong("a grain of no place, or out of the disk's order", "lba", at_).Found(lba);
    }
    const std::uint64_t host = at_ + GrainMarkerLayout::kSize;
    if (length > most_stream() || !FitsWithin(host, length, storage_->size())) {
      return Wrong("compressed grain is too long or reaches past the end of the file", "size", at_ + 8).Found(length);
    }
    seen_.AddGrain(number, at_ / kSectorSize);
    grains_.push_back({number, host, length});
    if (grains_.size() > kRemembered) {
      first_ = grains_.front().number + 1;
      grains_.pop_front();
    }
    next_ = number + 1;
    at_ = AlignUp(host + length, kSectorSize);
    return Done{};
  }

  Result<> TakeTable(std::uint64_t content, std::uint64_t sectors) {
    std::vector<std::byte> entries(std::uint64_t{header_.table_entries} * kEntrySize);
    if (sectors != DivideRoundingUp(entries.size(), kSectorSize) || seen_.tables() >= header_.directory_entries()) {
      return Wrong("a grain table that no disk of this size has", "grain table", content).Found(sectors);
    }
    PLATTER_CHECK(storage_->ReadAt(content, entries));
    seen_.AddTable(content / kSectorSize, entries);
    at_ = content + sectors * kSectorSize;
    return Done{};
  }

  Result<> TakeDirectory(std::uint64_t content, std::uint64_t sectors) {
    const std::uint64_t bytes = header_.directory_entries() * kEntrySize;
    if (sectors != DivideRoundingUp(bytes, kSectorSize) || directory_ != 0) {
      return Wrong("not the grain directory of a disk of this size", "grain directory", content).Found(sectors);
    }
    std::vector<std::byte> piece;
    for (std::uint64_t done = 0; done < bytes; done += piece.size()) {
      piece.resize(std::min<std::uint64_t>(kPiece, bytes - done));
      PLATTER_CHECK(storage_->ReadAt(content + done, piece));
      for (std::uint64_t at = 0; at < piece.size(); at += kEntrySize) {
        const std::uint64_t table = LoadLe<std::uint32_t>(piece.data() + at);
        const std::uint64_t slot = (done + at) / kEntrySize;
        if (table != 0 && !seen_.UseTable(table, slot * header_.table_entries)) {
          return Wrong("the grain directory leads to a table that has not come by", "grain directory", content)
              .Found(table);
        }
      }
    }
    directory_ = content / kSectorSize;
    at_ = content + sectors * kSectorSize;
    return Done{};
  }

  // The stream's end: what came by must be what whoever reads it from its tables would find.
  Result<> TakeFooter() {
    std::array<std::byte, kTrailerSize> trailer{};
    PLATTER_CHECK(storage_->ReadAt(at_, trailer));
    const SparseHeader footer = PLATTER_TRY(ParseTrailer(trailer, header_, at_ + kTrailerSize));
    if (at_ + kTrailerSize != storage_->size()) return Wrong("more follows the stream's end", "end", at_);
    if (footer.directory != directory_ || !seen_.fits()) {
      return Wrong("the stream's tables lead to other grains than have come by", "grain directory", at_)
          .Found(footer.directory);
    }
    ended_ = true;
    return Done{};
  }

  Result<std::optional<Grain>> Find(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    PLATTER_CHECK(FindUpTo(number));
    const auto found = std::ranges::lower_bound(grains_, number, {}, &Grain::number);
    return found == grains_.end() || found->number != number ? std::nullopt : std::optional(*found);
  }

  // A part of one grain.
  Result<> ReadGrain(std::uint64_t number, std::uint64_t inside, std::span<std::byte> out) {
    const auto grain = PLATTER_TRY(Find(number));
    if (!grain) {
      std::ranges::fill(out, std::byte{0});
      return Done{};
    }
    const typename IdlePool<Scratch>::Lease scratch(idle_);
    scratch->stream.resize(grain->length);
    PLATTER_CHECK(storage_->ReadAt(grain->host, scratch->stream));
    const std::uint64_t needed = std::min(grain_size_, info_.virtual_size - number * grain_size_);
    const bool whole = inside == 0 && out.size() == grain_size_;
    if (!whole) scratch->grain.resize(grain_size_);
    const auto made = whole ? out : std::span(scratch->grain);
    const auto inflated = scratch->inflater.Inflate(scratch->stream, made);
    if (!inflated.ok() || !inflated.value().ended || inflated.value().length < needed) {
      return Wrong("compressed grain cannot be inflated", fmt::format("grain {}", number), grain->host);
    }
    std::ranges::fill(made.subspan(inflated.value().length), std::byte{0});
    if (!whole) std::ranges::copy(made.subspan(inside, out.size()), out.begin());
    return Done{};
  }

  const std::shared_ptr<Storage> storage_;
  const SparseHeader header_;
  const ImageInfo info_;
  const std::uint64_t grain_size_;  // bytes
  IdlePool<Scratch> idle_{[] { return std::make_unique<Scratch>(); }};
  std::mutex mutex_;  // for what follows
  std::uint64_t at_;  // host byte of the marker that comes next
  std::deque<Grain> grains_;
  std::uint64_t first_ = 0;  // grains before this one are forgotten
  std::uint64_t next_ = 0;   // the next grain has this number at least
  Fingerprint seen_;
  std::uint64_t directory_ = 0;  // sector; 0: not yet there
  bool ended_ = false;
};

}  // namespace

Result<std::shared_ptr<Image>> OpenPassing(std::shared_ptr<Storage> storage, const OpenContext& context) {
  std::vector<std::byte> head(std::min<std::uint64_t>(SparseHeaderLayout::kSize, storage->size()));
  PLATTER_CHECK(storage->ReadAt(0, head));
  auto parsed = ParseSparseHeader(head, storage->size());
  const bool passing = parsed.ok() && parsed.value().directory == kDirectoryAtEnd && parsed.value().compressed() &&
                       parsed.value().has(kFlagMarkers);
  // What is wrong with anything else, whoever reads it says.
  if (!passing) return std::shared_ptr<Image>();
  const SparseHeader& header = parsed.value();
  if (header.grain_sectors * kSectorSize > kMaxCompressedGrain) {
    return Error(ErrorKind::kLimit, "compressed grains are too large")
        .At("VMDK header", "grainSize", SparseHeaderLayout::kGrainSize.offset)
        .Found(header.grain_sectors);
  }
  const Foundation foundation = PLATTER_TRY(ReadEmbedded(*storage, HostedExtent{header, false, true}, context));
  ImageInfo info;
  info.virtual_size = header.capacity * kSectorSize;
  info.allocation_unit = header.grain_sectors * kSectorSize;
  info.id = CidText(foundation.descriptor.cid);
  PLATTER_CHECK(DescribeParent(foundation.descriptor, context, info));
  return std::shared_ptr<Image>(std::make_shared<PassingImage>(std::move(storage), header, std::move(info)));
}

}  // namespace platter::vmdk

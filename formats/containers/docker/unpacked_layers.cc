#include "formats/containers/docker/unpacked_layers.h"

#include <algorithm>
#include <cstring>

#include "formats/containers/docker/layer.h"

namespace platter::docker {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{4} << 20;
constexpr std::size_t kMostPieces = 8;
constexpr std::size_t kMostIdle = 4;
constexpr std::size_t kMostPlaces = 256;

}  // namespace

UnpackedLayers::~UnpackedLayers() = default;

// Where there are too many, every second one goes.
void UnpackedLayers::KeepPlace(Source& source, std::uint64_t position, const LayerStream& stream) {
  auto copy = stream.Clone();
  if (copy == nullptr) return;
  source.places.emplace(position, std::move(copy));
  if (++places_ <= kMostPlaces) return;
  spacing_ *= 2;
  places_ = 0;
  const auto thin = [&](Source& thinned) {
    std::erase_if(thinned.places, [&](const auto& place) { return place.first % spacing_ != 0; });
    places_ += thinned.places.size();
  };
  std::ranges::for_each(sources_, thin);
  thin(source);
}

// Keeps places, and hands on the rest.
class UnpackedLayers::Visitor : public LayerVisitor {
 public:
  Visitor(UnpackedLayers& layers, Source& source, const std::function<Result<>(std::span<const std::byte>)>& take)
      : layers_(layers), source_(source), take_(take) {}
  void Before(std::uint64_t position, const LayerStream& stream) override {
    if (position != 0 && position % layers_.spacing_ == 0) layers_.KeepPlace(source_, position, stream);
  }
  Result<> Take(std::span<const std::byte> piece) override { return take_(piece); }

 private:
  UnpackedLayers& layers_;
  Source& source_;
  const std::function<Result<>(std::span<const std::byte>)>& take_;
};

Result<> UnpackedLayers::Add(const Layer& layer, std::shared_ptr<Storage> stored,
                             const std::function<Result<>(std::span<const std::byte>)>& take) {
  Source source;
  source.stored = std::move(stored);
  Visitor visitor(*this, source, take);
  const LayerMeasure measure = PLATTER_TRY(VisitLayer(layer, source.stored, limits_, visitor));
  source.size = measure.size;
  source.plain = measure.compression == Compression::kNone;
  sources_.push_back(std::move(source));
  return Done{};
}

Result<> UnpackedLayers::ReadAt(std::size_t layer, std::uint64_t offset, std::span<std::byte> out) {
  const Source& source = sources_[layer];
  if (source.plain) return source.stored->ReadAt(offset, out);
  while (!out.empty()) {
    const Bytes piece = PLATTER_TRY(PieceOf({layer, offset / kPiece}));
    const std::uint64_t inside = offset % kPiece;
    if (inside >= piece->size()) return Error(ErrorKind::kIo, "the layer ends early").In(source.stored->name());
    const std::size_t length = std::min<std::uint64_t>(out.size(), piece->size() - inside);
    std::memcpy(out.data(), piece->data() + inside, length);
    offset += length;
    out = out.subspan(length);
  }
  return Done{};
}

// Whether a stream is at hand that is right there.
bool UnpackedLayers::StartsAt(Key key) const {
  const Source& source = sources_[key.first];
  if (key.second == 0 || source.places.contains(key.second * kPiece)) return true;
  return std::ranges::any_of(idle_, [&](const Idle& idle) { return idle.at == key; });
}

Result<UnpackedLayers::Bytes> UnpackedLayers::PieceOf(Key key) {
  Lock lock(mutex_);
  while (true) {
    const auto found = pieces_.find(key);
    if (found != pieces_.end() && found->second.bytes != nullptr) {
      found->second.used = ++clock_;
      return found->second.bytes;
    }
    if (found == pieces_.end() && (sources_[key.first].running == 0 || StartsAt(key))) {
      PLATTER_CHECK(Make(lock, key));
      continue;
    }
    // Someone else makes it, or what is in front of it.
    const Key next{key.first, key.second + 1};
    const bool help = next.second * kPiece < sources_[key.first].size && !pieces_.contains(next) && StartsAt(next);
    if (help) {
      PLATTER_CHECK(Make(lock, next));
    } else {
      changed_.wait(lock);
    }
  }
}

// The nearest stream in front of the piece; `position`: its byte.
std::unique_ptr<LayerStream> UnpackedLayers::TakeStream(Key key, std::uint64_t& position) {
  const std::uint64_t wanted = key.second * kPiece;
  auto best = idle_.end();
  for (auto idle = idle_.begin(); idle != idle_.end(); ++idle) {
    if (idle->at.first != key.first || idle->at.second > key.second) continue;
    if (best == idle_.end() || idle->at.second > best->at.second) best = idle;
  }
  const auto& places = sources_[key.first].places;
  auto place = places.upper_bound(wanted);
  const bool placed = place != places.begin();
  if (placed) --place;
  if (best != idle_.end() && (!placed || best->at.second * kPiece >= place->first)) {
    position = best->at.second * kPiece;
    auto stream = std::move(best->stream);
    idle_.erase(best);
    return stream;
  }
  position = placed ? place->first : 0;
  return placed ? place->second->Clone() : nullptr;
}

Result<UnpackedLayers::Bytes> UnpackedLayers::Unpack(const Source& source, Key key,
                                                     std::unique_ptr<LayerStream>& stream, std::uint64_t position) {
  const std::uint64_t wanted = key.second * kPiece;
  if (stream == nullptr) stream = PLATTER_TRY(LayerStream::Open(source.stored, nullptr));
  auto bytes = std::make_shared<std::vector<std::byte>>(std::min(kPiece, source.size - std::min(wanted, source.size)));
  while (position < wanted) {
    std::vector<std::byte> passed(std::min<std::uint64_t>(std::uint64_t{256} << 10, wanted - position));
    const std::size_t length = PLATTER_TRY(stream->Read(passed));
    position += length;
    if (length < passed.size()) return Error(ErrorKind::kIo, "the layer ends early").In(source.stored->name());
  }
  const std::size_t length = PLATTER_TRY(stream->Read(*bytes));
  if (length == bytes->size()) return Bytes(std::move(bytes));
  return Error(ErrorKind::kIo, "the layer unpacks to less than before").In(source.stored->name());
}

Result<> UnpackedLayers::Make(Lock& lock, Key key) {
  Source& source = sources_[key.first];
  pieces_[key];
  ++source.running;
  std::uint64_t position = 0;
  auto stream = TakeStream(key, position);
  lock.unlock();
  auto made = Unpack(source, key, stream, position);
  lock.lock();
  --source.running;
  changed_.notify_all();
  if (!made.ok()) {
    pieces_.erase(key);
    return std::move(made).error();
  }
  pieces_[key] = {std::move(made).value(), ++clock_};
  idle_.push_front({{key.first, key.second + 1}, std::move(stream)});
  if (idle_.size() > kMostIdle) idle_.pop_back();
  Evict();
  return Done{};
}

void UnpackedLayers::Evict() {
  while (pieces_.size() > kMostPieces) {
    auto oldest = pieces_.end();
    for (auto piece = pieces_.begin(); piece != pieces_.end(); ++piece) {
      if (piece->second.bytes == nullptr) continue;
      if (oldest == pieces_.end() || piece->second.used < oldest->second.used) oldest = piece;
    }
    if (oldest == pieces_.end()) return;
    pieces_.erase(oldest);
  }
}

}  // namespace platter::docker

#include "formats/containers/docker/layer.h"

#include <fmt/format.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "formats/containers/codec/unpacked_storage.h"
#include "formats/containers/docker/findings.h"
#include "formats/containers/docker/unpacked_storage.h"
#include "formats/core/checked.h"

namespace platter::docker {
namespace {

constexpr std::uint64_t kMostOnTop = 16;    // times limits.metadata_bytes
constexpr std::size_t kLongestPath = 4096;  // bytes; Linux has no longer ones

Error Differs(std::string what, std::string field, const BlobDigest& found, const BlobDigest& wanted) {
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At("layer", std::move(field))
      .Found(found.Text())
      .Allowed(wanted.Text());
}

// A layer on its way from what is stored to what its digests are compared with. Reading and hashing may go on on two
// threads.
class LayerReader {
 public:
  LayerReader(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits, LayerOrigin origin,
              MemoryBudget* memory = nullptr)
      : layer_(layer),
        stored_(stored),
        memory_(memory),
        limits_(limits),
        origin_(origin),
        stored_digest_(layer.digest ? layer.digest->algorithm : DigestAlgorithm::kSha256),
        unpacked_digest_(layer.diff_id.algorithm) {}

  Result<> Open() {
    measure_.compression = PLATTER_TRY(FindCompression(*stored_));
    most_ = MostUnpacked();
    const bool plain = measure_.compression == Compression::kNone;
    twice_ = layer_.digest && !(plain && layer_.digest->algorithm == layer_.diff_id.algorithm);
    stream_ = PLATTER_TRY(LayerStream::Open(stored_, twice_ ? &stored_digest_ : nullptr, memory_));
    return Done{};
  }

  const LayerStream& stream() const { return *stream_; }

  Result<std::size_t> Read(std::span<std::byte> piece) {
    const std::size_t length = PLATTER_TRY(stream_->Read(piece));
    measure_.size += length;
    if (measure_.size <= most_) return length;
    return Error(ErrorKind::kLimit, "the layer unpacks to more than any sound one does")
        .In(stored_->name())
        .At("layer", "unpacked size")
        .Found(fmt::format("more than {}", most_))
        .Allowed(fmt::format("at most {} for {} stored bytes", most_, stored_->size()));
  }

  void Hash(std::span<const std::byte> piece) { unpacked_digest_.Add(piece); }

  Result<LayerMeasure> Finish() {
    const BlobDigest unpacked = unpacked_digest_.Finish();
    const BlobDigest packed = twice_ ? stored_digest_.Finish() : unpacked;
    if (layer_.digest && packed != *layer_.digest) {
      return Differs("the layer is not the one that its digest says", "digest", packed, *layer_.digest);
    }
    if (unpacked == layer_.diff_id) return measure_;
    return Differs("the layer does not unpack to what the config says", "diff_id", unpacked, layer_.diff_id);
  }

 private:
  std::uint64_t MostUnpacked() const noexcept {
    codec::Bound bound;
    bound.on_top = CheckedMultiply(limits_.metadata_bytes, kMostOnTop).value_or(UINT64_MAX);
    const bool zstd = measure_.compression == Compression::kZstd;
    if (zstd && origin_ == LayerOrigin::kOwn) bound.ratio = codec::OwnBound(codec::Compression::kZstd).ratio;
    return codec::MostUnpacked(stored_->size(), bound);
  }

  const Layer& layer_;
  const std::shared_ptr<Storage>& stored_;
  MemoryBudget* memory_;
  const Limits& limits_;
  LayerOrigin origin_;
  std::uint64_t most_ = 0;  // bytes that it may unpack to
  Hasher stored_digest_;
  Hasher unpacked_digest_;
  bool twice_ = false;
  LayerMeasure measure_;
  std::unique_ptr<LayerStream> stream_;
};

// Pieces handed to another thread, in order, a few at a time.
class PieceRelay {
 public:
  using Take = std::function<Result<>(std::span<const std::byte>)>;
  explicit PieceRelay(Take take) : take_(std::move(take)) {
    for (auto& piece : pieces_) free_.push_back(&piece);
    thread_ = std::thread([this] { Run(); });
  }
  ~PieceRelay() { (void)Finish().ok(); }
  PieceRelay(const PieceRelay&) = delete;
  PieceRelay& operator=(const PieceRelay&) = delete;

  // One to fill; null once the other thread has failed.
  std::vector<std::byte>* Next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !free_.empty() || failure_; });
    if (failure_) return nullptr;
    auto* piece = free_.front();
    free_.pop_front();
    return piece;
  }

  void Send(std::vector<std::byte>* piece) {
    const std::lock_guard lock(mutex_);
    full_.push_back(piece);
    changed_.notify_all();
  }

  // Waits until all have been taken.
  Result<> Finish() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        changed_.notify_all();
      }
      thread_.join();
    }
    if (failure_) return std::move(*std::exchange(failure_, std::nullopt));
    return Done{};
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!failure_) {
      changed_.wait(lock, [&] { return !full_.empty() || ended_; });
      if (full_.empty()) return;
      auto* piece = full_.front();
      full_.pop_front();
      lock.unlock();
      auto done = take_(*piece);
      lock.lock();
      if (!done.ok()) failure_ = std::move(done).error();
      free_.push_back(piece);
      changed_.notify_all();
    }
  }

  Take take_;
  std::array<std::vector<std::byte>, 4> pieces_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::byte>*> free_;
  std::deque<std::vector<std::byte>*> full_;
  std::optional<Error> failure_;
  bool ended_ = false;
  std::thread thread_;
};

// Findings about what members would do where they are unpacked. In a layer links may lead anywhere: they are resolved
// in the container's own root.
class LayerJudge {
 public:
  LayerJudge(const tar::Index& index, std::vector<Finding>& findings, FindingCount& count)
      : index_(index), out_(findings), count_(count) {}

  void Run() {
    for (const tar::Member& member : index_.members) {
      if (member.type == tar::MemberType::kSymbolicLink) links_.insert(tar::PlainName(member.name));
    }
    for (const Finding& finding : index_.findings) {
      if (finding.code == "tar.link" || finding.code == "tar.device") continue;
      std::string code = "docker.layer_" + finding.code.substr(std::string_view("tar.").size());
      if (!count_.Keeps(code, finding.concern)) continue;
      Finding& taken = out_.emplace_back(finding);
      taken.code = std::move(code);
      taken.offset.reset();
    }
    for (const tar::Member& member : index_.members) Judge(member);
  }

 private:
  void Add(std::string code, Concern concern, std::string message, const std::string& value) {
    if (!count_.Keeps(code, concern)) return;
    out_.push_back(MakeFinding(std::move(code), concern, std::move(message), value));
  }

  void Judge(const tar::Member& member) {
    if (member.type == tar::MemberType::kDevice) {
      Add("docker.layer_device", Concern::kReference, "a device would be made where the layer is unpacked",
          member.name);
    }
    if (member.type == tar::MemberType::kHardLink && member.link.find("..") != std::string::npos &&
        tar::LeadsOut(member.link)) {
      Add("docker.layer_link", Concern::kReference, "a hard link leads out of the folder where the layer is unpacked",
          member.link);
    }
    if (member.name.size() > kLongestPath) return;
    const std::string name = tar::PlainName(member.name);
    LookForLinks(name, member);
    const std::string_view last = std::string_view(name).substr(name.rfind('/') + 1);
    if (!last.starts_with(kWhiteout) || last.starts_with(kWhiteoutMeta)) return;
    const std::string_view hidden = last.substr(kWhiteout.size());
    if (!hidden.empty() && hidden != "." && hidden != "..") return;
    Add("docker.layer_whiteout", Concern::kReference, "a whiteout removes the folder that it lies in, or one above it",
        member.name);
  }

  // What a layer has below a link of its own lands where the link leads.
  void LookForLinks(const std::string& name, const tar::Member& member) {
    if (links_.empty()) return;
    for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
      if (!links_.contains(std::string_view(name).substr(0, slash))) continue;
      Add("docker.layer_through_link", Concern::kReference, "a member lies below a link: it lands where that leads",
          member.name);
      return;
    }
  }

  const tar::Index& index_;
  std::vector<Finding>& out_;
  FindingCount& count_;
  std::set<std::string, std::less<>> links_;  // plain names
};

}  // namespace

Result<LayerMeasure> MeasureLayer(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits,
                                  LayerOrigin origin, const Unpacking& unpacking) {
  LayerReader reader(layer, stored, limits, origin, unpacking.memory);
  PLATTER_CHECK(reader.Open());
  std::vector<std::byte> piece(kLayerPiece);
  for (bool more = true; more;) {
    const std::size_t length = PLATTER_TRY(reader.Read(piece));
    reader.Hash(std::span(piece).first(length));
    if (unpacking.tally) unpacking.tally(length);
    more = length == piece.size();
  }
  return reader.Finish();
}

Result<LayerMeasure> VisitLayer(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits,
                                LayerVisitor& visitor) {
  LayerReader reader(layer, stored, limits, LayerOrigin::kOwn);
  PLATTER_CHECK(reader.Open());
  PieceRelay relay([&](std::span<const std::byte> piece) -> Result<> {
    reader.Hash(piece);
    return visitor.Take(piece);
  });
  std::uint64_t position = 0;
  const auto read = [&]() -> Result<> {
    while (true) {
      std::vector<std::byte>* piece = relay.Next();
      if (piece == nullptr) return Done{};
      piece->resize(kLayerPiece);
      visitor.Before(position, reader.stream());
      const std::size_t length = PLATTER_TRY(reader.Read(*piece));
      piece->resize(length);
      position += length;
      relay.Send(piece);
      if (length < kLayerPiece) return Done{};
    }
  };
  auto done = read();
  PLATTER_CHECK(relay.Finish());
  PLATTER_CHECK(std::move(done));
  return reader.Finish();
}

std::shared_ptr<Storage> UnpackedLayer(std::shared_ptr<Storage> stored, const LayerMeasure& measure,
                                       const Unpacking& unpacking) {
  if (measure.compression == Compression::kNone) return stored;
  return std::make_shared<UnpackedStorage>(std::move(stored), measure.size, unpacking);
}

Result<> ReadLayerIndex(Storage& unpacked, const Limits& limits, tar::Index& index) {
  if (unpacked.size() == 0) return Done{};
  auto done = tar::ReadIndex(unpacked, limits, index);
  if (done.ok() || done.error().kind() != ErrorKind::kNotThisFormat) return done;
  return Error(ErrorKind::kCorrupt, "the layer is no tar archive").In(unpacked.name()).At("layer", "tar");
}

void JudgeLayer(const tar::Index& index, std::vector<Finding>& findings, FindingCount& count) {
  LayerJudge(index, findings, count).Run();
}

}  // namespace platter::docker

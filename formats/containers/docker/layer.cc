#include "formats/containers/docker/layer.h"

#include <fmt/format.h>

#include <functional>
#include <set>
#include <utility>

#include "formats/containers/docker/findings.h"
#include "formats/containers/docker/unpacked_storage.h"
#include "formats/core/checked.h"

namespace platter::docker {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr std::uint64_t kDeflateRatio = 1032;
constexpr std::uint64_t kMostOnTop = 16;    // times limits.metadata_bytes
constexpr std::size_t kLongestPath = 4096;  // bytes; Linux has no longer ones

Error Differs(std::string what, std::string field, const BlobDigest& found, const BlobDigest& wanted) {
  return Error(ErrorKind::kCorrupt, std::move(what))
      .At("layer", std::move(field))
      .Found(found.Text())
      .Allowed(wanted.Text());
}

// Findings about what members would do where they are unpacked. In a layer links may lead anywhere: they are resolved
// in the container's own root.
class LayerJudge {
 public:
  LayerJudge(const tar::Index& index, std::vector<Finding>& findings) : index_(index), out_(findings) {}

  void Run() {
    for (const tar::Member& member : index_.members) {
      if (member.type == tar::MemberType::kSymbolicLink) links_.insert(tar::PlainName(member.name));
    }
    for (const Finding& finding : index_.findings) {
      if (finding.code == "tar.link" || finding.code == "tar.device") continue;
      Finding& taken = out_.emplace_back(finding);
      taken.code = "docker.layer_" + finding.code.substr(std::string_view("tar.").size());
      taken.offset.reset();
    }
    for (const tar::Member& member : index_.members) Judge(member);
  }

 private:
  void Add(std::string code, Concern concern, std::string message, const std::string& value) {
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
  std::set<std::string, std::less<>> links_;  // plain names
};

}  // namespace

std::uint64_t MostUnpacked(std::uint64_t stored, const Limits& limits) noexcept {
  const auto by_ratio = CheckedMultiply(stored, kDeflateRatio);
  const auto on_top = CheckedMultiply(limits.metadata_bytes, kMostOnTop);
  if (!by_ratio || !on_top) return UINT64_MAX;
  return CheckedAdd(*by_ratio, *on_top).value_or(UINT64_MAX);
}

Result<LayerMeasure> MeasureLayer(const Layer& layer, const std::shared_ptr<Storage>& stored, const Limits& limits) {
  LayerMeasure measure;
  measure.compression = PLATTER_TRY(FindCompression(*stored));
  const bool plain = measure.compression == Compression::kNone;
  const bool twice = layer.digest && !(plain && layer.digest->algorithm == layer.diff_id.algorithm);
  Hasher stored_digest(layer.digest ? layer.digest->algorithm : DigestAlgorithm::kSha256);
  Hasher unpacked_digest(layer.diff_id.algorithm);
  const auto stream = PLATTER_TRY(LayerStream::Open(stored, twice ? &stored_digest : nullptr));
  const std::uint64_t most = MostUnpacked(stored->size(), limits);
  std::vector<std::byte> piece(kPiece);
  for (bool more = true; more;) {
    const std::size_t length = PLATTER_TRY(stream->Read(piece));
    unpacked_digest.Add(std::span(piece).first(length));
    measure.size += length;
    more = length == piece.size();
    if (measure.size <= most) continue;
    return Error(ErrorKind::kLimit, "the layer unpacks to more than any sound one does")
        .In(stored->name())
        .At("layer", "unpacked size")
        .Found(fmt::format("more than {}", most))
        .Allowed(fmt::format("at most {} for {} stored bytes", most, stored->size()));
  }
  const BlobDigest unpacked = unpacked_digest.Finish();
  const BlobDigest packed = twice ? stored_digest.Finish() : unpacked;
  if (layer.digest && packed != *layer.digest) {
    return Differs("the layer is not the one that its digest says", "digest", packed, *layer.digest);
  }
  if (unpacked == layer.diff_id) return measure;
  return Differs("the layer does not unpack to what the config says", "diff_id", unpacked, layer.diff_id);
}

std::shared_ptr<Storage> UnpackedLayer(std::shared_ptr<Storage> stored, const LayerMeasure& measure) {
  if (measure.compression == Compression::kNone) return stored;
  return std::make_shared<UnpackedStorage>(std::move(stored), measure.size);
}

Result<> ReadLayerIndex(Storage& unpacked, const Limits& limits, tar::Index& index) {
  if (unpacked.size() == 0) return Done{};
  auto done = tar::ReadIndex(unpacked, limits, index);
  if (done.ok() || done.error().kind() != ErrorKind::kNotThisFormat) return done;
  return Error(ErrorKind::kCorrupt, "the layer is no tar archive").In(unpacked.name()).At("layer", "tar");
}

void JudgeLayer(const tar::Index& index, std::vector<Finding>& findings) { LayerJudge(index, findings).Run(); }

}  // namespace platter::docker

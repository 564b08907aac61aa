#include "formats/containers/docker/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "formats/containers/docker/catalog.h"
#include "formats/containers/docker/findings.h"
#include "formats/containers/docker/layer.h"
#include "formats/core/checked.h"

namespace platter::docker {
namespace {

// Documents come before what names them: members up to this size are read while an archive arrives, so that they are
// kept.
constexpr std::uint64_t kLikelyDocument = std::uint64_t{32} << 10;

class DockerInspection {
 public:
  DockerInspection(const std::shared_ptr<Storage>& storage, const Limits& limits, bool whole,
                   ContainerInspection& inspection)
      : storage_(storage), limits_(limits), whole_(whole), out_(inspection) {}

  Result<> Run() {
    out_.layered = true;
    // Links inside the archive are what docker and skopeo make for layers that images share.
    const auto inside = [](const tar::Member& member) { return !LinkTarget(member).empty(); };
    auto indexed = tar::ReadIndex(*storage_, limits_, index_, inside);
    const bool complete = indexed.ok();
    out_.findings = std::move(index_.findings);
    ArchiveBlobs blobs(storage_, index_, complete);
    if (!complete) ReadAhead();
    Catalog catalog;
    auto read = ReadCatalog(blobs, limits_, catalog);
    std::ranges::move(catalog.findings, std::back_inserter(out_.findings));
    PLATTER_CHECK(std::move(read));
    AddFacts(catalog);
    if (!indexed.ok()) {
      Error error = std::move(indexed).error();
      if (error.kind() == ErrorKind::kIo) return error;
      out_.findings.push_back(FindingOf("tar", tar::kFindingRules, error));
      return Done{};
    }
    if (whole_) return LookIntoLayers(blobs, catalog);
    Add("docker.layers_unseen", Concern::kUnseen, "the layers have not been looked into: inspect the stored file",
        std::to_string(catalog.layers.size()));
    return Done{};
  }

 private:
  Finding& Add(std::string code, Concern concern, std::string message, std::string value = "") {
    return out_.findings.emplace_back(MakeFinding(std::move(code), concern, std::move(message), std::move(value)));
  }

  void ReadAhead() {
    for (const tar::Member& member : index_.members) {
      if (member.type != tar::MemberType::kFile || member.size == 0 || member.size > kLikelyDocument) continue;
      std::vector<std::byte> text(member.size);
      // What is not here yet is here at the next look.
      (void)storage_->ReadAt(member.offset, text).ok();
    }
  }

  void AddFacts(const Catalog& catalog) {
    const auto note = [&](std::string code, std::string message, std::size_t count) {
      if (count == 0) return;
      Add(std::move(code), Concern::kNone, std::move(message), std::to_string(count)).severity = Severity::kInfo;
    };
    note("docker.attestation", "attestations stand beside the images, and are passed over", catalog.attestations);
    note("docker.artifact", "manifests of what is no image are passed over", catalog.artifacts);
    if (catalog.images.size() > 1) {
      note("docker.several_images", "there are several images in it", catalog.images.size());
    }
  }

  Result<> LookIntoLayers(Blobs& blobs, const Catalog& catalog) {
    std::optional<std::uint64_t> total = 0;
    for (const Layer& layer : catalog.layers) {
      auto stored = blobs.Open(layer.file);
      if (!stored.ok() || stored.value() == nullptr) {
        total.reset();
        continue;  // a finding of the catalog
      }
      const auto size = PLATTER_TRY(LookInto(layer, stored.value()));
      total = total && size ? CheckedAdd(*total, *size) : std::nullopt;
    }
    out_.virtual_size = total;
    return Done{};
  }

  // Its size where it could be read to its end.
  Result<std::optional<std::uint64_t>> LookInto(const Layer& layer, const std::shared_ptr<Storage>& stored) {
    const std::size_t first = out_.findings.size();
    std::optional<std::uint64_t> size;
    auto measure = MeasureLayer(layer, stored, limits_, LayerOrigin::kUpload, out_.unpacking);
    if (measure.ok()) {
      size = measure.value().size;
      PLATTER_CHECK(LookAtMembers(*UnpackedLayer(stored, measure.value(), out_.unpacking)));
    } else {
      PLATTER_CHECK(AsFinding(std::move(measure).error()));
    }
    for (std::size_t at = first; at < out_.findings.size(); ++at) {
      out_.findings[at].message += fmt::format(", in layer {}", layer.file);
    }
    return size;
  }

  Result<> LookAtMembers(Storage& unpacked) {
    tar::Index index;
    auto indexed = ReadLayerIndex(unpacked, limits_, index);
    JudgeLayer(index, out_.findings, count_);
    if (indexed.ok()) return Done{};
    Error error = std::move(indexed).error();
    if (error.kind() == ErrorKind::kIo) return error;
    Finding finding = FindingOf("docker", kLayerFindingRules, error);
    finding.offset.reset();
    KeepOfLayer(std::move(finding));
    return Done{};
  }

  void KeepOfLayer(Finding finding) {
    if (count_.Keeps(finding.code, finding.concern)) out_.findings.push_back(std::move(finding));
  }

  Result<> AsFinding(Error error) {
    if (error.kind() == ErrorKind::kIo) return error;
    Finding finding = FindingOf("docker", kFindingRules, error);
    if (error.kind() == ErrorKind::kLimit) {
      finding.concern = Concern::kSize;
      finding.severity = SeverityOf(finding.concern);
    }
    KeepOfLayer(std::move(finding));
    return Done{};
  }

  const std::shared_ptr<Storage>& storage_;
  const Limits& limits_;
  bool whole_;
  ContainerInspection& out_;
  tar::Index index_;
  FindingCount count_;  // of the layers, and their members
};

}  // namespace

bool LooksLikeIndex(std::span<const std::byte> head) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{' && text.find("\"schemaVersion\"") != text.npos &&
         text.find("\"manifests\"") != text.npos;
}

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, bool whole,
                 ContainerInspection& inspection) {
  std::vector<std::byte> head(std::min<std::uint64_t>(storage->size(), ProbeInput::kHead));
  PLATTER_CHECK(storage->ReadPadded(0, head));
  if (!LooksLikeIndex(head)) return DockerInspection(storage, limits, whole, inspection).Run();
  inspection.layered = true;
  inspection.findings.push_back(
      MakeFinding("docker.files", Concern::kReference, "the index of a layout: its images lie in other files"));
  return Done{};
}

}  // namespace platter::docker

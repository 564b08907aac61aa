// Container images: the first byte says what the rest is. Documents; a compressed layer, which reads the same front to
// back and at any place; the members of a layer; a whole archive, opened and measured. No other file is opened.
#include <algorithm>
#include <string>
#include <vector>

#include "formats/container_table.h"
#include "formats/containers/docker/layer.h"
#include "formats/containers/docker/manifest.h"
#include "formats/containers/docker/unpacked_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/core/reference.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

// Of what a layer unpacks to, bytes that are looked at.
constexpr std::size_t kMostUnpacked = std::size_t{1} << 20;

void Parse(std::span<const std::byte> text) {
  if (const auto config = docker::ParseConfig(text); !config.ok()) Told(config.error());
  if (const auto version = docker::CheckLayoutVersion(text); !version.ok()) Told(version.error());
  if (const auto saved = docker::ParseSavedImages(text); saved.ok()) {
    for (const docker::SavedImage& image : saved.value()) Promise(!image.config.empty(), "an image has a config");
  }
  const auto manifest = docker::ParseManifest(text, "image manifest");
  if (!manifest.ok()) return Told(manifest.error());
  Promise(manifest.value().is_index != manifest.value().config.has_value(), "a manifest has a config, an index none");
  for (const docker::Descriptor& layer : manifest.value().layers) {
    Promise(layer.digest.hex.find_first_not_of("0123456789abcdef") == std::string::npos, "a digest is no path");
  }
}

void Unpack(const std::shared_ptr<Storage>& stored, InputReader& choices) {
  auto stream = docker::LayerStream::Open(stored, nullptr);
  if (!stream.ok()) return Told(stream.error());
  std::vector<std::byte> whole;
  std::vector<std::byte> piece(choices.Below(70000) + 1);
  bool ended = false;
  while (!ended && whole.size() < kMostUnpacked) {
    const auto length = stream.value()->Read(piece);
    if (!length.ok()) return Told(length.error());
    whole.insert(whole.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(length.value()));
    ended = length.value() < piece.size();
  }
  docker::UnpackedStorage unpacked(stored, whole.size());
  for (int reads = 0; reads < 4 && !whole.empty(); ++reads) {
    const std::size_t at = choices.Below(whole.size());
    std::vector<std::byte> part(std::min<std::size_t>(choices.Below(5000) + 1, whole.size() - at));
    Promise(unpacked.ReadAt(at, part).ok(), "what has been read once reads again");
    Promise(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(at)),
            "a layer reads the same at any place");
  }
}

void JudgeMembers(SparseStorage& tar) {
  tar::Index index;
  const auto done = docker::ReadLayerIndex(tar, SmallLimits(), index);
  std::vector<Finding> findings;
  FindingCount count;
  docker::JudgeLayer(index, findings, count);
  for (const Finding& finding : findings) {
    Promise(finding.code.starts_with("docker.layer_") && !finding.message.empty(), "a finding says what it is");
  }
  if (!done.ok()) Told(done.error());
}

void OpenArchive(const std::shared_ptr<SparseStorage>& file) {
  DenyGate gate;
  OpenContext context;
  context.limits = SmallLimits();
  context.gate = &gate;
  const ContainerDriver& driver = *FindContainer("docker");
  const auto container = driver.open(file, context);
  ContainerInspection inspection;
  Promise(driver.inspect(file, context.limits, true, inspection).ok(), "a file in memory can be inspected");
  if (!container.ok()) return Told(container.error());
  Promise(container.value()->MeasureLayers().ok(), "a file in memory can be measured");
  const ContainerInfo& info = container.value()->info();
  Promise(info.virtual_size == inspection.virtual_size, "both say the same size");
  for (const WrappedLayer& layer : info.layers) {
    Promise(layer.size.has_value() == layer.problem.empty(), "a layer is measured, or has a problem");
  }
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  const unsigned kind = reader.Byte() % 4;
  if (kind == 0) return Parse(std::as_bytes(reader.Rest()));
  if (kind == 1) {
    InputReader choices(input.last(std::min<std::size_t>(input.size(), 16)));
    const auto bytes = std::as_bytes(reader.Rest());
    return Unpack(std::make_shared<MemoryStorage>("layer", std::vector<std::byte>(bytes.begin(), bytes.end())),
                  choices);
  }
  const auto file = SparseStorage::FromInput(reader.Rest());
  for (bool more = true; more; more = MendTar(*file)) {
    if (kind == 2) JudgeMembers(*file);
    if (kind == 3) OpenArchive(file);
  }
}

}  // namespace platter::fuzz

#include "formats/vmdk/updater.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/core/checked.h"
#include "formats/vmdk/create_options.h"

namespace platter::vmdk {
namespace {

constexpr std::uint64_t kUnit = 4096;
// Over a parent whole grains are taken, and a batch has to hold one.
constexpr std::uint64_t kMaxWholeGrain = std::uint64_t{16} << 20;

std::uint64_t LargestGrain(const std::vector<ExtentFile>& extents) {
  std::uint64_t size = kSectorSize;
  for (const ExtentFile& extent : extents) {
    if (extent.grains != nullptr) size = std::max(size, extent.grains->tables().grain_size);
  }
  return size;
}

}  // namespace

Updater::Updater(const UpdateRequest& request, const Foundation& foundation, std::vector<ExtentFile> extents)
    : storage_(request.storage),
      limits_(request.context.limits),
      foundation_(foundation),
      extents_(std::move(extents)) {
  // A name without a CID is a parent to qemu, and nothing to us: what is written is right for both.
  const Descriptor& descriptor = foundation_.descriptor;
  const bool has_parent = descriptor.parent_cid != kNoParent || !descriptor.parent_hint.value_or("").empty();
  const ClearRange clear = [this](Storage& file, std::uint64_t offset, std::uint64_t length) {
    return ClearStored(file, offset, length);
  };
  for (const ExtentFile& extent : extents_) updaters_.emplace_back(extent, has_parent, clear);
  traits_.unit = has_parent ? LargestGrain(extents_) : kUnit;
  traits_.batch_alignment = traits_.unit;
  traits_.starts_zeroed = false;
  traits_.looked_at = WriterTraits::kNothing;
}

Result<> Updater::Start() {
  const Descriptor& descriptor = foundation_.descriptor;
  if (traits_.unit > kMaxWholeGrain) {
    return Error(ErrorKind::kUnsupported, "images over a parent with such large grains are only read")
        .Found(traits_.unit)
        .Allowed(fmt::format("up to {}", kMaxWholeGrain));
  }
  if (!descriptor.change_track_path.empty()) {
    return Error(ErrorKind::kUnsupported, "images whose changed blocks are tracked are only read")
        .At("VMDK descriptor", "changeTrackPath")
        .Found(descriptor.change_track_path);
  }
  for (const ExtentFile& extent : extents_) {
    auto checked = ExtentUpdater::Check(extent, limits_);
    if (!checked.ok()) return std::move(checked).error().In(extent.line.file);
  }
  PLATTER_CHECK(CheckExtentsApart());
  return PrepareCid();
}

Result<> Updater::CheckExtentsApart() const {
  std::vector<const ExtentFile*> sorted;
  for (const ExtentFile& extent : extents_) sorted.push_back(&extent);
  const auto place = [](const ExtentFile* extent) { return std::pair(extent->storage.get(), extent->offset); };
  std::ranges::sort(sorted, {}, place);
  const auto overlap = [](const ExtentFile* a, const ExtentFile* b) {
    const bool sparse = a->grains != nullptr || b->grains != nullptr;
    return a->storage == b->storage && (sparse || a->offset + a->length > b->offset);
  };
  const auto found = std::ranges::adjacent_find(sorted, overlap);
  if (found == sorted.end()) return Done{};
  return Error(ErrorKind::kCorrupt, "two extents share a part of a file")
      .At("VMDK descriptor", "extent description")
      .Found((*found)->line.file)
      .In(storage_->name());
}

Result<> Updater::PrepareCid() {
  const bool own_file = foundation_.text_room == 0;
  const std::uint64_t room = own_file ? storage_->size() : foundation_.text_room;
  std::string text(std::min(room, kMaxDescriptorBytes), '\0');
  PLATTER_CHECK(storage_->ReadAt(foundation_.text_offset, std::as_writable_bytes(std::span(text))));
  std::string changed = WithCid(text, RandomCid());
  const bool bounded = !own_file || storage_->is_device();
  while (bounded && changed.size() > text.size() && changed.back() == '\0') changed.pop_back();
  if (bounded && changed.size() > text.size()) {
    return Error(ErrorKind::kUnsupported, "the descriptor has no room for another CID")
        .At("VMDK descriptor", "CID", foundation_.text_offset)
        .Found(CidText(foundation_.descriptor.cid))
        .Allowed("8 digits");
  }
  // A text that gets shorter keeps its length.
  changed.resize(std::max(changed.size(), text.size()), '\n');
  const auto first = static_cast<std::size_t>(std::ranges::mismatch(text, changed).in1 - text.begin());
  std::size_t end = changed.size();
  while (changed.size() == text.size() && end > first && changed[end - 1] == text[end - 1]) --end;
  new_text_offset_ = foundation_.text_offset + first;
  new_text_ = changed.substr(first, end - first);
  return Done{};
}

Result<> Updater::ChangeCid() {
  if (changed_ || new_text_.empty()) return Done{};
  changed_ = true;
  return storage_->WriteAt(new_text_offset_, std::as_bytes(std::span(new_text_)));
}

Result<> Updater::Place(Batch& batch) {
  batch.writes.clear();
  for (const Run& run : batch.runs) {
    if (run.kind != Run::Kind::kBacking) PLATTER_CHECK(PlaceRun(batch, run));
  }
  return Done{};
}

Result<> Updater::PlaceRun(Batch& batch, const Run& run) {
  PLATTER_CHECK(ChangeCid());
  for (std::uint64_t at = run.offset; at < run.end();) {
    const auto next = std::ranges::upper_bound(extents_, at, {}, &ExtentFile::begin);
    const auto index = static_cast<std::size_t>(next - extents_.begin()) - 1;
    const std::uint64_t length = std::min(run.end(), extents_[index].end()) - at;
    PLATTER_CHECK(EnterExtent(index));
    PLATTER_CHECK(updaters_[index].Place(batch, {run.kind, at, length}));
    at += length;
  }
  return Done{};
}

Result<> Updater::EnterExtent(std::size_t index) {
  if (open_ != index) PLATTER_CHECK(updaters_[open_].Leave());
  open_ = index;
  return updaters_[index].started() ? Result<>(Done{}) : updaters_[index].Start(limits_);
}

Result<> Updater::Finish() {
  PLATTER_CHECK(updaters_[open_].Leave());
  if (changed_) PLATTER_CHECK(storage_->Sync());
  for (ExtentUpdater& updater : updaters_) {
    if (updater.started()) PLATTER_CHECK(updater.Finish());
  }
  return Done{};
}

Result<std::unique_ptr<ImageWriter>> Update(const UpdateRequest& request) {
  // qemu passes over extents and copies of tables that have to be kept right.
  OpenContext context = request.context;
  context.dialect = Dialect::kPlatter;
  const Foundation foundation = PLATTER_TRY(ReadFoundation(*request.storage, context));
  Foundation to_open = foundation;
  // qemu takes the bytes of a name as they are; what it reads is what is to be written to.
  if (request.context.dialect == Dialect::kQemu) to_open.descriptor.encoding.clear();
  std::vector<ExtentFile> extents = PLATTER_TRY(OpenAllExtents(request.storage, to_open, context));
  const bool flat = std::ranges::any_of(extents, [](const ExtentFile& extent) { return extent.grains == nullptr; });
  if (request.compress && flat) return Error(ErrorKind::kUnsupported, "invalid cluster size");
  auto writer = std::make_unique<Updater>(request, foundation, std::move(extents));
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::vmdk

#include "fuzz/support/image_walk.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/detail.h"
#include "formats/core/file_tree.h"
#include "formats/format_table.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/small_files_gate.h"
#include "fuzz/support/tree_walk.h"

namespace platter::fuzz {
namespace {

constexpr std::size_t kMostExtents = 400;
constexpr std::size_t kMostReads = 32;
constexpr std::size_t kPiece = 4096;
constexpr std::size_t kMostShots = 4;

// What lies verbatim in a file is read there; a file that ends early reads as zeros, as it does for the guest.
void CompareWithHost(const LayerExtent& extent, std::span<const std::byte> guest) {
  if (extent.status != BlockStatus::kData || !extent.host || extent.compressed) return;
  std::vector<std::byte> host(guest.size());
  auto* file = const_cast<Storage*>(extent.host->file);
  const auto read = file->ReadPadded(extent.host->offset, host);
  if (read.ok()) Promise(Same(guest, host), "data lies verbatim where the map says");
}

void ReadPiece(Image& image, std::uint64_t at, const LayerExtent& extent) {
  std::vector<std::byte> whole(std::min<std::uint64_t>(kPiece, extent.length));
  const auto read = image.ReadAt(at, whole);
  if (!read.ok()) return Told(read.error());
  if (extent.status != BlockStatus::kData) Promise(AllZero(whole), "what maps as zero reads as zero");
  CompareWithHost(extent, whole);
  const std::size_t skip = std::min<std::size_t>(whole.size() - 1, 37);
  std::vector<std::byte> part(std::min<std::size_t>(whole.size() - skip, 1001));
  const auto again = image.ReadAt(at + skip, part);
  Promise(again.ok(), "a part of what can be read can be read");
  Promise(Same(part, std::span(whole).subspan(skip, part.size())), "a part reads as in the whole");
}

void MapAndRead(Image& image) {
  const std::uint64_t size = image.info().virtual_size;
  std::size_t reads = 0;
  std::uint64_t at = 0;
  for (std::size_t count = 0; at < size && count < kMostExtents; ++count) {
    const auto extent = image.Map(at, size - at);
    if (!extent.ok()) {
      Told(extent.error());
      at += std::min<std::uint64_t>(size - at, std::uint64_t{65536} << std::min<std::size_t>(count, 40));
      continue;
    }
    const std::uint64_t length = extent.value().length;
    Promise(length >= 1 && length <= size - at, "an extent lies in the range that was asked about");
    if (reads++ < kMostReads) ReadPiece(image, at, extent.value());
    at += length;
  }
  if (size == 0) return;
  const std::uint64_t last = size - std::min<std::uint64_t>(size, kPiece);
  const auto end = image.Map(last, size - last);
  if (end.ok()) ReadPiece(image, last, end.value());
}

void LookAtSnapshots(Image& image) {
  Snapshots* snapshots = image.snapshots();
  if (snapshots == nullptr) return;
  for (std::size_t index = 0; index < std::min(snapshots->snapshots().size(), kMostShots); ++index) {
    const auto opened = snapshots->OpenSnapshot(index);
    if (opened.ok()) {
      MapAndRead(*opened.value());
    } else {
      Told(opened.error());
    }
  }
}

void LookAtBitmaps(Image& image) {
  Bitmaps* bitmaps = image.bitmaps();
  if (bitmaps == nullptr) return;
  std::vector<std::byte> bits(512);
  for (std::size_t index = 0; index < std::min(bitmaps->bitmaps().size(), kMostShots); ++index) {
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1} << 20}) {
      const auto read = bitmaps->ReadBitmap(index, first, bits);
      if (!read.ok()) Told(read.error());
    }
  }
}

Result<CheckReport> Check(const FormatDriver& driver, const std::shared_ptr<SparseStorage>& file, Repair repair,
                          const OpenContext& context) {
  const auto log = [](const std::string& line) { Promise(!line.empty(), "a finding says what it is"); };
  return driver.check({.storage = file, .repair = repair, .context = context, .log = log});
}

bool Clean(const Result<CheckReport>& report) {
  return report.ok() && report.value().corruptions == 0 && report.value().check_errors == 0;
}

void Repaired(const FormatDriver& driver, const std::shared_ptr<SparseStorage>& file, const OpenContext& context) {
  for (const Repair repair : {Repair::kLeaks, Repair::kAll}) {
    const auto copy = file->Copy();
    const auto report = Check(driver, copy, repair, context);
    if (!report.ok()) {
      Told(report.error());
      continue;
    }
    if (repair != Repair::kAll || !Clean(report)) continue;
    const auto again = Check(driver, copy, Repair::kNothing, context);
    Promise(again.ok(), "what was repaired can be checked", again.ok() ? "" : again.error().Describe());
    Promise(Clean(again), "what a repair calls clean is clean");
    const auto opened = driver.open(copy, context);
    // A file that the image needs may be denied, and a legal feature unknown.
    const bool sound = opened.ok() || opened.error().kind() != ErrorKind::kCorrupt;
    Promise(sound, "what a repair calls clean is not corrupt", sound ? "" : opened.error().Describe());
  }
}

// Writes the first batch of the disk: one unit in a pattern, the rest as it is.
Result<std::vector<std::byte>> WriteFirstBatch(ImageWriter& writer, std::uint64_t size) {
  const WriterTraits& traits = writer.traits();
  Batch batch;
  batch.length = std::min<std::uint64_t>(traits.batch_alignment, size);
  std::vector<std::byte> bytes(std::min<std::uint64_t>(traits.unit, batch.length), std::byte{0x5A});
  batch.bytes = bytes;
  if (!bytes.empty()) {
    batch.runs = {Run{.kind = Run::Kind::kData, .offset = 0, .length = bytes.size()}};
    if (bytes.size() < batch.length) {
      batch.runs.push_back({Run::Kind::kBacking, bytes.size(), batch.length - bytes.size()});
    }
    PLATTER_CHECK(writer.Encode(batch));
    PLATTER_CHECK(writer.Place(batch));
    PLATTER_CHECK(writer.Store(batch));
  }
  PLATTER_CHECK(writer.Finish());
  return bytes;
}

void WriteInto(const FormatDriver& driver, const std::shared_ptr<SparseStorage>& file, std::uint64_t size,
               const OpenContext& context, bool clean) {
  const auto copy = file->Copy();
  const auto writer = driver.update({.storage = copy, .context = context});
  if (!writer.ok()) return Told(writer.error());
  const auto written = WriteFirstBatch(*writer.value(), size);
  if (!written.ok()) return Told(written.error());
  if (!clean) return;
  const auto image = driver.open(copy, context);
  Promise(image.ok(), "what was written into can be opened", image.ok() ? "" : image.error().Describe());
  std::vector<std::byte> bytes(written.value().size());
  Promise(image.value()->ReadAt(0, bytes).ok(), "what was written can be read");
  Promise(Same(bytes, written.value()), "what was written reads back");
  if (driver.check != nullptr) {
    const auto report = Check(driver, copy, Repair::kNothing, context);
    Promise(Clean(report), "what was written into is as clean as before");
  }
}

// Returns whether the image asked for a file that was denied.
bool Walk(const FormatDriver& driver, const std::shared_ptr<SparseStorage>& file, OpenContext context) {
  context.contents = false;
  const auto described = driver.open(file, context);
  if (!described.ok()) Told(described.error());
  context.contents = true;
  const auto image = driver.open(file, context);
  if (!image.ok()) Told(image.error());
  const bool denied = !image.ok() && image.error().kind() == ErrorKind::kDenied;
  if (image.ok()) {
    MapAndRead(*image.value());
    LookAtSnapshots(*image.value());
    LookAtBitmaps(*image.value());
    if (FileTree* tree = image.value()->file_tree(); tree != nullptr) LookAtTree(*tree, context.limits);
  }
  bool clean = true;
  if (driver.check != nullptr) {
    const auto report = Check(driver, file, Repair::kNothing, context);
    if (!report.ok()) Told(report.error());
    clean = Clean(report);
    if (driver.can_repair && !clean) Repaired(driver, file, context);
  }
  if (driver.update != nullptr && image.ok()) {
    WriteInto(driver, file, image.value()->info().virtual_size, context, clean);
  }
  return denied;
}

}  // namespace

Limits SmallLimits() {
  return {.table_cache = std::uint64_t{1} << 18,
          .metadata_bytes = std::uint64_t{4} << 20,
          .chain_depth = 8,
          .folder_entries = 100};
}

void WalkOpened(const FormatDriver& driver, const std::shared_ptr<SparseStorage>& file, const OpenContext& context) {
  DenyGate deny;
  OpenContext with_gate = context;
  with_gate.gate = &deny;
  with_gate.limits = SmallLimits();
  if (Walk(driver, file, with_gate)) {
    static std::map<std::string_view, std::vector<std::shared_ptr<SparseStorage>>> images;
    const auto [of_driver, added] = images.try_emplace(driver.name);
    if (added) of_driver->second = SmallImages(driver.name);
    SmallFilesGate gate(file, of_driver->second);
    with_gate.gate = &gate;
    Walk(driver, file, with_gate);
  }
  Promise(file->changes() == 0, "nothing changes a file that nobody asked to change");
}

void WalkImage(std::string_view format, std::span<const std::uint8_t> input, bool (*mend)(SparseStorage&)) {
  const FormatDriver& driver = *FindFormat(format);
  const auto file = SparseStorage::FromInput(input);
  WalkOpened(driver, file, {});
  auto mended = file->Copy();
  if (mend(*mended)) WalkOpened(driver, mended->Copy(), {});
}

}  // namespace platter::fuzz

// Random extents, through any writer, back through its reader: the same guest disk, and an image that check calls
// clean. The input chooses the format, its options, the disk's size, and what is written where.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "formats/core/chain.h"
#include "formats/format_table.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

struct Way {
  std::string_view format;
  std::string_view options;
  bool compress = false;
};
constexpr std::array kWays = {
    Way{"raw", ""},
    Way{"qcow2", ""},
    Way{"qcow2", "compat=0.10"},
    Way{"qcow2", "cluster_size=512"},
    Way{"qcow2", "cluster_size=4k,refcount_bits=1"},
    Way{"qcow2", "cluster_size=16k,extended_l2=on,refcount_bits=64"},
    Way{"qcow2", "cluster_size=512,preallocation=metadata"},
    Way{"qcow2", "data_file=other,cluster_size=1k"},
    Way{"qcow2", "cluster_size=1k", true},
    Way{"qcow2", "cluster_size=4k,compression_type=zstd", true},
    Way{"qcow2", "extended_l2=on", true},
    Way{"vhd", "force_size=on"},
    Way{"vhd", "subformat=fixed,force_size=on"},
    Way{"vhdx", "block_size=1M"},
    Way{"vhdx", "subformat=fixed,block_size=1M"},
    Way{"vmdk", ""},
    Way{"vmdk", "zeroed_grain=on"},
    Way{"vmdk", "subformat=streamOptimized"},
    Way{"vmdk", "subformat=monolithicFlat"},
    Way{"vmdk", "subformat=twoGbMaxExtentSparse"},
    Way{"vdi", ""},
    Way{"vdi", "static=on"},
    Way{"ploop", "cluster_size=512"},
    Way{"ploop", "cluster_size=64k"},
    Way{"ploop", "cluster_size=100k"},
};
constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kMostSectors = 4200;
constexpr std::size_t kMostRanges = 24;

class OtherFiles : public ReferenceGate {
 public:
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& /*referrer*/) override {
    auto& file = files_[wanted.text];
    if (file == nullptr) file = std::make_shared<SparseStorage>(wanted.text);
    return std::shared_ptr<Storage>(file);
  }

 private:
  std::map<std::string, std::shared_ptr<SparseStorage>> files_;
};

// The guest disk, and for each sector whether it is written as data.
struct Guest {
  explicit Guest(InputReader& input)
      : bytes((input.Word() % kMostSectors + 1) * kSector), data(bytes.size() / kSector) {
    for (std::size_t count = 0; count < kMostRanges && !input.empty(); ++count) Write(input);
  }
  void Write(InputReader& input) {
    const std::size_t start = input.Word() % data.size();
    const std::size_t length = std::min<std::size_t>(input.Below(250) + 1, data.size() - start);
    const unsigned fill = input.Byte();
    const unsigned step = input.Byte() % 4;
    // Each sector of a range differs from the last one; a few bytes make it so, the rest is quick to fill.
    for (std::size_t sector = start; sector < start + length; ++sector) {
      const auto part = std::span(bytes).subspan(sector * kSector, kSector);
      std::memset(part.data(), static_cast<int>(fill), part.size());
      for (std::size_t at = 0; at < kSector; at += 64) part[at] = std::byte(step * (sector + at));
      data[sector] = true;
    }
  }

  std::vector<std::byte> bytes;
  std::vector<bool> data;
};

// What [offset, offset + length) consists of: units with data in them, and the rest as zeros.
std::vector<Run> RunsOf(const Guest& guest, std::uint64_t offset, std::uint64_t length, std::uint64_t unit) {
  std::vector<Run> runs;
  for (std::uint64_t at = offset; at < offset + length;) {
    const std::uint64_t end = std::min(at / unit * unit + unit, offset + length);
    const auto first = guest.data.begin() + static_cast<std::ptrdiff_t>(at / kSector);
    const auto last = guest.data.begin() + static_cast<std::ptrdiff_t>((end + kSector - 1) / kSector);
    const auto kind = std::find(first, last, true) != last ? Run::Kind::kData : Run::Kind::kZero;
    if (!runs.empty() && runs.back().kind == kind) {
      runs.back().length += end - at;
    } else {
      runs.push_back({kind, at, end - at});
    }
    at = end;
  }
  return runs;
}

Result<> Write(ImageWriter& writer, const Guest& guest, std::uint64_t units) {
  const WriterTraits traits = writer.traits();
  const std::uint64_t step = traits.batch_alignment * units;
  Batch batch;
  for (std::uint64_t at = 0; at < guest.bytes.size(); at += step) {
    batch.offset = at;
    batch.length = std::min<std::uint64_t>(step, guest.bytes.size() - at);
    batch.bytes = std::span(guest.bytes).subspan(at, batch.length);
    batch.runs = RunsOf(guest, at, batch.length, traits.unit);
    PLATTER_CHECK(writer.Encode(batch));
    PLATTER_CHECK(writer.Place(batch));
    PLATTER_CHECK(writer.Store(batch));
  }
  return writer.Finish();
}

template <class T>
T Must(Result<T> result, const Way& way) {
  Promise(
      result.ok(), "a writer and its reader take any disk",
      result.ok() ? "" : std::string(way.format) + " " + std::string(way.options) + ": " + result.error().Describe());
  return std::move(result).value();
}

void Compare(const Way& way, Image& image, const Guest& guest) {
  Promise(image.info().virtual_size == guest.bytes.size(), "the disk keeps its size", way.format);
  std::vector<std::byte> bytes(guest.bytes.size());
  (void)Must(image.ReadAt(0, bytes), way);
  Promise(Same(bytes, guest.bytes), "the disk reads as it was written", way.options);
  for (std::uint64_t at = 0; at < bytes.size();) {
    const LayerExtent extent = Must(image.Map(at, bytes.size() - at), way);
    const auto part = std::span(bytes).subspan(at, extent.length);
    Promise(extent.status == BlockStatus::kData || AllZero(part), "what maps as zero is zero", way.options);
    at += extent.length;
  }
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  const Way& way = reader.Pick(kWays);
  const std::uint64_t units = reader.Below(64) + 1;
  const Guest guest(reader);
  const FormatDriver& driver = *FindFormat(way.format);
  OtherFiles others;
  const auto file = std::make_shared<SparseStorage>("image");
  CreateRequest request{.storage = file, .virtual_size = guest.bytes.size(), .compress = way.compress};
  request.options = Must(OptionValues::Parse(way.options, driver.create_options), way);
  request.open_side_file = [&others](const Reference& wanted) { return others.Open(wanted, ""); };
  (void)Must(Write(*Must(driver.create(request), way), guest, units), way);
  const OpenContext context{.limits = SmallLimits(), .gate = &others};
  Compare(way, *Must(driver.open(file, context), way), guest);
  if (driver.check == nullptr) return;
  const auto log = [](const std::string& line) { Broken("a new image is clean", line); };
  const auto report = Must(driver.check({.storage = file, .context = context, .log = log}), way);
  Promise(report.corruptions == 0 && report.leaks == 0 && report.check_errors == 0, "a new image is clean");
}

}  // namespace platter::fuzz

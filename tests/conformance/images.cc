#include "tests/conformance/images.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/support/command.h"
#include "tests/support/digest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

std::vector<Sample> SamplesOf(std::span<const Variant> ConformanceRow::*variants) {
  std::vector<Sample> samples;
  for (const ConformanceRow& row : ConformanceRows()) {
    for (const Variant& variant : row.*variants) samples.push_back({&row, variant});
  }
  return samples;
}

std::shared_ptr<Storage> OpenFile(const std::string& path, FileMode::Access access) {
  auto file = FileStorage::Open(path, {.access = access, .cache = CacheMode::kUnsafe});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return std::move(file).value();
}

std::shared_ptr<Storage> LoadFile(const std::string& path) {
  const auto file = OpenFile(path, FileMode::Access::kRead);
  std::vector<std::byte> bytes(file->size());
  EXPECT_TRUE(file->ReadAt(0, bytes).ok());
  return std::make_shared<MemoryStorage>(path, std::move(bytes));
}

// The other files of the images that live in memory, by the image's name and their own.
class SideFiles : public ReferenceGate {
 public:
  static SideFiles& All() {
    static SideFiles files;
    return files;
  }

  std::shared_ptr<Storage> Make(const Reference& wanted, const std::string& image) {
    return files_[{image, wanted.text}] = std::make_shared<MemoryStorage>(wanted.text);
  }
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override {
    const auto file = files_.find({referrer, wanted.text});
    if (file != files_.end()) return file->second;
    return Error(ErrorKind::kDenied, "no other files here").Found(wanted.text);
  }

 private:
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Storage>> files_;
};

bool IsFile(const Storage& storage) { return storage.fd() >= 0; }

}  // namespace

ReferenceGate& SideFilesInMemory() { return SideFiles::All(); }

const FormatDriver& Sample::driver() const { return *FindFormat(row->format); }

std::string Sample::Text() const {
  return fmt::format("{}, {}{}", row->format, variant.options.empty() ? "defaults" : variant.options,
                     variant.compress ? ", compressed" : "");
}

GuestDisk SampleGuest(const Sample& sample, std::uint64_t seed, std::uint64_t size, std::uint64_t granularity) {
  GuestDisk disk = RandomGuest(seed, size, granularity);
  if (sample.row->shape != nullptr) sample.row->shape(disk);
  return disk;
}

std::vector<Sample> OurSamples() { return SamplesOf(&ConformanceRow::ours); }
std::vector<Sample> PeerSamples() { return SamplesOf(&ConformanceRow::peers); }

std::vector<Sample> ReadableSamples() {
  std::vector<Sample> samples = OurSamples();
  for (const Sample& sample : PeerSamples()) {
    if (sample.row->ours.empty()) samples.push_back(sample);
  }
  return samples;
}

Result<std::unique_ptr<ImageWriter>> NewSample(const Sample& sample, std::shared_ptr<Storage> storage,
                                               std::uint64_t virtual_size) {
  CreateRequest request{
      .storage = std::move(storage), .virtual_size = virtual_size, .compress = sample.variant.compress};
  request.options = PLATTER_TRY(OptionValues::Parse(sample.variant.options, sample.driver().create_options));
  const std::string image = request.storage->name();
  const bool file = IsFile(*request.storage);
  request.open_side_file = [=](const Reference& wanted) -> Result<std::shared_ptr<Storage>> {
    if (!file) return SideFiles::All().Make(wanted, image);
    return OpenFile(PLATTER_TRY(ResolveReference(wanted, image)), FileMode::Access::kCreate);
  };
  return sample.driver().create(request);
}

Result<> WriteSample(const Sample& sample, std::shared_ptr<Storage> storage, const GuestDisk& disk) {
  const auto writer = PLATTER_TRY(NewSample(sample, std::move(storage), disk.size));
  return WriteThrough(*writer, disk);
}

std::shared_ptr<Storage> SampleInMemory(const Sample& sample, const GuestDisk& disk) {
  if (sample.row->ours.empty()) {
    const TempDir folder;
    MakePeerFile(sample, folder.File("image"), disk, 1);
    return LoadFile(folder.File("image"));
  }
  static std::uint64_t count = 0;
  auto storage = std::make_shared<MemoryStorage>(fmt::format("image {}", ++count));
  const auto written = WriteSample(sample, storage, disk);
  EXPECT_TRUE(written.ok()) << written.error().Describe();
  return storage;
}

void WriteSampleFile(const Sample& sample, const std::string& path, const GuestDisk& disk) {
  const auto written = WriteSample(sample, OpenFile(path, FileMode::Access::kCreate), disk);
  EXPECT_TRUE(written.ok()) << written.error().Describe();
}

void MakePeerFile(const Sample& sample, const std::string& path, const GuestDisk& disk, std::uint64_t seed) {
  const std::string format(sample.row->peer_format);
  const std::string options(sample.variant.options);
  if (sample.variant.compress) {
    WriteRawFile(disk, path + ".raw");
    std::vector<std::string> convert = {"qemu-img", "convert", "-c", "-f", "raw", "-O", format};
    if (!options.empty()) convert.insert(convert.end(), {"-o", options});
    convert.insert(convert.end(), {path + ".raw", path});
    MustRun(convert);
    return;
  }
  std::vector<std::string> create = {"qemu-img", "create", "-q", "-f", format};
  if (!options.empty()) create.insert(create.end(), {"-o", options});
  create.insert(create.end(), {path, std::to_string(disk.size)});
  MustRun(create);
  WriteWithQemuIo(disk, path, format, seed);
}

Result<Chain> OpenAlone(const FormatDriver& driver, std::shared_ptr<Storage> storage, const Limits& limits) {
  LocalGate folder({});
  OpenContext context;
  context.limits = limits;
  context.gate = IsFile(*storage) ? static_cast<ReferenceGate*>(&folder) : &SideFiles::All();
  auto image = PLATTER_TRY(driver.open(std::move(storage), context));
  return Chain({std::move(image)});
}

Result<Chain> OpenFileAlone(const FormatDriver& driver, const std::string& path) {
  return OpenAlone(driver, OpenFile(path, FileMode::Access::kRead));
}

Result<std::string> ReadWhole(const Chain& chain) {
  Sha256 digest;
  std::vector<std::byte> part(std::size_t{1} << 16);
  for (std::uint64_t at = 0; at < chain.virtual_size();) {
    const Extent extent = PLATTER_TRY(chain.Map(at, chain.virtual_size() - at));
    if (extent.status != BlockStatus::kData) {
      digest.AddZeros(extent.length);
      at += extent.length;
      continue;
    }
    const auto bytes = std::span(part).first(std::min<std::uint64_t>(part.size(), extent.length));
    PLATTER_CHECK(chain.ReadAt(at, bytes));
    digest.Add(bytes);
    at += bytes.size();
  }
  return digest.Hex();
}

}  // namespace platter::test

#include "tests/support/guest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "tests/support/command.h"
#include "tests/support/digest.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kLargeUnit = 65536;
constexpr std::size_t kCommandsPerRun = 64;

// Byte `at` of a range's content, so that any part of it can be made on its own. Eight bytes share one random number.
std::byte NoiseByte(std::uint64_t seed, std::uint64_t at) {
  Random random(seed + at / 8);
  return static_cast<std::byte>(random.Next() >> (at % 8 * 8));
}

std::byte TextByte(std::uint64_t seed, std::uint64_t at) {
  static constexpr std::array<std::string_view, 8> kWords = {"cluster ", "extent  ", "grain   ", "block   ",
                                                             "sector  ", "header  ", "footer  ", "layer\n  "};
  Random random(seed + at / 64);  // one word per line of 64 bytes
  return static_cast<std::byte>(kWords[random.Below(kWords.size())][at % 8]);
}

void FillRange(const GuestRange& range, std::uint64_t offset, std::span<std::byte> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t at = offset - range.offset + i;
    out[i] = range.kind == GuestRange::Kind::kNoise ? NoiseByte(range.seed, at) : TextByte(range.seed, at);
  }
}

std::uint64_t RandomLength(Random& random, std::uint64_t granularity) {
  switch (random.Below(4)) {
    case 0:
      return granularity * (1 + random.Below(3));
    case 1:
      return granularity * (1 + random.Below(std::max<std::uint64_t>(1, kLargeUnit / granularity)));
    default:
      return kLargeUnit * (1 + random.Below(4)) / granularity * granularity + granularity * random.Below(2);
  }
}

// Adds what [begin, end) of the disk is to `runs`, joined with its predecessor where the kind is the same.
void AddRun(std::vector<Run>& runs, Run::Kind kind, std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return;
  if (!runs.empty() && runs.back().kind == kind) {
    runs.back().length += end - begin;
  } else {
    runs.push_back({kind, begin, end - begin});
  }
}

// The runs of [begin, end) in whole units: a unit with any data in it is data.
std::vector<Run> RunsOf(const GuestDisk& disk, std::uint64_t begin, std::uint64_t end, std::uint64_t unit) {
  std::vector<Run> runs;
  for (std::uint64_t at = begin; at < end; at += unit) {
    const std::uint64_t stop = std::min(end, at + unit);
    Run::Kind kind = Run::Kind::kBacking;
    for (const GuestRange& range : disk.ranges) {
      if (range.end() <= at || range.offset >= stop) continue;
      if (range.data()) kind = Run::Kind::kData;
      if (range.kind == GuestRange::Kind::kZero && kind == Run::Kind::kBacking) kind = Run::Kind::kZero;
    }
    AddRun(runs, kind, at, stop);
  }
  return runs;
}

std::vector<std::string> QemuIoWrites(const GuestDisk& disk, const std::string& path, std::uint64_t seed) {
  std::vector<std::string> writes;
  for (const GuestRange& range : disk.ranges) {
    if (range.kind == GuestRange::Kind::kHole) continue;
    if (!range.data()) {
      writes.push_back(fmt::format("write -q -z {} {}", range.offset, range.length));
      continue;
    }
    const std::string source = fmt::format("{}.{}.bytes", path, range.offset);
    std::vector<std::byte> bytes(range.length);
    disk.Fill(range.offset, bytes);
    std::ofstream(source, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    writes.push_back(fmt::format("write -q -s {} {} {}", source, range.offset, range.length));
  }
  Random random(seed);
  for (std::size_t i = writes.size(); i > 1; --i) std::swap(writes[i - 1], writes[random.Below(i)]);
  return writes;
}

}  // namespace

std::uint64_t Random::Next() noexcept {
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

void GuestDisk::Fill(std::uint64_t offset, std::span<std::byte> out) const {
  std::ranges::fill(out, std::byte{0});
  const std::uint64_t end = offset + out.size();
  for (const GuestRange& range : ranges) {
    if (!range.data() || range.end() <= offset || range.offset >= end) continue;
    const std::uint64_t from = std::max(offset, range.offset);
    const std::uint64_t to = std::min(end, range.end());
    FillRange(range, from, out.subspan(from - offset, to - from));
  }
  if (!imprint) return;
  const std::uint64_t from = std::max(offset, imprint->offset);
  const std::uint64_t to = std::min(end, imprint->offset + imprint->bytes.size());
  if (from >= to) return;
  std::ranges::copy(std::span(imprint->bytes).subspan(from - imprint->offset, to - from),
                    out.begin() + static_cast<std::ptrdiff_t>(from - offset));
}

std::vector<std::byte> GuestDisk::Content() const {
  std::vector<std::byte> bytes(size);
  Fill(0, bytes);
  return bytes;
}

std::string GuestDisk::Sha256() const { return Sha256OfBytes(Content()); }

GuestDisk RandomGuest(std::uint64_t seed, std::uint64_t size, std::uint64_t granularity) {
  static constexpr std::array kKinds = {GuestRange::Kind::kNoise, GuestRange::Kind::kText, GuestRange::Kind::kZero,
                                        GuestRange::Kind::kHole, GuestRange::Kind::kHole};
  Random random(seed);
  GuestDisk disk{.size = size, .ranges = {}, .imprint = {}};
  for (std::uint64_t at = 0; at < size;) {
    const std::uint64_t length = std::min(size - at, RandomLength(random, granularity));
    disk.ranges.push_back({at, length, random.Pick(kKinds), random.Next()});
    at += length;
  }
  return disk;
}

void AddImprint(GuestDisk& disk, Imprint imprint) {
  const std::uint64_t begin = imprint.offset;
  const std::uint64_t end = begin + imprint.bytes.size();
  std::vector<GuestRange> ranges;
  for (const GuestRange& range : disk.ranges) {
    const auto keep = [&](std::uint64_t from, std::uint64_t to) {
      if (from < to) ranges.push_back({from, to - from, range.kind, range.seed});
    };
    keep(range.offset, std::min(range.end(), begin));
    if (range.offset <= begin && begin < range.end()) {
      ranges.push_back({begin, end - begin, GuestRange::Kind::kNoise, range.seed});
    }
    keep(std::max(range.offset, end), range.end());
  }
  disk.ranges = std::move(ranges);
  disk.imprint = std::move(imprint);
}

void WriteRawFile(const GuestDisk& disk, const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (const GuestRange& range : disk.ranges) {
    if (!range.data()) continue;
    std::vector<std::byte> bytes(range.length);
    disk.Fill(range.offset, bytes);
    file.seekp(static_cast<std::streamoff>(range.offset));
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
  std::filesystem::resize_file(path, disk.size);
}

void WriteWithQemuIo(const GuestDisk& disk, const std::string& path, const std::string& format, std::uint64_t seed) {
  const std::vector<std::string> writes = QemuIoWrites(disk, path, seed);
  for (std::size_t first = 0; first < writes.size(); first += kCommandsPerRun) {
    std::vector<std::string> argv = {"qemu-io", "-t", "unsafe", "-f", format};
    for (std::size_t i = first; i < std::min(writes.size(), first + kCommandsPerRun); ++i) {
      argv.insert(argv.end(), {"-c", writes[i]});
    }
    argv.push_back(path);
    MustRun(argv);
  }
}

Result<> WriteThrough(ImageWriter& writer, const GuestDisk& disk, std::uint64_t batch_bytes) {
  const WriterTraits& traits = writer.traits();
  const std::uint64_t step = std::max(batch_bytes / traits.batch_alignment, std::uint64_t{1}) * traits.batch_alignment;
  Batch batch;
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at < disk.size; at += step) {
    bytes.resize(std::min(step, disk.size - at));
    disk.Fill(at, bytes);
    batch.offset = at;
    batch.length = bytes.size();
    batch.bytes = bytes;
    batch.runs = RunsOf(disk, at, at + batch.length, traits.unit);
    PLATTER_CHECK(writer.Encode(batch));
    PLATTER_CHECK(writer.Place(batch));
    PLATTER_CHECK(writer.Store(batch));
  }
  return writer.Finish();
}

Result<> WriteThroughDriver(const FormatDriver& driver, const CreateRequest& request, const GuestDisk& disk,
                            std::uint64_t batch_bytes) {
  const auto writer = PLATTER_TRY(driver.create(request));
  return WriteThrough(*writer, disk, batch_bytes);
}

}  // namespace platter::test

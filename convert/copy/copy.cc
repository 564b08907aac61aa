#include "convert/copy/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "convert/copy/buffer.h"
#include "convert/copy/in_kernel.h"
#include "convert/copy/left_to_backing.h"
#include "convert/copy/rate_limit.h"
#include "convert/copy/runs.h"
#include "convert/copy/sequencer.h"
#include "convert/copy/walker.h"
#include "formats/core/checked.h"

namespace platter {
namespace {

using copy::Segment;
using copy::Window;

// Zeros that cost the target nothing, and zeros that it has to write (a device may not know how to punch).
constexpr std::uint64_t kLongestFreeZero = std::uint64_t{1} << 40;
constexpr std::uint64_t kLongestWrittenZero = std::uint64_t{256} << 20;
// What is read and written in one piece, where the target's clusters allow: small enough for the CPU's cache, or, where
// nobody looks at it, large: that costs the host less.
constexpr std::uint64_t kWindow = std::uint64_t{512} << 10;
constexpr std::uint64_t kLargeWindow = std::uint64_t{2} << 20;
constexpr unsigned kMostWorkers = 16;
// A read that fails is tried again in smaller pieces down to this many bytes.
constexpr std::uint64_t kSalvageUnit = 512;

unsigned ChooseWorkers(const CopyOptions& options, std::uint64_t window_bytes, bool compresses, bool moves) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  // What is only moved waits for the one write that a file takes at a time: more workers than cores only take turns.
  const unsigned wanted = options.workers != 0 ? options.workers : std::clamp(cores, moves ? 2U : 4U, kMostWorkers);
  const std::uint64_t each = window_bytes * (compresses ? 2 : 1);
  const std::uint64_t affordable = std::max<std::uint64_t>(1, options.buffer_bytes / each);
  return static_cast<unsigned>(std::min<std::uint64_t>(std::min(wanted, kMostWorkers), affordable));
}

class Job {
 public:
  Job(std::span<const Chain* const> sources, ImageWriter& writer, const CopyOptions& options);

  Result<CopyReport> Execute();

 private:
  struct Desk;  // what one worker works with

  copy::WalkRules MakeWalkRules();
  copy::RunRules MakeRunRules() const;
  void Work();
  bool NextWindow(Window& window);
  Result<> Process(Desk& desk);
  static Result<> During(const char* activity, const Desk& desk, Result<> result);
  Result<> Load(Desk& desk);
  Result<> TakePacked(Desk& desk);
  Result<> ReadSegments(const Window& window, std::span<std::byte> bytes);
  Result<> ReadSegment(const Segment& segment, std::span<std::byte> out);
  void Salvage(const Segment& segment, std::uint64_t skip, std::span<std::byte> out);
  Result<> BuildBatch(Desk& desk, std::span<std::byte> bytes);
  Result<> StoreBatch(Desk& desk);
  void ReportReadError(std::uint64_t guest_offset, const Error& error);
  void Account(const Desk& desk);
  void AccountMoved(const Desk& desk);
  bool ComparesWithBacking() const { return options_.target_backing != nullptr && options_.layers_above_backing == 0; }
  bool Cancelled() const { return options_.cancel != nullptr && options_.cancel->load(std::memory_order_relaxed); }

  ImageWriter& writer_;
  const CopyOptions& options_;
  std::uint64_t window_bytes_;
  copy::RunRules run_rules_;
  copy::RateLimit rate_limit_;
  copy::Sequencer sequencer_;
  copy::HostMoves host_moves_;
  std::mutex walker_mutex_;
  copy::Walker walker_;
  std::mutex report_mutex_;
  CopyReport report_;
};

struct Job::Desk {
  Window window;
  Batch batch;
  copy::Buffer buffer;
};

Job::Job(std::span<const Chain* const> sources, ImageWriter& writer, const CopyOptions& options)
    : writer_(writer),
      options_(options),
      window_bytes_(std::max(options.moves_only ? kLargeWindow : kWindow, writer.traits().batch_alignment)),
      run_rules_(MakeRunRules()),
      rate_limit_(options.rate_limit),
      host_moves_(ComparesWithBacking() ? nullptr : options.reflink_target, writer.traits(),
                  options.in_kernel && !ComparesWithBacking()),
      walker_(sources, MakeWalkRules()) {}

copy::WalkRules Job::MakeWalkRules() {
  const WriterTraits& traits = writer_.traits();
  copy::WalkRules rules;
  rules.window_bytes = window_bytes_;
  rules.alignment = traits.batch_alignment;
  const bool free_zeros = traits.starts_zeroed && !ComparesWithBacking();
  rules.longest_zero = free_zeros ? kLongestFreeZero : kLongestWrittenZero;
  rules.zeros_are_data = run_rules_.zeros_are_data;
  if (options_.pass_packed && !ComparesWithBacking()) rules.packing = traits.packing;
  rules.keep_host_spots = host_moves_.possible();
  if (options_.target_backing != nullptr) {
    rules.layers_above = options_.layers_above_backing;
    rules.backing_size = options_.target_backing->virtual_size();
  }
  rules.tail = options_.target_content;
  rules.target_size = options_.target_size;
  rules.cancel = options_.cancel;
  if (options_.salvage) {
    rules.on_map_error = [this](std::uint64_t offset, const Error& error) { ReportReadError(offset, error); };
  }
  return rules;
}

copy::RunRules Job::MakeRunRules() const {
  const std::uint64_t unit = writer_.traits().unit;
  const std::uint64_t wanted = std::bit_ceil(std::clamp<std::uint64_t>(options_.sparse_granularity, 1, window_bytes_));
  return {.unit = unit,
          .granularity = std::max(unit, wanted),
          // What the host copies is not looked at, whether it copies or has to be helped.
          .scan = options_.sparse_granularity != 0 && !options_.in_kernel,
          .zeros_are_data = options_.sparse_granularity == 0 && !options_.in_kernel,
          .rest = options_.target_content != nullptr ? options_.target_content : options_.target_backing};
}

void Job::ReportReadError(std::uint64_t guest_offset, const Error& error) {
  const std::lock_guard lock(report_mutex_);
  ++report_.read_errors;
  if (options_.on_read_error) options_.on_read_error(guest_offset, error);
}

bool Job::NextWindow(Window& window) {
  const std::lock_guard lock(walker_mutex_);
  if (sequencer_.failed()) return false;
  auto more = walker_.Next(window);
  if (!more.ok()) {
    sequencer_.Fail(window.ticket, std::move(more).error().While(
                                       fmt::format("error while reading block status at offset {}", window.end())));
    return false;
  }
  if (more.value() && Cancelled()) {
    sequencer_.Fail(window.ticket, Error(ErrorKind::kCancelled, "cancelled"));
    return false;
  }
  return more.value();
}

void Job::Work() {
  Desk desk;
  while (NextWindow(desk.window)) {
    auto processed = Process(desk);
    if (!processed.ok()) sequencer_.Fail(desk.window.ticket, std::move(processed).error());
  }
}

Result<> Job::Process(Desk& desk) {
  const std::uint64_t ticket = desk.window.ticket;
  PLATTER_CHECK(During("reading", desk, Load(desk)));
  if (sequencer_.Abandoned(ticket)) return Done{};
  if (!desk.batch.bytes.empty()) PLATTER_CHECK(During("writing", desk, writer_.Encode(desk.batch)));
  if (!sequencer_.WaitForTurn(ticket)) return Done{};
  PLATTER_CHECK(During("writing", desk, writer_.Place(desk.batch)));
  Account(desk);
  sequencer_.EndTurn(ticket);
  return During("writing", desk, StoreBatch(desk));
}

// Adds to an error what was being done and where.
Result<> Job::During(const char* activity, const Desk& desk, Result<> result) {
  if (result.ok()) return result;
  return std::move(result).error().While(fmt::format("error while {} at byte {}", activity, desk.window.offset));
}

// Reads and scans the window: batch.runs and batch.bytes are complete.
Result<> Job::Load(Desk& desk) {
  const Window& window = desk.window;
  desk.batch.offset = window.offset;
  desk.batch.length = window.length;
  desk.batch.packed.Clear();
  if (!copy::NeedsBytes(window, run_rules_.unit)) return BuildBatch(desk, {});
  rate_limit_.Admit(window.length, [&] { return Cancelled() || sequencer_.Abandoned(window.ticket); });
  const auto bytes = PLATTER_TRY(desk.buffer.Get(window.length, window_bytes_));
  host_moves_.Mark(desk.window);
  PLATTER_CHECK(TakePacked(desk));
  PLATTER_CHECK(ReadSegments(window, bytes));
  return BuildBatch(desk, bytes);
}

// Loads what need not be inflated; where an image is in doubt about a segment, that is read like any other.
Result<> Job::TakePacked(Desk& desk) {
  PackedUnits& packed = desk.batch.packed;
  for (Segment& segment : desk.window.segments) {
    if (!segment.packed) continue;
    const std::size_t units = packed.units.size();
    const std::size_t bytes = packed.bytes.size();
    Image& layer = segment.source->layer(segment.depth);
    segment.packed = PLATTER_TRY(layer.ReadPacked(segment.source_offset, segment.length, packed));
    if (!segment.packed) {
      packed.units.resize(units);
      packed.bytes.resize(bytes);
    }
    for (PackedUnit& unit : std::span(packed.units).subspan(units)) {
      unit.guest += segment.offset - segment.source_offset;
    }
  }
  return Done{};
}

Result<> Job::ReadSegments(const Window& window, std::span<std::byte> bytes) {
  for (const Segment& segment : window.segments) {
    if (segment.kind != Segment::Kind::kData || segment.unseen()) continue;
    const auto out = bytes.subspan(segment.offset - window.offset, segment.length);
    auto read = ReadSegment(segment, out);
    if (read.ok()) continue;
    if (!options_.salvage) return read;
    Salvage(segment, 0, out);
    if (Cancelled()) return Error(ErrorKind::kCancelled, "cancelled");
  }
  return Done{};
}

Result<> Job::ReadSegment(const Segment& segment, std::span<std::byte> out) {
  if (segment.depth >= segment.source->depth()) return segment.source->ReadAt(segment.source_offset, out);
  return segment.source->layer(segment.depth).ReadAt(segment.source_offset, out);
}

// Reads what can be read of the `out.size()` bytes from `skip` on, halving what fails; the rest becomes zeros.
void Job::Salvage(const Segment& segment, std::uint64_t skip, std::span<std::byte> out) {
  if (Cancelled()) return;
  Segment part = segment;
  part.source_offset += skip;
  const auto read = ReadSegment(part, out);
  if (read.ok()) return;
  if (out.size() <= kSalvageUnit) {
    std::ranges::fill(out, std::byte{0});
    ReportReadError(segment.offset + skip, read.error());
    return;
  }
  const std::uint64_t half = AlignUp<std::uint64_t>(out.size() / 2, kSalvageUnit);
  Salvage(segment, skip, out.first(half));
  Salvage(segment, skip + half, out.subspan(half));
}

Result<> Job::BuildBatch(Desk& desk, std::span<std::byte> bytes) {
  desk.batch.bytes = bytes;
  PLATTER_CHECK(copy::BuildRuns(desk.window, run_rules_, bytes, desk.batch.runs));
  if (ComparesWithBacking()) {
    PLATTER_CHECK(copy::LeaveToBacking(*options_.target_backing, run_rules_.unit, desk.batch));
  }
  if (options_.target_is_zero && options_.target_backing == nullptr) {
    for (Run& run : desk.batch.runs) {
      if (run.kind == Run::Kind::kZero) run.kind = Run::Kind::kBacking;
    }
  }
  return Done{};
}

Result<> Job::StoreBatch(Desk& desk) {
  if (host_moves_.CarryOut(desk.window, desk.batch)) {
    AccountMoved(desk);
    return writer_.Store(desk.batch);
  }
  // The payload's place is decided, only the bytes are missing.
  const auto bytes = PLATTER_TRY(desk.buffer.Get(desk.window.length, window_bytes_));
  PLATTER_CHECK(ReadSegments(desk.window, bytes));
  return writer_.Store(desk.batch);
}

void Job::Account(const Desk& desk) {
  const std::lock_guard lock(report_mutex_);
  for (const Run& run : desk.batch.runs) {
    if (run.kind == Run::Kind::kData) report_.data_bytes += run.length;
    if (run.kind == Run::Kind::kZero) report_.zero_bytes += run.length;
    if (run.kind == Run::Kind::kBacking) report_.backing_bytes += run.length;
  }
  for (const Segment& segment : desk.window.segments) {
    if (segment.packed) report_.packed_bytes += segment.length;
  }
  if (options_.progress) options_.progress(desk.window.end(), walker_.total());
}

void Job::AccountMoved(const Desk& desk) {
  const std::lock_guard lock(report_mutex_);
  for (const Segment& segment : desk.window.segments) {
    if (segment.move) report_.in_kernel_bytes += segment.length;
  }
}

Result<CopyReport> Job::Execute() {
  std::vector<std::thread> threads;
  const unsigned workers = ChooseWorkers(options_, window_bytes_, writer_.traits().compresses, options_.moves_only);
  try {
    for (unsigned i = 1; i < workers; ++i) threads.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    // The host grants no more threads: those that run will do.
  }
  Work();
  for (std::thread& thread : threads) thread.join();
  PLATTER_CHECK(std::move(sequencer_).Outcome());
  if (Cancelled()) return Error(ErrorKind::kCancelled, "cancelled");
  return report_;
}

}  // namespace

Result<std::uint64_t> JoinedSize(std::span<const Chain* const> sources) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  std::uint64_t size = 0;
  for (const Chain* source : sources) {
    size = AlignUp(size, copy::kSectorSize);
    if (source->virtual_size() > kMost - size) return Error(ErrorKind::kOutOfRange, "the joined disks are too large");
    size += source->virtual_size();
  }
  return size;
}

Result<CopyReport> Copy(std::span<const Chain* const> sources, ImageWriter& writer, const CopyOptions& options) {
  PLATTER_CHECK(JoinedSize(sources));
  return Job(sources, writer, options).Execute();
}

}  // namespace platter

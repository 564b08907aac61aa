#include "formats/inspect/inspect_storage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "formats/container_table.h"
#include "formats/containers/codec/decoder.h"
#include "formats/containers/codec/unpacked_storage.h"
#include "formats/content.h"
#include "formats/core/checked.h"
#include "formats/core/driver.h"
#include "formats/core/slice_storage.h"
#include "formats/format_table.h"
#include "formats/inspect/foreign.h"
#include "formats/partition/partition_table.h"

namespace platter::inspect {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::size_t kShownProblems = 8;
constexpr std::size_t kShownOfTable = 64;
constexpr std::string_view kTrailingData = "compressed.trailing_data";
constexpr std::size_t kPiece = std::size_t{256} << 10;

// What a probe may see. Of a stream that goes on there is no end yet.
struct Ends {
  std::vector<std::byte> head;
  std::vector<std::byte> tail;
  std::uint64_t size = 0;

  ProbeInput input() const noexcept { return {head, tail, size}; }
};

// Whether the bytes are the file's own, or those of a disk in a container, whose length is known from its start, or
// what such a disk unpacks to.
enum class Place : std::uint8_t { kFile, kContainer, kUnpacked };

class Inspection final {
 public:
  Inspection(const std::shared_ptr<Storage>& storage, const StreamWindow* stream, UnpackedParts* parts, Depth depth,
             const Limits& limits, const Unpacking& unpacking, Place place, ReadBefore* read_before = nullptr)
      : storage_(storage),
        stream_(stream),
        parts_(parts),
        depth_(depth),
        limits_(limits),
        unpacking_(unpacking),
        place_(place),
        read_before_(read_before) {}

  Result<Report> Run() {
    report_.file_size = whole() || place_ == Place::kContainer ? storage_->size() : stream_->position();
    const Ends ends = PLATTER_TRY(ReadEnds());
    for (const Marked& marked : MarkedBy(ends.input())) PLATTER_CHECK(InspectAs(*marked.driver, marked.likeness));
    const ContainerDriver* container = ContainerBy(ends.input());
    if (container == nullptr) PLATTER_CHECK(LookForSecondLuksHeader());
    if (report_.formats.size() > 1) {
      report_.Add("content.ambiguous", Concern::kAmbiguous, "the file is more than one format at once",
                  fmt::format("{}", fmt::join(report_.formats, ", ")));
    }
    const Wrapping at_the_end = PLATTER_TRY(WrappingAtTheEnd(ends));
    if (container != nullptr) {
      PLATTER_CHECK(InspectAsContainer(*container));
      AddSecondContent(at_the_end, container->name);
    } else if (report_.formats.empty()) {
      const Wrapping wrapping = ForeignContainer(ends.head);
      PLATTER_CHECK(InspectAsRaw(ends, wrapping.container.empty() ? at_the_end : wrapping));
    } else {
      AddSecondContent(ForeignContainer(ends.head), report_.formats.front());
      AddSecondContent(at_the_end, report_.formats.front());
    }
    if (std::ranges::find(report_.formats, "vhd") == report_.formats.end() &&
        EndsWithVhdFooter(ends.tail, report_.file_size)) {
      report_.Add(
          "content.stray_footer", Concern::kAmbiguous,
          "the file ends with a VHD's footer that does not fit it: the disk is cut, or made to be taken for one");
    }
    if (report_.format == "iso") PLATTER_CHECK(LookForPartitions("iso"));
    return std::move(report_);
  }

 private:
  bool whole() const noexcept { return stream_ == nullptr || stream_->size() != StreamWindow::kEndless; }

  Result<Ends> ReadEnds() {
    Ends ends;
    ends.size = storage_->size();
    ends.head.resize(ProbeInput::HeadOf(report_.file_size));
    PLATTER_CHECK(
        storage_->ReadAt(0, std::span(ends.head).first(std::min<std::uint64_t>(report_.file_size, ProbeInput::kHead))));
    if (!whole() && place_ != Place::kContainer) return ends;
    ends.tail.resize(std::min<std::uint64_t>(report_.file_size, ProbeInput::kTail));
    const auto tail = storage_->ReadAt(report_.file_size - ends.tail.size(), ends.tail);
    if (tail.ok()) return ends;
    if (whole()) return Error(ErrorKind::kIo, tail.error().what());
    // Asked for, and so kept when it comes by.
    ends.tail.clear();
    return ends;
  }

  // Programs find a LUKS disk of version 2 by its second header alone, which may lie further on than a probe sees. Only
  // what may be raw bytes to others: an image's own tables take the room of a stream otherwise.
  Result<> LookForSecondLuksHeader() {
    const auto has = [&](std::string_view format) {
      return std::ranges::find(report_.formats, format) != report_.formats.end();
    };
    if (has("luks") || (!report_.formats.empty() && !has("iso") && !has("vhd"))) return Done{};
    const FormatDriver& luks = *FindFormat("luks");
    bool found = false;
    const auto look = [&]() -> Result<> {
      const auto image = luks.open(storage_, Context());
      found = image.ok();
      if (found || image.error().kind() == ErrorKind::kNotThisFormat) return Done{};
      return Error(image.error().kind(), image.error().what());
    };
    PLATTER_TRY(Try(luks, look));
    return found ? InspectAs(luks, Likeness::kCertain) : Result<>(Done{});
  }

  struct Marked {
    const FormatDriver* driver;
    Likeness likeness;
  };

  // Of a disk in an archive, as much of its end as a probe sees: a stream has no room for more.
  Result<Wrapping> WrappingAtTheEnd(const Ends& ends) {
    if (place_ == Place::kContainer) return ForeignContainerAtTheEnd(ends.tail, report_.file_size);
    if (!whole()) return Wrapping{};
    std::vector<std::byte> tail(std::min<std::uint64_t>(report_.file_size, kZipTail));
    PLATTER_CHECK(storage_->ReadAt(report_.file_size - tail.size(), tail));
    return ForeignContainerAtTheEnd(tail, report_.file_size);
  }

  // Programs that unpack read what is wrapped, and never see `other`.
  void AddSecondContent(const Wrapping& wrapping, std::string_view other) {
    if (wrapping.container.empty()) return;
    report_.Add("content.ambiguous", Concern::kAmbiguous, "the file is an archive and something else at once",
                fmt::format("{}, {}", wrapping.container, other));
  }

  // Surest first, then in the order of the table.
  static std::vector<Marked> MarkedBy(const ProbeInput& input) {
    std::vector<Marked> marked;
    for (const Likeness likeness : {Likeness::kCertain, Likeness::kMaybe}) {
      for (const FormatDriver* driver : AllFormats()) {
        if (driver->name != "raw" && driver->probe(input) == likeness) marked.push_back({driver, likeness});
      }
    }
    return marked;
  }

  // Of what is no container itself.
  const ContainerDriver* ContainerBy(const ProbeInput& input) const {
    if (place_ != Place::kFile) return nullptr;
    for (const ContainerDriver* driver : AllContainers()) {
      if (driver->probe(input) == Likeness::kCertain) return driver;
    }
    return nullptr;
  }

  // Runs `work`, a parser. True when it went through; otherwise its error is a finding, unless the bytes that it wanted
  // are not here.
  template <class Driver, class Work>
  Result<bool> Try(const Driver& driver, Work work) {
    const std::uint64_t before = stream_ == nullptr ? 0 : stream_->misses();
    Result<> done = work();
    if (stream_ != nullptr && stream_->misses() != before) {
      AddUnseen(driver.name);
      return false;
    }
    if (done.ok()) return true;
    Error error = std::move(done).error();
    if (error.kind() == ErrorKind::kIo) return error;
    report_.findings.push_back(FindingOf(driver.name, driver.finding_rules, error));
    return false;
  }

  void AddUnseen(std::string_view name) {
    const std::string code = fmt::format("{}.unseen", name);
    if (!whole() || std::ranges::find(report_.findings, code, &Finding::code) != report_.findings.end()) return;
    report_.Add(code, Concern::kUnseen,
                "a table lies in front of what names it, or is too large to be held while the file passes by; "
                "inspect the stored file");
  }

  OpenContext Context() {
    OpenContext context;
    context.limits = limits_;
    context.gate = &gate_;
    context.contents = false;
    return context;
  }

  Result<> InspectAs(const FormatDriver& driver, Likeness likeness) {
    const std::size_t first = report_.findings.size();
    std::shared_ptr<Image> image;
    bool foreign = false;
    const auto open = [&]() -> Result<> {
      auto result = driver.open(storage_, Context());
      foreign = !result.ok() && result.error().kind() == ErrorKind::kNotThisFormat;
      if (!foreign) image = PLATTER_TRY(std::move(result));
      return Done{};
    };
    const bool opened = PLATTER_TRY(Try(driver, open));
    if (foreign) {
      if (likeness == Likeness::kCertain) AddContradiction(driver);
      return Done{};
    }
    report_.formats.emplace_back(driver.name);
    platter::Inspection inspection;
    inspection.whole = depth_ == Depth::kFull;
    if (driver.inspect != nullptr) {
      PLATTER_TRY(Try(driver, [&] { return driver.inspect(storage_, limits_, inspection); }));
    }
    std::ranges::move(inspection.findings, std::back_inserter(report_.findings));
    if (image != nullptr) AddFacts(driver, image->info());
    AddLength(driver, inspection.expected_length);
    if (depth_ == Depth::kFull) PLATTER_CHECK(WalkTables(driver));
    // Of an ISO and of LUKS it is the file's, which a stream does not know before its end.
    const bool of_file = driver.name == "iso" || driver.name == "luks";
    if (image != nullptr && (whole() || !of_file)) TakeSize(image->info().virtual_size);
    if (report_.virtual_size && inspection.larger_size) TakeSize(*inspection.larger_size);
    if (report_.formats.size() > 1) return Done{};
    report_.format = driver.name;
    report_.variant = inspection.variant;
    report_.confidence = opened ? Confidence::kCertain : Confidence::kLikely;
    RemoveRepeated(first);
    return Done{};
  }

  // Of a file that programs take for disks of several sizes the largest counts.
  void TakeSize(std::uint64_t size) { report_.virtual_size = std::max(report_.virtual_size.value_or(0), size); }

  // A probe and a parser that disagree: other programs may side with either.
  void AddContradiction(const FormatDriver& driver) {
    report_.Add("content.contradiction", Concern::kAmbiguous,
                "the file has the mark of a format, and is not read as one", std::string(driver.name));
  }

  // open and inspect run through the same parsers: one finding for what stopped both.
  void RemoveRepeated(std::size_t first) {
    auto& findings = report_.findings;
    for (std::size_t at = first; at < findings.size(); ++at) {
      const auto same = [&](const Finding& other) {
        return other.code == findings[at].code && other.offset == findings[at].offset &&
               other.value == findings[at].value;
      };
      const auto behind = findings.begin() + static_cast<std::ptrdiff_t>(at) + 1;
      findings.erase(std::remove_if(behind, findings.end(), same), findings.end());
    }
  }

  void AddFacts(const FormatDriver& driver, const ImageInfo& info) {
    const auto add = [&](std::string_view code, Concern concern, std::string message, std::string value) {
      report_.Add(fmt::format("{}.{}", driver.name, code), concern, std::move(message), std::move(value));
    };
    const bool parent = info.backing || !info.other_backing.empty() || info.backing_search || !info.backing_id.empty();
    if (parent) {
      const bool by_name = info.backing && !info.backing->text.empty();
      add(BackingCode(driver), Concern::kReference, "the image is a layer above another file",
          by_name ? info.backing->text : info.backing_id);
      if (driver.name == "qcow2") report_.findings.back().cves.push_back("CVE-2015-5163");
    }
    if (info.encrypted) add("encrypted", Concern::kEncrypted, "the guest's bytes are encrypted", "");
    if (info.dirty) {
      add("dirty", Concern::kNone, "the image was not closed properly", "");
      report_.findings.back().severity = Severity::kWarning;
    }
  }

  static std::string_view BackingCode(const FormatDriver& driver) {
    const bool backing = driver.name == "qcow2" || driver.name == "qcow" || driver.name == "qed";
    return backing ? "backing_file" : "parent";
  }

  void AddLength(const FormatDriver& driver, std::optional<std::uint64_t> expected) {
    if (!expected) return;
    if (report_.formats.size() == 1) report_.expected_length = expected;
    if (whole() && report_.file_size < *expected) {
      report_.Add(fmt::format("{}.truncated", driver.name), Concern::kTruncated,
                  fmt::format("the file ends early: {} bytes are expected at least", *expected),
                  std::to_string(report_.file_size));
    }
  }

  Result<> WalkTables(const FormatDriver& driver) {
    if (driver.check == nullptr) return Done{};
    std::vector<std::string> problems;
    CheckReport checked;
    const auto check = [&]() -> Result<> {
      const auto log = [&](const std::string& line) {
        if (problems.size() < kShownProblems) problems.push_back(line);
      };
      OpenContext context = Context();
      context.contents = true;
      checked = PLATTER_TRY(driver.check({storage_, Repair::kNothing, context, log}));
      return Done{};
    };
    const bool went_through = PLATTER_TRY(Try(driver, check));
    const std::uint64_t broken = checked.corruptions + checked.check_errors;
    if (went_through && broken != 0) {
      report_.Add(fmt::format("{}.tables", driver.name), Concern::kCorrupt,
                  fmt::format("{}", fmt::join(problems, "; ")), std::to_string(broken));
    }
    return Done{};
  }

  // As far as its directory is here, its disks are looked at, so that what they need is kept when it comes by.
  Result<> InspectAsContainer(const ContainerDriver& driver) {
    report_.container = driver.name;
    if (!report_.formats.empty()) {
      report_.Add("content.ambiguous", Concern::kAmbiguous, "the file is a container and a disk image at once",
                  fmt::format("{}, {}", driver.name, report_.formats.front()));
    }
    ContainerInspection found;
    found.unpacking = unpacking_;
    found.read_before = read_before_;
    const auto inspect = [&] { return driver.inspect(storage_, limits_, depth_ == Depth::kFull, found); };
    PLATTER_TRY(Try(driver, inspect));
    AddFew(std::move(found.findings));
    if (found.layered) return TakeLayered(found);
    for (const InspectedDisk& disk : found.disks) PLATTER_CHECK(InspectDisk(driver, disk, found.disks.size() > 1));
    for (const InspectedDisk& file : found.files) PLATTER_CHECK(InspectFile(driver, file));
    if (driver.yields_to_content && HoldsLoaded()) return TakeBare();
    if (whole() && report_.formats.empty()) AddSizeOfDisks();
    return Done{};
  }

  // A kernel or a ramdisk, which is compressed as it is meant to be.
  bool HoldsLoaded() const noexcept { return report_.content == "aki" || report_.content == "ari"; }

  // What follows its stream is its own affair: Linux takes archives in a row, each in a compression of its own.
  Result<> TakeBare() {
    report_.container = "bare";
    report_.disks.clear();
    std::erase_if(report_.findings, [](const Finding& finding) { return finding.code == kTrailingData; });
    if (whole()) report_.virtual_size = storage_->size();
    return Done{};
  }

  // Layers are no disks: the archive itself is what is stored and handed on.
  Result<> TakeLayered(const ContainerInspection& found) {
    if (!report_.formats.empty()) return Done{};
    report_.format = "raw";
    report_.confidence = Confidence::kCertain;
    report_.virtual_size = found.virtual_size;
    return Done{};
  }

  // The first ones of each code and concern, which is what a policy asks for: an archive may have as many as it has
  // members.
  void AddFew(std::vector<Finding> findings) {
    std::map<std::pair<std::string, Concern>, std::size_t> shown;
    for (Finding& finding : findings) {
      if (++shown[{finding.code, finding.concern}] <= kShownProblems) report_.findings.push_back(std::move(finding));
    }
  }

  // What the bytes of a disk are, as they stand.
  Result<Report> LookAt(const ContainerDriver& driver, const std::shared_ptr<Storage>& bytes) {
    const std::uint64_t before = stream_ == nullptr ? 0 : stream_->misses();
    auto inspected = Inspection(bytes, stream_, nullptr, depth_, limits_, unpacking_, Place::kContainer).Run();
    if (inspected.ok() || stream_ == nullptr || stream_->misses() == before) return inspected;
    AddUnseen(driver.name);
    return Report{};
  }

  // What they are once they are decompressed.
  Result<Report> LookInto(const ContainerDriver& driver, const InspectedDisk& disk) {
    const auto compression = codec::FindCompression(disk.disk.compression);
    if (!compression) return Report{};  // a finding of the container's
    if (stream_ != nullptr) return LookIntoStream(driver, disk.bytes, *compression);
    if (depth_ == Depth::kStreaming) return LookWhilePassing(disk.bytes, *compression);
    auto unpacked = codec::UnpackedStorage::Make(disk.bytes, *compression,
                                                 codec::Bound{.on_top = codec::kOnTopOfUploads}, unpacking_);
    if (unpacked.ok())
      return Inspection(unpacked.value(), nullptr, nullptr, depth_, limits_, unpacking_, Place::kUnpacked).Run();
    if (unpacked.error().kind() == ErrorKind::kIo) return std::move(unpacked).error();
    Finding finding = StreamFinding(unpacked.error());
    // The stream itself is sound, and what it holds may be such as may be followed by more.
    if (finding.code == kTrailingData) return LookWhilePassing(disk.bytes, *compression);
    report_.findings.push_back(std::move(finding));
    return Report{};
  }

  Result<Report> LookIntoStream(const ContainerDriver& driver, const std::shared_ptr<Storage>& bytes,
                                codec::Compression compression) {
    const auto* slice = dynamic_cast<const SliceStorage*>(bytes.get());
    const bool in_place = bytes == storage_ || (slice != nullptr && slice->whole() == storage_);
    const std::uint64_t begin = slice == nullptr ? 0 : slice->offset();
    UnpackedStream* stream =
        in_place && parts_ != nullptr ? parts_->Of(begin, begin + bytes->size(), compression) : nullptr;
    if (stream != nullptr) return LookAtWindow(*stream);
    AddUnseen(driver.name);
    return Report{};
  }

  // Of a file, the same as of a stream.
  Result<Report> LookWhilePassing(const std::shared_ptr<Storage>& bytes, codec::Compression compression) {
    UnpackedStream stream(bytes->name(), compression, unpacking_.memory);
    stream.Expect(bytes->size());
    std::vector<std::byte> piece;
    for (std::uint64_t at = 0; at < bytes->size(); at += piece.size()) {
      piece.resize(std::min<std::uint64_t>(kPiece, bytes->size() - at));
      PLATTER_CHECK(bytes->ReadAt(at, piece));
      const std::uint64_t before = stream.made();
      stream.Append(piece);
      while (stream.Advance()) PLATTER_TRY(LookAtWindow(stream, false));
      if (unpacking_.tally) unpacking_.tally(stream.made() - before);
    }
    stream.Finish();
    while (stream.Advance()) PLATTER_TRY(LookAtWindow(stream, false));
    return LookAtWindow(stream);
  }

  Result<Report> LookAtWindow(UnpackedStream& stream, bool last = true) {
    StreamWindow& window = *stream.window();
    auto report =
        Inspection(stream.window(), &window, nullptr, Depth::kStreaming, limits_, unpacking_, Place::kUnpacked).Run();
    window.KeepWhatWasMissed();
    if (last && stream.damage()) report_.findings.push_back(*stream.damage());
    // How far a damaged stream goes is no size of a disk; what an image's header says is.
    if (report.ok() && stream.damage() && report.value().format == "raw") report.value().virtual_size.reset();
    return report.ok() ? std::move(report).value() : Report{};  // of a window nothing fails but what is still to come
  }

  Result<> InspectDisk(const ContainerDriver& driver, const InspectedDisk& disk, bool one_of_several) {
    Report inner;
    const bool compressed = !disk.disk.compression.empty();
    if (disk.bytes != nullptr) inner = PLATTER_TRY(compressed ? LookInto(driver, disk) : LookAt(driver, disk.bytes));
    // A footer may still turn raw bytes into a fixed VHD.
    if (!whole() && inner.format == "raw") inner.findings.clear();
    CompareWithClaims(disk.disk, inner);
    TakeFindings(disk, inner, one_of_several ? fmt::format("disk {}: ", disk.disk.id) : "");
    const bool first = report_.format.empty() && report_.disks.empty();
    report_.disks.push_back(
        {disk.disk.id, disk.disk.file, inner.format, inner.variant, inner.virtual_size, disk.disk.capacity});
    if (!first) return Done{};
    report_.format = std::move(inner.format);
    report_.variant = std::move(inner.variant);
    report_.content = std::move(inner.content);
    report_.confidence = inner.confidence;
    return Done{};
  }

  void TakeFindings(const InspectedDisk& disk, Report& inner, const std::string& whose) {
    const bool compressed = !disk.disk.compression.empty();
    const auto* slice = compressed ? nullptr : dynamic_cast<const SliceStorage*>(disk.bytes.get());
    for (Finding& finding : inner.findings) {
      if (slice != nullptr && finding.offset) *finding.offset += slice->offset();
      finding.message.insert(0, whose);
      report_.findings.push_back(std::move(finding));
    }
  }

  // The image of a CD is none of the disks, and a firmware's variables carry no format's mark.
  Result<> InspectFile(const ContainerDriver& driver, const InspectedDisk& file) {
    if (file.bytes == nullptr) return Done{};
    Report inner = PLATTER_TRY(file.disk.compression.empty() ? LookAt(driver, file.bytes) : LookInto(driver, file));
    if (inner.formats.empty()) return Done{};
    if (inner.format != "iso") {
      inner.Add("ovf.unused_disk", Concern::kAmbiguous,
                "a disk image that is none of the disks, and that a machine may have all the same", inner.format);
    }
    TakeFindings(file, inner, fmt::format("file {}: ", file.disk.id));
    return Done{};
  }

  // What the container says of the disk, and what the disk is.
  void CompareWithClaims(const WrappedDisk& disk, Report& inner) const {
    if (!whole()) return;
    if (!disk.format.empty() && !inner.format.empty() && disk.format != inner.format) {
      inner.Add("ovf.format", Concern::kMismatch, "the disk is not in the format that the descriptor says",
                fmt::format("found {}, said {}", inner.format, disk.format));
    }
    if (!disk.capacity || !inner.virtual_size || *disk.capacity == *inner.virtual_size) return;
    const bool larger = *inner.virtual_size > *disk.capacity;
    if (!larger && disk.open_ended && inner.format == "raw") {
      inner.Add("ovf.chunk", Concern::kCorrupt, "the chunks of the file end before the disk does",
                fmt::format("{}, said {}", *inner.virtual_size, *disk.capacity));
      return;
    }
    inner.Add("ovf.capacity", larger ? Concern::kAmbiguous : Concern::kNone,
              larger ? "the disk is larger than the descriptor says" : "the disk is smaller than the descriptor says",
              fmt::format("{}, said {}", *inner.virtual_size, *disk.capacity));
    if (!larger) inner.findings.back().severity = Severity::kWarning;
  }

  // Some programs make each disk, also an empty one, as the container claims it, and fill in what there is.
  void AddSizeOfDisks() {
    const auto unknown = [](const DiskReport& disk) { return !disk.file.empty() && !disk.virtual_size; };
    if (std::ranges::any_of(report_.disks, unknown)) return;
    for (const DiskReport& disk : report_.disks) {
      if (!disk.virtual_size && !disk.capacity) continue;
      const std::uint64_t size = std::max(disk.virtual_size.value_or(0), disk.capacity.value_or(0));
      report_.virtual_size = CheckedAdd(report_.virtual_size.value_or(0), size).value_or(UINT64_MAX);
    }
  }

  Result<> InspectAsRaw(const Ends& ends, const Wrapping& wrapping) {
    report_.format = "raw";
    const FormatDriver& driver = *FindFormat("raw");
    // The end may still show that the bytes are a disk's in a fixed VHD: what only raw bytes are blamed for waits for
    // it.
    if (whole()) LookBehindPadding(ends);
    if (!wrapping.container.empty()) report_.container = wrapping.container;
    const auto recognise = [&]() -> Result<> {
      const auto image = PLATTER_TRY(driver.open(storage_, Context()));
      if (whole()) report_.virtual_size = image->info().virtual_size;
      report_.content = PLATTER_TRY(TypeOfContent(Chain({image})));
      if (report_.content.empty()) return Done{};
      report_.confidence = Confidence::kCertain;
      // A boot loader reads these as files: no guest sees them in whole sectors.
      if (whole() && HoldsLoaded()) report_.virtual_size = storage_->size();
      return Done{};
    };
    PLATTER_TRY(Try(driver, recognise));
    if (HoldsLoaded() && wrapping.yields_to_content) report_.container = "bare";
    if (report_.container != "bare") {
      report_.Add("container.not_inspected", Concern::kUnseen,
                  "the bytes are wrapped, and what is inside is not looked at", report_.container);
    }
    return LookForPartitions("raw");
  }

  // A header behind zeros: some programs skip them.
  void LookBehindPadding(const Ends& ends) {
    const auto first = std::ranges::find_if(ends.head, [](std::byte byte) { return byte != std::byte{0}; });
    const std::uint64_t offset = static_cast<std::uint64_t>(first - ends.head.begin()) / kSector * kSector;
    if (offset == 0 || offset >= ends.head.size()) return;
    const ProbeInput input{std::span(ends.head).subspan(offset), {}, ends.size - offset};
    for (const FormatDriver* driver : AllFormats()) {
      if (driver->name == "raw" || driver->probe(input) != Likeness::kCertain) continue;
      report_.Add("content.padded_header", Concern::kAmbiguous, "the header of another format stands behind zeros",
                  std::string(driver->name));
      report_.findings.back().offset = offset;
    }
  }

  // A container may hold disks by the thousand, and each a table of as many entries.
  void AddOfTable(std::span<const std::string> findings) {
    for (const std::string& finding : findings.first(std::min(findings.size(), kShownOfTable))) {
      report_.Add("partition.table", Concern::kNone, finding);
      report_.findings.back().severity = Severity::kWarning;
    }
    if (findings.size() <= kShownOfTable) return;
    report_.Add("partition.table", Concern::kNone, "there is more like it in the table",
                std::to_string(findings.size() - kShownOfTable));
    report_.findings.back().severity = Severity::kWarning;
  }

  Result<> LookForPartitions(std::string_view format) {
    const auto look = [&]() -> Result<> {
      const auto copies = depth_ == Depth::kFull ? partition::Copies::kAll : partition::Copies::kAtTheEnd;
      const auto table = PLATTER_TRY(partition::ReadPartitionTable(*storage_, copies));
      if (!table || (format == "raw" && !whole())) return Done{};
      AddOfTable(table->findings);
      if (table->gpt_missing) {
        report_.Add("partition.protective_mbr", Concern::kAmbiguous,
                    "the MBR protects a GUID partition table that is not there");
      }
      return Done{};
    };
    PLATTER_TRY(Try(*FindFormat(format), look));
    return Done{};
  }

  const std::shared_ptr<Storage>& storage_;
  const StreamWindow* stream_;
  UnpackedParts* parts_;
  Depth depth_;
  const Limits& limits_;
  const Unpacking& unpacking_;
  Place place_;
  ReadBefore* read_before_;
  DenyGate gate_;
  Report report_;
};

}  // namespace

Result<Report> InspectStorage(const std::shared_ptr<Storage>& storage, const StreamWindow* stream, UnpackedParts* parts,
                              Depth depth, const Limits& limits, const Unpacking& unpacking, ReadBefore* read_before) {
  return Inspection(storage, stream, parts, depth, limits, unpacking, Place::kFile, read_before).Run();
}

}  // namespace platter::inspect

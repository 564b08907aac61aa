#include "formats/containers/compressed/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/containers/codec/decoder.h"
#include "formats/containers/codec/encoder.h"
#include "formats/core/checked.h"
#include "formats/core/idle_pool.h"

namespace platter::compressed {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kMember = std::uint64_t{1} << 20;  // guest bytes
constexpr std::uint64_t kManyMembers = 64;                 // of zeros that are written at once

std::optional<codec::Compression> CompressionOfName(std::string_view name) noexcept {
  constexpr std::array<std::pair<std::string_view, codec::Compression>, 5> kEnds = {{
      {".gz", codec::Compression::kGzip},
      {".bz2", codec::Compression::kBzip2},
      {".xz", codec::Compression::kXz},
      {".zst", codec::Compression::kZstd},
      {".zstd", codec::Compression::kZstd},
  }};
  for (const auto& [end, compression] : kEnds) {
    if (name.ends_with(end)) return compression;
  }
  return std::nullopt;
}

Result<codec::Compression> CompressionOf(const CreateRequest& request) {
  constexpr std::string_view kKnown = "gzip, bzip2, xz or zstd";
  const auto named = request.options.Text("codec");
  if (named) {
    if (const auto compression = codec::FindCompression(*named)) return *compression;
    return RefusedOption("codec", fmt::format("invalid parameter value: {}", *named)).Allowed(std::string(kKnown));
  }
  if (const auto compression = CompressionOfName(request.storage->name())) return *compression;
  return Error(ErrorKind::kInvalid, "the name does not say the codec: say it with -o codec=")
      .In(request.storage->name())
      .Allowed(std::string(kKnown));
}

class MemberWriter : public ImageWriter {
 public:
  MemberWriter(std::shared_ptr<Storage> storage, std::uint64_t size, codec::Compression compression,
               std::optional<int> level)
      : storage_(std::move(storage)),
        size_(size),
        encoders_([compression, level] { return codec::MakeEncoder(compression, level); }) {
    traits_ = {.unit = kSector, .batch_alignment = kMember, .compresses = true};
  }

  Result<> Start() {
    const std::vector<std::byte> zeros(kMember);
    return Lease(encoders_)->Append(zeros, zero_member_);
  }

  const WriterTraits& traits() const noexcept override { return traits_; }

  Result<> Encode(Batch& batch) override {
    batch.units.clear();
    batch.encoded.clear();
    const Lease encoder(encoders_);
    std::vector<std::byte> member;
    for (std::uint64_t at = batch.offset; at < batch.offset + batch.length; at += kMember) {
      const std::size_t start = batch.encoded.size();
      if (Gather(batch, at, member)) {
        PLATTER_CHECK(encoder->Append(member, batch.encoded));
      } else {
        batch.encoded.insert(batch.encoded.end(), zero_member_.begin(), zero_member_.end());
      }
      batch.units.push_back({start, batch.encoded.size() - start});
    }
    return Done{};
  }

  Result<> Place(Batch& batch) override {
    batch.writes.clear();
    // One without data is a part of the gap in front of the next.
    if (batch.bytes.empty()) return Done{};
    PLATTER_CHECK(WriteZeros(batch.offset));
    for (const EncodedUnit& unit : batch.units) {
      const auto bytes = Kept(std::span(batch.encoded).subspan(unit.offset, unit.length));
      AppendWrite(batch, *storage_, end_ - bytes.size(), bytes);
    }
    placed_ = std::min(batch.offset + AlignUp(batch.length, kMember), size_);
    return Done{};
  }

  Result<> Finish() override {
    PLATTER_CHECK(WriteZeros(size_));
    if (end_ == 0) PLATTER_CHECK(WriteLast({}));
    PLATTER_CHECK(storage_->Sync());
    if (!storage_->is_stream()) PLATTER_CHECK(storage_->WriteAt(0, std::span(&first_, 1)));
    return storage_->Sync();
  }

 private:
  using Lease = IdlePool<codec::Encoder>::Lease;

  // The guest bytes of the member at `at`; false where it is a whole one of zeros.
  bool Gather(const Batch& batch, std::uint64_t at, std::vector<std::byte>& member) const {
    const std::uint64_t end = std::min(at + kMember, size_);
    member.assign(end - at, std::byte{0});
    bool any = end - at < kMember;
    for (const Run& run : batch.runs) {
      const std::uint64_t from = std::max(run.offset, at);
      const std::uint64_t to = std::min(run.end(), end);
      if (run.kind != Run::Kind::kData || from >= to) continue;
      std::ranges::copy(batch.bytes.subspan(from - batch.offset, to - from),
                        member.begin() + static_cast<std::ptrdiff_t>(from - at));
      any = true;
    }
    return any;
  }

  // What follows on the host; of a file's first member all but the first byte.
  std::span<const std::byte> Kept(std::span<const std::byte> bytes) {
    const bool first = end_ == 0 && !storage_->is_stream();
    end_ += bytes.size();
    if (!first) return bytes;
    first_ = bytes.front();
    return bytes.subspan(1);
  }

  Result<> Write(std::span<const std::byte> bytes) {
    const auto kept = Kept(bytes);
    return storage_->WriteAt(end_ - kept.size(), kept);
  }

  Result<> WriteLast(std::span<const std::byte> bytes) {
    std::vector<std::byte> member;
    PLATTER_CHECK(Lease(encoders_)->Append(bytes, member));
    return Write(member);
  }

  // From what is placed up to guest byte `end`.
  Result<> WriteZeros(std::uint64_t end) {
    std::vector<std::byte> many;
    while (end - placed_ >= kMember) {
      const std::uint64_t members = std::min((end - placed_) / kMember, kManyMembers);
      while (many.size() < members * zero_member_.size()) {
        many.insert(many.end(), zero_member_.begin(), zero_member_.end());
      }
      PLATTER_CHECK(Write(std::span(many).first(members * zero_member_.size())));
      placed_ += members * kMember;
    }
    if (placed_ < end) PLATTER_CHECK(WriteLast(std::vector<std::byte>(end - placed_)));
    placed_ = end;
    return Done{};
  }

  std::shared_ptr<Storage> storage_;
  std::uint64_t size_;  // guest bytes
  WriterTraits traits_;
  IdlePool<codec::Encoder> encoders_;
  std::vector<std::byte> zero_member_;
  std::uint64_t placed_ = 0;  // guest bytes
  std::uint64_t end_ = 0;     // host byte behind what is placed
  std::byte first_{};         // of a file, until Finish
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateStream(const CreateRequest& request, const FormatDriver& /*disk_format*/) {
  if (request.storage->is_device()) {
    return Error(ErrorKind::kUnsupported, "a compressed disk is written to a file or a pipe")
        .In(request.storage->name());
  }
  const codec::Compression compression = PLATTER_TRY(CompressionOf(request));
  PLATTER_CHECK(codec::CheckLevel(compression, request.compression_level));
  const auto size = CheckedAlignUp(request.virtual_size, kSector);
  if (!size) return Error(ErrorKind::kOutOfRange, "the disk is too large").Found(request.virtual_size);
  auto writer = std::make_unique<MemberWriter>(request.storage, *size, compression, request.compression_level);
  PLATTER_CHECK(writer->Start());
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::compressed

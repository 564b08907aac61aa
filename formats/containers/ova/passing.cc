#include "formats/containers/ova/passing.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/containers/ova/ova.h"
#include "formats/containers/ovf/chunks.h"
#include "formats/containers/ovf/package.h"
#include "formats/containers/tar/header.h"
#include "formats/containers/tar/scanner.h"
#include "formats/core/slice_storage.h"

namespace platter::ova {
namespace {

// Of all names together.
constexpr std::uint64_t kMostNames = std::uint64_t{4} << 20;

class Passing final : public PassingAppliance {
 public:
  Passing(std::shared_ptr<ForwardStorage> pipe, const Limits& limits)
      : pipe_(std::move(pipe)),
        limits_(limits),
        scanner_([this](const tar::FullMember& full) { return TakeMember(full.member); }) {}

  const ContainerInfo& info() const noexcept override { return info_; }

  Result<> FindDescriptor() {
    while (!descriptor_) {
      if (scanner_.ended() || !PLATTER_TRY(Step())) {
        return Error(ErrorKind::kNotThisFormat, "not an OVA: no member is a descriptor").In(pipe_->name());
      }
      if (found_ && found_name_ == descriptor_name_) PLATTER_CHECK(ReadDescriptor());
    }
    info_.disks = ovf::WrappedDisks(*descriptor_);
    info_.further = ovf::DetailOf(*descriptor_);
    return Done{};
  }

  Result<std::shared_ptr<Storage>> OpenDisk(std::size_t disk) override {
    auto opened = Open(descriptor_->disks[disk]);
    if (!opened.ok()) return std::move(opened).error().In(pipe_->name());
    return opened;
  }

  Result<> Finish() override {
    auto finished = ScanToEnd();
    if (!finished.ok()) return std::move(finished).error().In(pipe_->name());
    return pipe_->Drain();
  }

 private:
  static Error OutOfOrder(std::string what, const std::string& file) {
    return Error(ErrorKind::kUnsupported, std::move(what))
        .At("OVF descriptor", "File/@href")
        .Found(file)
        .Try("store what comes out of the pipe in a file first");
  }

  // One block of the archive. False at its end.
  Result<bool> Step() {
    tar::Block block{};
    const std::size_t length = PLATTER_TRY(pipe_->ReadSome(at_, block));
    if (at_ == 0 && (length < block.size() || !tar::ChecksumFits(block))) {
      return Error(ErrorKind::kNotThisFormat, "not a tar archive: of containers, a pipe is read as an OVA only");
    }
    found_.reset();
    PLATTER_CHECK(scanner_.Take(std::span(block).first(length)));
    at_ += length;
    if (length < block.size()) PLATTER_CHECK(scanner_.Finish());
    // Everything behind the header that has just been read is content.
    if (found_ && found_name_ != descriptor_name_ && found_name_ != wanted_) PLATTER_CHECK(PassContent());
    return length == block.size();
  }

  // Tells the scanner that the member's bytes have come by, whoever has read them.
  Result<> PassContent() {
    static constexpr std::array<std::byte, 65536> kNothing{};
    const std::uint64_t end = found_->offset + AlignUp(found_->size, tar::kBlock);
    if (!descriptor_ && end > ForwardStorage::kHeld && found_name_ != descriptor_name_) {
      return OutOfOrder("a large file stands in front of the descriptor", found_name_);
    }
    while (at_ < end) {
      const auto part = std::span(kNothing).first(std::min<std::uint64_t>(kNothing.size(), end - at_));
      PLATTER_CHECK(scanner_.Take(part));
      at_ += part.size();
    }
    // The last member's padding is not missed by anyone.
    return pipe_->SkipTo(found_->offset + found_->size);
  }

  Result<> TakeMember(const tar::Member& member) {
    found_name_ = tar::PlainName(member.name);
    names_size_ += found_name_.size();
    if (names_size_ > kMostNames) {
      return Error(ErrorKind::kLimit, "the archive's names are too long").At("tar header", "name", member.header);
    }
    if (++names_[found_name_] == 2 && (found_name_ == wanted_ || found_name_ == descriptor_name_)) {
      return Error(ErrorKind::kCorrupt, "there are two members of one name")
          .At("tar header", "name", member.header)
          .Found(found_name_);
    }
    found_ = member;
    PLATTER_CHECK(CheckLiteralName());
    if (!IsDescriptorName(found_name_)) return Done{};
    if (!descriptor_name_.empty()) {
      return Error(ErrorKind::kCorrupt, "the archive has more than one descriptor").At("OVF descriptor", "whole file");
    }
    descriptor_name_ = found_name_;
    return Done{};
  }

  // As HasLiteralName, for the disk that is read, as far as the archive has come by.
  Result<> CheckLiteralName() const {
    if (literal_.empty()) return Done{};
    if (!names_.contains(literal_) && !names_.contains(ovf::ChunkName(literal_, 0))) return Done{};
    return LiteralNameError(literal_);
  }

  Result<> ReadDescriptor() {
    const auto text = PLATTER_TRY(ReadText(pipe_, *found_, limits_));
    PLATTER_CHECK(PassContent());
    descriptor_ = PLATTER_TRY(ovf::ParseDescriptor(text, limits_));
    return Done{};
  }

  Result<std::shared_ptr<Storage>> Open(const ovf::Disk& disk) {
    const std::string name = PLATTER_TRY(ovf::FileOfDisk(*descriptor_, disk));
    const ovf::File& file = *descriptor_->FindFile(disk.file);
    if (file.chunk_size || !file.compression.empty()) {
      return OutOfOrder("of a pipe, files in chunks and compressed ones are not read", name);
    }
    if (!wanted_.empty() || names_.contains(name)) return OutOfOrder("the disk's file has passed by", name);
    wanted_ = name;
    literal_ = ovf::LiteralNameOf(file.href);
    PLATTER_CHECK(CheckLiteralName());
    while (!scanner_.ended() && PLATTER_TRY(Step())) {
      if (found_ && found_name_ == wanted_) return ova::Open(pipe_, *found_);
    }
    return Error(ErrorKind::kCorrupt, "the disk's file is not in the archive")
        .At("OVF descriptor", "File/@href")
        .Found(name);
  }

  Result<> ScanToEnd() {
    if (found_ && found_name_ == wanted_) PLATTER_CHECK(PassContent());
    while (!scanner_.ended() && PLATTER_TRY(Step())) continue;
    return Done{};
  }

  const std::shared_ptr<ForwardStorage> pipe_;
  const Limits limits_;
  tar::Scanner scanner_;
  ContainerInfo info_;
  std::uint64_t at_ = 0;              // what the scanner has been told of
  std::optional<tar::Member> found_;  // whose header has just been read
  std::string found_name_;
  std::map<std::string, std::uint64_t, std::less<>> names_;  // plain ones: how often
  std::uint64_t names_size_ = 0;
  std::string descriptor_name_;
  std::optional<ovf::Descriptor> descriptor_;
  std::string wanted_;   // the disk's file
  std::string literal_;  // what it is called to programs that decode nothing; "" where that is the same
};

}  // namespace

Result<std::unique_ptr<PassingAppliance>> OpenPassing(std::shared_ptr<ForwardStorage> pipe, const Limits& limits) {
  auto appliance = std::make_unique<Passing>(std::move(pipe), limits);
  PLATTER_CHECK(appliance->FindDescriptor());
  return std::unique_ptr<PassingAppliance>(std::move(appliance));
}

}  // namespace platter::ova

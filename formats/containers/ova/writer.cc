#include "formats/containers/ova/writer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "formats/containers/ovf/machine.h"
#include "formats/containers/ovf/new_files.h"
#include "formats/containers/tar/header.h"
#include "formats/core/checked.h"

namespace platter::ova {
namespace {

// What is behind a host byte of a file that grows, as a file of its own.
class Rest : public Storage {
 public:
  Rest(std::shared_ptr<Storage> whole, std::uint64_t begin)
      : Storage(whole->name()), whole_(std::move(whole)), begin_(begin) {}

  std::uint64_t size() const noexcept override { return std::max(whole_->size(), begin_) - begin_; }
  bool writable() const noexcept override { return whole_->writable(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    return whole_->ReadAt(begin_ + offset, out);
  }
  Result<> DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return whole_->WriteAt(begin_ + offset, bytes);
  }
  Result<> DoResize(std::uint64_t size) override { return whole_->Resize(begin_ + size); }
  Result<> DoPunch(std::uint64_t offset, std::uint64_t length) override {
    return whole_->Punch(begin_ + offset, length);
  }
  Result<> DoAllocate(std::uint64_t offset, std::uint64_t length) override {
    return whole_->Allocate(begin_ + offset, length);
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return whole_->DataMap(begin_ + offset); }
  Result<> DoSync() override { return whole_->Sync(); }

 private:
  std::shared_ptr<Storage> whole_;
  std::uint64_t begin_;  // host byte
};

std::vector<std::byte> AsBytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// In a file of the archive's own, padded to whole blocks.
std::uint64_t BlocksOf(std::uint64_t size) { return AlignUp(size, tar::kBlock); }

class ArchiveWriter : public ovf::ApplianceWriter {
 public:
  ArchiveWriter(std::shared_ptr<Storage> storage, ovf::Machine machine)
      : ApplianceWriter(std::move(machine)),
        storage_(std::move(storage)),
        manifest_at_(tar::kBlock + BlocksOf(ovf::DescriptorOf(this->machine(), 0).size())),
        disk_at_(manifest_at_ + tar::kBlock + BlocksOf(ovf::EmptyManifest(this->machine()).size()) + tar::kBlock) {}

  Result<> Start(const CreateRequest& request, const FormatDriver& disk_format) {
    return StartDisk(request, std::make_shared<Rest>(storage_, disk_at_), disk_format);
  }

  Result<> Finish() override {
    const ovf::NewTexts texts = PLATTER_TRY(FinishDisk());
    const std::uint64_t size = disk_size();
    // The padding of the last member, and the end's mark: zeros.
    PLATTER_CHECK(storage_->Resize(disk_at_ + BlocksOf(size) + 2 * tar::kBlock));
    PLATTER_CHECK(WriteMember(disk_at_ - tar::kBlock, machine().disk_file(), "", size));
    PLATTER_CHECK(WriteMember(manifest_at_, machine().manifest_file(), texts.manifest, texts.manifest.size()));
    PLATTER_CHECK(storage_->WriteAt(tar::kBlock, AsBytes(texts.descriptor)));
    PLATTER_CHECK(WriteMember(0, machine().descriptor_file(), "", texts.descriptor.size()));
    return storage_->Sync();
  }

 private:
  Result<> WriteMember(std::uint64_t at, const std::string& name, const std::string& content, std::uint64_t size) {
    PLATTER_CHECK(storage_->WriteAt(at + tar::kBlock, AsBytes(content)));
    const tar::Block header = tar::MakeFileHeader(name, size);
    return storage_->WriteAt(at, header);
  }

  std::shared_ptr<Storage> storage_;
  std::uint64_t manifest_at_;  // host byte of its header
  std::uint64_t disk_at_;      // host byte of its content
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateArchive(const CreateRequest& request, const FormatDriver& disk_format) {
  if (request.storage->is_device() || request.storage->is_stream()) {
    return Error(ErrorKind::kUnsupported, "an OVA is written to a file").In(request.storage->name());
  }
  ovf::Machine machine = PLATTER_TRY(ovf::MachineOf(request));
  auto writer = std::make_unique<ArchiveWriter>(request.storage, std::move(machine));
  PLATTER_CHECK(writer->Start(request, disk_format));
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace platter::ova

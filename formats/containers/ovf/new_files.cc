#include "formats/containers/ovf/new_files.h"

#include <fmt/format.h>

#include <span>
#include <utility>
#include <vector>

#include "formats/containers/ovf/manifest.h"
#include "formats/core/memory_storage.h"

namespace platter::ovf {
namespace {

std::string ManifestOf(const Machine& machine, const std::string& descriptor, const std::string& disk) {
  constexpr std::size_t kDigits = 64;
  return fmt::format("SHA256({})= {:{}}\nSHA256({})= {:{}}\n", machine.descriptor_file(), descriptor, kDigits,
                     machine.disk_file(), disk, kDigits);
}

}  // namespace

Result<> ApplianceWriter::StartDisk(const CreateRequest& request, std::shared_ptr<Storage> storage,
                                    const FormatDriver& disk_format) {
  disk_ = std::move(storage);
  CreateRequest disk = request;
  disk.storage = disk_;
  disk.compress = false;
  disk.options = {};
  PLATTER_CHECK(disk.options.Set("subformat", "streamOptimized", disk_format.create_options));
  PLATTER_CHECK(disk.options.Set("adapter_type", "lsilogic", disk_format.create_options));
  writer_ = PLATTER_TRY(disk_format.create(disk));
  return Done{};
}

Result<NewTexts> ApplianceWriter::FinishDisk() {
  PLATTER_CHECK(writer_->Finish());
  std::string descriptor = DescriptorOf(machine_, disk_->size());
  const auto bytes = std::as_bytes(std::span(descriptor));
  MemoryStorage text(machine_.descriptor_file(), {bytes.begin(), bytes.end()});
  const std::string of_text = PLATTER_TRY(DigestOf(text, DigestAlgorithm::kSha256));
  const std::string of_disk = PLATTER_TRY(DigestOf(*disk_, DigestAlgorithm::kSha256));
  std::string manifest = ManifestOf(machine_, of_text, of_disk);
  return NewTexts{std::move(descriptor), std::move(manifest)};
}

std::string EmptyManifest(const Machine& machine) { return ManifestOf(machine, "", ""); }

}  // namespace platter::ovf

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

Result<std::unique_ptr<ImageWriter>> CreateDisk(const CreateRequest& request, std::shared_ptr<Storage> storage,
                                                const FormatDriver& disk_format) {
  CreateRequest disk = request;
  disk.storage = std::move(storage);
  disk.compress = false;
  disk.options = {};
  PLATTER_CHECK(disk.options.Set("subformat", "streamOptimized", disk_format.create_options));
  PLATTER_CHECK(disk.options.Set("adapter_type", "lsilogic", disk_format.create_options));
  return disk_format.create(disk);
}

Result<std::string> NewManifest(const Machine& machine, const std::string& descriptor, Storage& disk) {
  const auto bytes = std::as_bytes(std::span(descriptor));
  MemoryStorage text(machine.descriptor_file(), {bytes.begin(), bytes.end()});
  const std::string of_text = PLATTER_TRY(DigestOf(text, DigestAlgorithm::kSha256));
  const std::string of_disk = PLATTER_TRY(DigestOf(disk, DigestAlgorithm::kSha256));
  return ManifestOf(machine, of_text, of_disk);
}

std::string EmptyManifest(const Machine& machine) { return ManifestOf(machine, "", ""); }

}  // namespace platter::ovf

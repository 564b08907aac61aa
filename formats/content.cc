#include "formats/content.h"

#include <fmt/format.h>

#include "formats/amazon/file_system.h"
#include "formats/amazon/kernel.h"
#include "formats/amazon/ramdisk.h"
#include "formats/core/chain_storage.h"
#include "formats/core/slice_storage.h"
#include "formats/partition/partition_table.h"

namespace platter {
namespace {

// Partitions that are shown, each with a look at its file system.
constexpr std::size_t kMaxShown = 128;

void AddText(Detail& detail, std::string key, std::string_view text) {
  if (!text.empty()) detail.Add(std::move(key), text);
}

void AddFindings(Detail& detail, const std::vector<std::string>& findings) {
  if (findings.empty()) return;
  Detail::List list(findings.begin(), findings.end());
  detail.Add("findings", std::move(list));
}

Detail Content(std::string_view type, std::string reason) {
  Detail content;
  content.Add("type", type).Add("reason", std::move(reason));
  return content;
}

Detail Describe(const amazon::FileSystem& fs) {
  Detail detail;
  detail.Add("type", fs.type);
  AddText(detail, "label", fs.label);
  AddText(detail, "uuid", fs.uuid);
  detail.Add("size", fs.size).Add("block-size", fs.block_size);
  return detail;
}

Detail Describe(const amazon::Kernel& kernel) {
  Detail detail;
  detail.Add("type", kernel.type);
  AddText(detail, "architecture", kernel.architecture);
  AddText(detail, "version", kernel.version);
  AddText(detail, "compression", kernel.compression);
  AddText(detail, "boot-protocol", kernel.boot_protocol);
  if (!kernel.boot_protocol.empty()) detail.Add("relocatable", kernel.relocatable);
  detail.Add("efi-stub", kernel.efi_stub);
  return detail;
}

Detail Describe(const amazon::Ramdisk& ramdisk) {
  Detail::List archives;
  for (const amazon::Archive& archive : ramdisk.archives) {
    Detail detail;
    detail.Add("offset", archive.offset).Add("type", archive.type);
    AddText(detail, "compression", archive.compression);
    AddText(detail, "first-name", archive.first_name);
    if (archive.files != 0) detail.Add("files", archive.files);
    archives.push_back(std::move(detail));
  }
  Detail detail;
  detail.Add("archives", std::move(archives));
  return detail;
}

Detail Describe(const partition::Partition& partition) {
  Detail detail;
  detail.Add("number", partition.number).Add("start", partition.offset).Add("size", partition.length);
  detail.Add("type", partition.type);
  AddText(detail, "type-name", partition.type_name);
  AddText(detail, "name", partition.name);
  AddText(detail, "uuid", partition.id);
  detail.Add("bootable", partition.bootable);
  return detail;
}

class Recogniser {
 public:
  explicit Recogniser(const Chain& chain) : disk_(std::make_shared<ChainStorage>("guest disk", chain)) {}

  // Kernels first: they, too, end their first sector as a partition table does.
  Result<Detail> Run() {
    if (auto kernel = PLATTER_TRY(amazon::RecogniseKernel(*disk_))) {
      return Finished("aki", kernel->reason, "kernel", Describe(*kernel), kernel->findings);
    }
    if (auto ramdisk = PLATTER_TRY(amazon::RecogniseRamdisk(*disk_))) {
      return Finished("ari", ramdisk->reason, "ramdisk", Describe(*ramdisk), ramdisk->findings);
    }
    auto table = partition::ReadPartitionTable(*disk_);
    if (!table.ok()) return Damaged(std::move(table).error());
    if (table.value()) return WithPartitions(*table.value());
    if (auto fs = PLATTER_TRY(amazon::RecogniseFileSystem(*disk_))) {
      return Finished("ami", fmt::format("{}: {}", fs->type, fs->reason), "file-system", Describe(*fs), fs->findings);
    }
    return Detail();
  }

  // In the same order.
  Result<std::string_view> Type() {
    const auto kernel = PLATTER_TRY(amazon::RecogniseKernel(*disk_));
    if (kernel) return std::string_view("aki");
    if (PLATTER_TRY(amazon::StartsWithRamdisk(*disk_))) return std::string_view("ari");
    auto table = partition::ReadPartitionTable(*disk_, partition::Copies::kAtTheEnd);
    if (!table.ok() && !IsDamage(table.error())) return std::move(table).error();
    if (!table.ok() || table.value()) return std::string_view("disk");
    const auto fs = PLATTER_TRY(amazon::RecogniseFileSystem(*disk_));
    return std::string_view(fs ? "ami" : "");
  }

 private:
  static bool IsDamage(const Error& error) {
    return error.kind() == ErrorKind::kCorrupt || error.kind() == ErrorKind::kLimit;
  }

  static Detail Finished(std::string_view type, std::string reason, std::string key, Detail value,
                         const std::vector<std::string>& findings) {
    Detail content = Content(type, std::move(reason));
    content.Add(std::move(key), std::move(value));
    AddFindings(content, findings);
    return content;
  }

  static Result<Detail> Damaged(Error error) {
    if (!IsDamage(error)) return error;
    Detail content = Content("disk", "GUID partition table");
    AddFindings(content, {error.Describe()});
    return content;
  }

  Result<Detail> WithPartitions(const partition::PartitionTable& table) {
    Detail::List partitions;
    for (const partition::Partition& partition : table.partitions) {
      if (partitions.size() == kMaxShown) break;
      Detail detail = Describe(partition);
      if (auto fs = PLATTER_TRY(FileSystemIn(partition))) detail.Add("file-system", Describe(*fs));
      partitions.push_back(std::move(detail));
    }
    Detail detail;
    detail.Add("type", partition::SchemeName(table.scheme)).Add("sector-size", table.sector_size);
    AddText(detail, "id", table.id);
    detail.Add("partitions", std::move(partitions));
    if (!table.mbr_partitions.empty()) {
      Detail::List in_mbr;
      for (const partition::Partition& partition : table.mbr_partitions) in_mbr.push_back(Describe(partition));
      detail.Add("mbr-partitions", std::move(in_mbr));
    }
    return Finished("disk", fmt::format("partition table ({})", partition::SchemeName(table.scheme)), "partition-table",
                    std::move(detail), table.findings);
  }

  Result<std::optional<amazon::FileSystem>> FileSystemIn(const partition::Partition& partition) {
    auto slice = SliceStorage::Make(disk_, partition.offset, partition.length);
    if (!slice.ok()) return std::optional<amazon::FileSystem>{};  // past the disk's end: a finding says so
    return amazon::RecogniseFileSystem(*slice.value());
  }

  std::shared_ptr<ChainStorage> disk_;
};

}  // namespace

Result<Detail> RecogniseContent(const Chain& chain) { return Recogniser(chain).Run(); }

Result<std::string_view> TypeOfContent(const Chain& chain) { return Recogniser(chain).Type(); }

}  // namespace platter

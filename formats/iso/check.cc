#include "formats/iso/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/core/file_tree.h"
#include "formats/iso/check_log.h"
#include "formats/iso/extent_list.h"
#include "formats/iso/raw_sectors.h"
#include "formats/iso/tree_check.h"
#include "formats/iso/udf_tree.h"
#include "formats/iso/volume.h"

namespace platter::iso {
namespace {

using Kind = VolumeDescriptor::Kind;

class VolumeCheck {
 public:
  VolumeCheck(const CheckRequest& request, std::shared_ptr<Storage> data)
      : request_(request), data_(std::move(data)), extents_(request.context.limits), log_(request.log) {}

  Result<CheckReport> Run() {
    auto read = ReadVolume(data_);
    if (!read.ok() && read.error().kind() != ErrorKind::kCorrupt) return std::move(read).error();
    if (read.ok()) {
      volume_ = std::move(read).value();
      PLATTER_CHECK(CheckAll());
    } else {
      log_.Add(read.error().Describe());
    }
    CheckReport report;
    report.corruptions = log_.count();
    report.image_end_offset = volume_.claimed_size;
    return report;
  }

 private:
  Result<> CheckAll() {
    for (const std::string& finding : volume_.findings.list()) log_.Add(finding);
    if (data_->size() < volume_.claimed_size) {
      log_.Add(fmt::format("the file is cut off: it has {} bytes, the volume {}", data_->size(), volume_.claimed_size));
    }
    for (const VolumeDescriptor& descriptor : volume_.descriptors) {
      if (descriptor.kind == Kind::kSupplementary) continue;
      const bool primary = descriptor.kind == Kind::kPrimary;
      const SuspHeader* susp = primary && volume_.susp ? &*volume_.susp : nullptr;
      PLATTER_CHECK(TreeCheck({*data_, descriptor, susp, request_.context.limits}, extents_, log_).Run());
    }
    extents_.ReportOverlaps(log_);
    return volume_.udf ? CheckUdf() : Result<>(Done{});
  }

  Result<> CheckUdf() {
    UdfTree tree(data_, *volume_.udf);
    const auto root = tree.Root();
    if (!root.ok()) return Note("/", root.error());
    TreeVisitor visitor;
    visitor.enter = [](const std::string&, const TreeEntry&) { return Result<>(Done{}); };
    visitor.entry = [&](const std::string& path, const TreeEntry& entry) -> Result<bool> {
      if (!entry.damage.empty()) log_.Add(fmt::format("UDF, {}: {}", path, entry.damage));
      if (entry.kind != FileKind::kRegular || !entry.damage.empty()) return true;
      const auto file = tree.OpenFile(entry);
      if (!file.ok()) PLATTER_CHECK(Note(path, file.error()));
      return true;
    };
    visitor.broken = [&](const std::string& path, const Error& error) {
      log_.Add(fmt::format("UDF, {}: {}", path, error.Describe()));
    };
    return WalkTree(tree, root.value(), "", request_.context.limits, visitor);
  }

  Result<> Note(const std::string& path, const Error& error) {
    if (error.kind() == ErrorKind::kIo) return Error(ErrorKind::kIo, error.what()).In(data_->name());
    log_.Add(fmt::format("UDF, {}: {}", path, error.Describe()));
    return Done{};
  }

  const CheckRequest& request_;
  std::shared_ptr<Storage> data_;
  ExtentList extents_;
  CheckLog log_;
  Volume volume_;
};

}  // namespace

Result<CheckReport> Check(const CheckRequest& request) {
  return VolumeCheck(request, PLATTER_TRY(UserData(request.storage))).Run();
}

}  // namespace platter::iso

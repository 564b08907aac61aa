#include "convert/amazon/root.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/core/slice_storage.h"
#include "formats/partition/partition_table.h"

namespace platter::amazon {
namespace {

constexpr std::string_view kRemedy = "say which one with --partition NUMBER";

bool Has(ext::FileSystem& files, std::string_view path) {
  const auto found = files.Find(path);
  return found.ok() && found.value().has_value();
}

bool HoldsKernel(ext::FileSystem& files) {
  const auto root = files.Find("/");
  if (!root.ok() || !root.value()) return false;
  const auto names = files.List(*root.value());
  return names.ok() && std::ranges::any_of(names.value(), [](const std::string& name) {
           return name.starts_with("vmlinuz") || name.starts_with("vmlinux");
         });
}

// How much an ext file system looks like a root. What holds kernels and no /etc is a /boot.
int LikenessOf(ext::FileSystem& files) {
  if (!Has(files, "/etc")) return HoldsKernel(files) ? -1 : 0;
  int likeness = 2;
  if (Has(files, "/etc/fstab")) ++likeness;
  for (const std::string_view path : {"/bin", "/sbin", "/usr/bin"}) {
    if (Has(files, path)) ++likeness;
  }
  if (Has(files, "/boot")) ++likeness;
  return likeness;
}

// Empty where there is no file system that can be a root.
Result<std::optional<Volume>> LookInto(std::shared_ptr<Storage> bytes, std::uint32_t partition) {
  auto about = PLATTER_TRY(RecogniseFileSystem(*bytes));
  if (!about || about->type == "squashfs") return std::optional<Volume>{};
  Volume volume;
  volume.partition = partition;
  volume.bytes = std::move(bytes);
  volume.about = *std::move(about);
  if (!volume.about.ext()) {
    volume.likeness = 1;
    return std::optional<Volume>(std::move(volume));
  }
  auto files = ext::FileSystem::Open(volume.bytes);
  if (files.ok()) {
    volume.files = std::move(files).value();
    volume.likeness = LikenessOf(*volume.files);
  } else if (files.error().kind() == ErrorKind::kIo) {
    return std::move(files).error();
  } else {
    volume.trouble = files.error().Describe();
  }
  return std::optional<Volume>(std::move(volume));
}

Result<std::vector<Volume>> ListVolumes(const std::shared_ptr<Storage>& disk, const partition::PartitionTable& table) {
  constexpr int kRootType = 100;
  std::vector<Volume> volumes;
  for (const partition::Partition& partition : table.partitions) {
    auto slice = SliceStorage::Make(disk, partition.offset, partition.length);
    if (!slice.ok()) continue;  // past the disk's end
    auto volume = PLATTER_TRY(LookInto(std::move(slice).value(), partition.number));
    if (!volume) continue;
    if (partition.type_name.starts_with("Linux root")) volume->likeness += kRootType;
    volumes.push_back(*std::move(volume));
  }
  return volumes;
}

Error NoFileSystem(std::string what) {
  return Error(ErrorKind::kInvalid, std::move(what)).Allowed("ext2, ext3, ext4, xfs or btrfs");
}

Result<std::size_t> ChooseByNumber(const std::vector<Volume>& volumes, std::uint32_t number) {
  const auto found = std::ranges::find(volumes, number, &Volume::partition);
  if (found != volumes.end()) return static_cast<std::size_t>(found - volumes.begin());
  return NoFileSystem(fmt::format("partition {} is not there, or holds no file system that we know", number));
}

Result<std::size_t> ChooseByLooks(const std::vector<Volume>& volumes) {
  if (volumes.empty()) return NoFileSystem("no partition holds a file system that we know");
  const auto best = std::ranges::max_element(volumes, {}, &Volume::likeness);
  const auto equal = std::ranges::count(volumes, best->likeness, &Volume::likeness);
  if (equal == 1) return static_cast<std::size_t>(best - volumes.begin());
  std::vector<std::string> names;
  for (const Volume& volume : volumes) {
    if (volume.likeness == best->likeness) names.push_back(volume.Name());
  }
  return Error(ErrorKind::kInvalid,
               fmt::format("more than one file system may be the root: {}", fmt::join(names, ", ")))
      .Try(std::string(kRemedy));
}

// A file system that goes on where its partition ends is no image of itself.
Result<> CheckWhole(const Volume& volume) {
  if (volume.about.size <= volume.bytes->size()) return Done{};
  return Error(ErrorKind::kCorrupt, fmt::format("{}: the file system is larger than its place", volume.Name()))
      .At("superblock", "size")
      .Found(volume.about.size)
      .Allowed(fmt::format("at most {}", volume.bytes->size()));
}

}  // namespace

std::string Volume::Name() const {
  if (partition == 0) return fmt::format("the whole disk ({})", about.type);
  return fmt::format("partition {} ({})", partition, about.type);
}

Result<RootChoice> FindRoot(const std::shared_ptr<Storage>& disk, std::optional<std::uint32_t> partition) {
  const auto table = PLATTER_TRY(partition::ReadPartitionTable(*disk));
  RootChoice choice;
  if (!table) {
    if (partition) return Error(ErrorKind::kInvalid, "the disk has no partition table").In(disk->name());
    auto volume = PLATTER_TRY(LookInto(disk, 0));
    if (!volume) return NoFileSystem("the disk has no partition table and holds no file system that we know");
    choice.root = *std::move(volume);
  } else {
    auto volumes = PLATTER_TRY(ListVolumes(disk, *table));
    const std::size_t chosen =
        partition ? PLATTER_TRY(ChooseByNumber(volumes, *partition)) : PLATTER_TRY(ChooseByLooks(volumes));
    choice.root = std::move(volumes[chosen]);
    volumes.erase(volumes.begin() + static_cast<std::ptrdiff_t>(chosen));
    choice.others = std::move(volumes);
  }
  PLATTER_CHECK(CheckWhole(choice.root));
  return choice;
}

}  // namespace platter::amazon

#include "convert/docker/wrap.h"

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "convert/docker/layer_writer.h"
#include "formats/containers/docker/layer.h"
#include "formats/containers/tar/header.h"
#include "formats/containers/tar/member_writer.h"
#include "formats/core/bytes.h"
#include "formats/core/checked.h"

namespace platter::docker {
namespace {

constexpr std::uint64_t kTreeRoom = 8;  // times Limits::metadata_bytes
constexpr std::uint64_t kNodeWeight = 128;
constexpr std::size_t kMostLevels = ext::Tree::kMostLevels;

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

// Walks the file system, and writes a member for each name.
class TreeWriter {
 public:
  TreeWriter(ext::FileSystem& files, const WrapRequest& request, LayerWriter& layer, Wrapped& wrapped)
      : files_(files),
        request_(request),
        layer_(layer),
        wrapped_(wrapped),
        room_(request.limits.metadata_bytes * kTreeRoom) {}

  Result<> Run() {
    const ext::TreeInode root = PLATTER_TRY(files_.ReadInode(ext::FileSystem::kRoot));
    if (root.kind != FileKind::kDirectory) {
      return Error(ErrorKind::kCorrupt, "the root of the file system is no folder");
    }
    PLATTER_CHECK(Emit("./", root, ext::FileSystem::kRoot));
    folders_.insert(ext::FileSystem::kRoot);
    std::vector<Pending> left;
    PLATTER_CHECK(List("", ext::FileSystem::kRoot, 0, left));
    while (!left.empty()) {
      const Pending next = std::move(left.back());
      left.pop_back();
      room_ += Weight(next);
      if (request_.cancel != nullptr && *request_.cancel) return Error(ErrorKind::kCancelled, "interrupted");
      PLATTER_CHECK(Take(next, left));
    }
    // The end's mark.
    return layer_.Add(std::array<std::byte, 2 * tar::kBlock>{});
  }

 private:
  struct Pending {
    std::string path;
    std::uint32_t inode;
    std::size_t level;
  };

  static std::string Below(const std::string& folder, const std::string& name) {
    std::string path = folder;
    if (!path.empty()) path += '/';
    return path.append(name);
  }

  static std::uint64_t Weight(const Pending& entry) { return kNodeWeight + entry.path.size(); }

  Result<> Spend(std::uint64_t bytes) {
    if (bytes <= room_) {
      room_ -= bytes;
      return Done{};
    }
    return Error(ErrorKind::kLimit, "the tree of files takes too much memory")
        .At("file tree", "entries")
        .Found(wrapped_.files);
  }

  // Puts the folder's entries on the stack, the first name on top.
  Result<> List(const std::string& path, std::uint32_t inode, std::size_t level, std::vector<Pending>& left) {
    if (level >= kMostLevels) {
      return Error(ErrorKind::kLimit, "folders are nested too deeply")
          .At("file tree", "levels")
          .Allowed("at most 1024");
    }
    auto entries = PLATTER_TRY(files_.Entries(inode));
    std::ranges::sort(entries, std::greater<>());
    for (std::size_t at = 0; at < entries.size(); ++at) {
      auto& [name, number] = entries[at];
      const bool bad = name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
                       name.find('\0') != name.npos || (at != 0 && entries[at - 1].first == name);
      if (bad) {
        return Error(ErrorKind::kCorrupt, "a folder has a name twice, or one that no file can have")
            .At("folder", "name")
            .Found(Below(path, name));
      }
      if (name.starts_with(kWhiteout)) {
        ++wrapped_.whiteouts;
        continue;
      }
      Pending next{Below(path, name), number, level};
      PLATTER_CHECK(Spend(Weight(next)));
      left.push_back(std::move(next));
    }
    return Done{};
  }

  Result<> Take(const Pending& next, std::vector<Pending>& left) {
    const auto known = links_.find(next.inode);
    if (known != links_.end()) return EmitLink(next.path, known->second);
    ext::TreeInode inode = PLATTER_TRY(files_.ReadInode(next.inode));
    if (inode.kind == FileKind::kSocket) {
      ++wrapped_.sockets;
      return Done{};
    }
    if (inode.kind != FileKind::kDirectory) {
      if (inode.links > 1) {
        PLATTER_CHECK(Spend(kNodeWeight + next.path.size()));
        links_.emplace(next.inode, next.path);
      }
      return Emit(next.path, inode, next.inode);
    }
    if (!folders_.insert(next.inode).second) {
      return Error(ErrorKind::kCorrupt, "a folder has two names").At("folder", "inode").Found(next.path);
    }
    if (next.path == "lost+found" && PLATTER_TRY(files_.Entries(next.inode)).empty()) return Done{};
    PLATTER_CHECK(Spend(kNodeWeight));
    PLATTER_CHECK(Emit(next.path + "/", inode, next.inode));
    return List(next.path, next.inode, next.level + 1, left);
  }

  Result<> EmitLink(const std::string& path, const std::string& first) {
    tar::FullMember full;
    full.member.name = path;
    full.member.type = tar::MemberType::kHardLink;
    full.member.link = first;
    ++wrapped_.files;
    return Put(tar::MakeHeaders(full));
  }

  void Describe(const ext::TreeInode& inode, tar::FullMember& full) {
    full.attributes.mode = inode.mode;
    full.attributes.user = inode.user;
    full.attributes.group = inode.group;
    full.attributes.modified = inode.modified;
    full.attributes.nanoseconds = inode.nanoseconds;
    full.attributes.device_major = inode.device_major;
    full.attributes.device_minor = inode.device_minor;
    full.attributes.block_device = inode.kind == FileKind::kBlockDevice;
    if (inode.extra == nullptr) return;
    for (const auto& attribute : inode.extra->attributes) {
      if (attribute.first.find('=') == std::string::npos) {
        full.attributes.extended.push_back(attribute);
      } else {
        ++wrapped_.attributes;
      }
    }
    full.member.link = inode.extra->target;
  }

  Result<> Emit(const std::string& name, const ext::TreeInode& inode, std::uint32_t number) {
    tar::FullMember full;
    full.member.name = name;
    full.member.size = inode.size;
    Describe(inode, full);
    switch (inode.kind) {
      case FileKind::kDirectory:
        full.member.type = tar::MemberType::kFolder;
        break;
      case FileKind::kSymbolicLink:
        full.member.type = tar::MemberType::kSymbolicLink;
        break;
      case FileKind::kBlockDevice:
      case FileKind::kCharacterDevice:
        full.member.type = tar::MemberType::kDevice;
        break;
      case FileKind::kPipe:
        full.member.type = tar::MemberType::kPipe;
        break;
      default:
        break;
    }
    ++wrapped_.files;
    PLATTER_CHECK(Put(tar::MakeHeaders(full)));
    return inode.kind == FileKind::kRegular ? PutContent(inode, number) : Done{};
  }

  Result<> Put(std::string_view text) {
    wrapped_.size += text.size();
    return layer_.Add(BytesOf(text));
  }

  Result<> PutContent(const ext::TreeInode& inode, std::uint32_t number) {
    ext::File file;
    file.inode = number;
    file.kind = ext::File::Kind::kRegular;
    file.size = inode.size;
    const auto take = [&](std::span<const std::byte> piece) -> Result<> {
      if (request_.cancel != nullptr && *request_.cancel) return Error(ErrorKind::kCancelled, "interrupted");
      return layer_.Add(piece);
    };
    PLATTER_CHECK(files_.Read(file, take, UINT64_MAX));
    wrapped_.size += inode.size;
    return Put(std::string((tar::kBlock - inode.size % tar::kBlock) % tar::kBlock, '\0'));
  }

  ext::FileSystem& files_;
  const WrapRequest& request_;
  LayerWriter& layer_;
  Wrapped& wrapped_;
  std::uint64_t room_;
  std::unordered_map<std::uint32_t, std::string> links_;  // inodes of several names: the first one
  std::unordered_set<std::uint32_t> folders_;
};

// Members of the archive around the layer.
class ArchiveWriter {
 public:
  explicit ArchiveWriter(Storage& target) : target_(target) {}

  Result<> Add(const std::string& name, std::string_view content) {
    PLATTER_CHECK(Put(tar::MakeFileHeader(name, content.size())));
    PLATTER_CHECK(Put(BytesOf(content)));
    return Pad();
  }
  Result<> Put(std::span<const std::byte> bytes) {
    PLATTER_CHECK(target_.WriteAt(at_, bytes));
    at_ += bytes.size();
    return Done{};
  }
  Result<> Pad() { return Put(std::vector<std::byte>((tar::kBlock - at_ % tar::kBlock) % tar::kBlock)); }
  void Pass(std::uint64_t bytes) { at_ += bytes; }

 private:
  Storage& target_;
  std::uint64_t at_ = 0;
};

// How ELF calls a machine, and how images do (Go's GOARCH).
struct Machine {
  std::uint16_t elf;
  bool little;
  bool wide;
  std::string_view name;
};
constexpr Machine kMachines[] = {
    {62, true, true, "amd64"},   {3, true, false, "386"},    {183, true, true, "arm64"},   {40, true, false, "arm"},
    {21, true, true, "ppc64le"}, {22, false, true, "s390x"}, {243, true, true, "riscv64"}, {258, true, true, "loong64"},
    {8, true, true, "mips64le"}, {8, true, false, "mipsle"},
};

std::string_view ArchitectureOfElf(std::span<const std::byte> head) {
  constexpr std::size_t kShortest = 20;
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (head.size() < kShortest || !text.starts_with("\x7F"
                                                   "ELF")) {
    return "";
  }
  const bool wide = text[4] == 2;
  const bool little = text[5] == 1;
  const auto machine = little ? LoadLe<std::uint16_t>(head.data() + 18) : LoadBe<std::uint16_t>(head.data() + 18);
  for (const Machine& known : kMachines) {
    if (known.elf == machine && known.little == little && known.wide == wide) return known.name;
  }
  return "";
}

}  // namespace

Result<std::string> ArchitectureOf(ext::FileSystem& files) {
  for (const char* path : {"/bin/sh", "/sbin/init", "/usr/bin/env", "/bin/busybox", "/lib/systemd/systemd", "/init"}) {
    const auto found = PLATTER_TRY(files.Find(path));
    if (!found || found->kind != ext::File::Kind::kRegular) continue;
    std::vector<std::byte> head;
    const auto read = files.Read(*found, [&](std::span<const std::byte> piece) -> Result<> {
      head.assign(piece.begin(), piece.begin() + std::min<std::ptrdiff_t>(std::ssize(piece), 64));
      return Error(ErrorKind::kCancelled, "that was enough");
    });
    if (!read.ok() && read.error().kind() != ErrorKind::kCancelled) continue;
    if (const std::string_view name = ArchitectureOfElf(head); !name.empty()) return std::string(name);
  }
  return std::string();
}

Result<Wrapped> Wrap(ext::FileSystem& files, const WrapRequest& request, Storage& target) {
  if (target.is_stream()) {
    return Error(ErrorKind::kUnsupported, "an archive's first header is written last: not into a pipe");
  }
  Wrapped wrapped;
  LayerWriter writer(target, tar::kBlock, request.compression, request.workers);
  PLATTER_CHECK(TreeWriter(files, request, writer, wrapped).Run());
  const std::vector<NewLayer> layers = {PLATTER_TRY(writer.Finish())};
  const NewLayer& layer = layers.front();
  const std::string config = MakeConfig(request.config, layers);
  const std::string manifest = MakeManifest(config, layers);
  ArchiveWriter archive(target);
  const auto first = tar::MakeFileHeader(layer.digest.File(), layer.size);
  archive.Pass(tar::kBlock + layer.size);
  PLATTER_CHECK(archive.Pad());
  PLATTER_CHECK(archive.Add(DigestOf(config).File(), config));
  PLATTER_CHECK(archive.Add(DigestOf(manifest).File(), manifest));
  PLATTER_CHECK(archive.Add(std::string(kIndexJson), MakeIndex(manifest, request.config, request.tags)));
  PLATTER_CHECK(archive.Add(std::string(kManifestJson), MakeSavedImages(config, layers, request.tags)));
  PLATTER_CHECK(archive.Add(std::string(kLayoutFile), kLayoutText));
  PLATTER_CHECK(archive.Put(std::array<std::byte, 2 * tar::kBlock>{}));
  // An archive that was not finished starts with zeros.
  PLATTER_CHECK(target.WriteAt(0, first));
  wrapped.digest = DigestOf(manifest).Text();
  return wrapped;
}

}  // namespace platter::docker

// Layers laid over each other and put into a file system: the input is the tars of up to three layers. What the tree
// says is what our reader finds in the ext4 file system that is made of it; the same input gives the same tree however
// it is cut into pieces.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "convert/docker/layered_tree.h"
#include "formats/ext/file_system.h"
#include "formats/ext/new_volume.h"
#include "fuzz/support/checksums.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

constexpr std::uint64_t kRoom = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostContent = std::uint64_t{16} << 20;

// Content as its place says: byte number `offset` of source `source`.
class PatternSource : public ext::ContentSource {
 public:
  static std::byte At(std::uint32_t source, std::uint64_t offset) {
    return static_cast<std::byte>(offset * 31 + source * 7 + (offset >> 12));
  }
  Result<> ReadAt(std::uint32_t source, std::uint64_t offset, std::span<std::byte> out) override {
    for (std::size_t at = 0; at < out.size(); ++at) out[at] = At(source, offset + at);
    return Done{};
  }
};

Result<> Lay(docker::LayeredTree& tree, std::span<const std::byte> tar, std::size_t piece) {
  tree.BeginLayer();
  tar::Scanner scanner([&](const tar::FullMember& member) { return tree.Apply(member); });
  while (!tar.empty()) {
    const auto part = tar.first(std::min(piece, tar.size()));
    PLATTER_CHECK(scanner.Take(part));
    tar = tar.subspan(part.size());
  }
  return scanner.Finish();
}

void ExpectInode(ext::FileSystem& files, const ext::TreeInode& wanted, std::uint32_t number, const std::string& path) {
  const auto read = files.ReadInode(number);
  Promise(read.ok(), "an inode can be read", path);
  const ext::TreeInode& found = read.value();
  Promise(found.kind == wanted.kind && found.mode == wanted.mode, "kind and mode are kept", path);
  Promise(found.user == wanted.user && found.group == wanted.group, "owners are kept", path);
  Promise(found.size == wanted.size, "sizes are kept", path);
  Promise(wanted.kind == FileKind::kDirectory || found.links == wanted.links, "links are counted", path);
  if (wanted.kind == FileKind::kSymbolicLink) {
    Promise(found.extra != nullptr && found.extra->target == wanted.extra->target, "a link leads where it led", path);
  }
  if (wanted.kind != FileKind::kRegular) return;
  ext::File file;
  file.inode = number;
  file.kind = ext::File::Kind::kRegular;
  file.size = found.size;
  std::uint64_t at = wanted.offset;
  const auto content = files.Read(file, [&](std::span<const std::byte> part) -> Result<> {
    for (const std::byte byte : part) Promise(byte == PatternSource::At(wanted.source, at++), "content is kept", path);
    return Done{};
  });
  Promise(content.ok() && at == wanted.offset + wanted.size, "content can be read", path);
}

void ExpectFolder(ext::FileSystem& files, const ext::Tree& tree, ext::Tree::Entry folder, std::uint32_t number,
                  std::vector<std::pair<ext::Tree::Entry, std::uint32_t>>& left) {
  const auto entries = files.Entries(number);
  Promise(entries.ok(), "a folder can be read", tree.Path(folder));
  std::size_t own = 0;
  for (const auto& [name, inode] : entries.value()) {
    const auto child = tree.Find(folder, name);
    if (child == ext::Tree::kNone) {
      Promise(folder == ext::Tree::kRoot && name == "lost+found", "nothing is there that was not put there", name);
      continue;
    }
    ++own;
    left.emplace_back(child, inode);
  }
  std::size_t wanted = 0;
  for (auto child = tree.first(folder); child != ext::Tree::kNone; child = tree.next(child)) ++wanted;
  Promise(own == wanted, "every name is there once", tree.Path(folder));
}

void MakeAndRead(const ext::Tree& tree) {
  std::uint64_t content = 0;
  for (std::uint32_t inode = 0; inode < tree.inode_bound(); ++inode) {
    if (!tree.has_inode(inode)) continue;
    const std::uint64_t size = tree.inode_at(inode).size;
    if (size > kMostContent - content) return;
    content += size;
  }
  auto volume = ext::MakeVolume(tree, {}, std::make_shared<PatternSource>());
  if (!volume.ok()) return Told(volume.error());
  auto files = ext::FileSystem::Open(volume.value().bytes);
  Promise(files.ok(), "the file system can be opened");
  std::vector<std::pair<ext::Tree::Entry, std::uint32_t>> left = {{ext::Tree::kRoot, ext::FileSystem::kRoot}};
  while (!left.empty()) {
    const auto [entry, number] = left.back();
    left.pop_back();
    ExpectInode(*files.value(), tree.inode(entry), number, tree.Path(entry));
    if (tree.inode(entry).kind == FileKind::kDirectory) ExpectFolder(*files.value(), tree, entry, number, left);
  }
}

}  // namespace

// The first byte: how many layers, and into which pieces they are cut.
void TestOneInput(std::span<const std::uint8_t> input) {
  InputReader reader(input);
  const unsigned choice = reader.Byte();
  const auto file = SparseStorage::FromInput(reader.Rest());
  if (file->size() > kMostContent) return;
  for (bool more = true; more; more = MendTar(*file)) {
    std::vector<std::byte> bytes(file->size());
    Promise(file->ReadAt(0, bytes).ok(), "a file in memory can be read");
    docker::LayeredTree whole(kRoom);
    docker::LayeredTree pieces(kRoom);
    const std::size_t layers = 1 + choice % 3;
    // Cut at whole blocks.
    const std::size_t length = (bytes.size() / layers + 512) / 512 * 512;
    Result<> done = Done{};
    Result<> again = Done{};
    for (std::size_t at = 0; at < bytes.size() && done.ok(); at += length) {
      const auto layer = std::span(bytes).subspan(at, std::min(length, bytes.size() - at));
      done = Lay(whole, layer, layer.size());
      again = Lay(pieces, layer, 1 + choice);
    }
    Promise(done.ok() == again.ok(), "pieces change nothing");
    if (!done.ok()) Told(done.error());
    // What was laid before an error is a tree as well.
    MakeAndRead(whole.tree());
  }
}

}  // namespace platter::fuzz

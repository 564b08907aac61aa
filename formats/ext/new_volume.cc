#include "formats/ext/new_volume.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "formats/core/bytes.h"
#include "formats/core/checked.h"
#include "formats/ext/new_file_system.h"

namespace platter::ext {
namespace {

constexpr std::uint64_t kBlock = BlockStore::kBlock;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kLongestInInode = 60;  // bytes of a symbolic link, with the NUL that ends it
constexpr std::string_view kLostAndFound = "lost+found";
constexpr std::uint32_t kLostAndFoundInode = 11;
constexpr std::uint64_t kLostAndFoundBlocks = 4;
constexpr std::size_t kRecordHead = 8;  // bytes in front of a record's name

std::size_t RecordSize(std::size_t name_length) { return AlignUp<std::size_t>(kRecordHead + name_length, 4); }

std::uint8_t RecordType(FileKind kind) {
  switch (kind) {
    case FileKind::kRegular:
      return EXT2_FT_REG_FILE;
    case FileKind::kDirectory:
      return EXT2_FT_DIR;
    case FileKind::kSymbolicLink:
      return EXT2_FT_SYMLINK;
    case FileKind::kBlockDevice:
      return EXT2_FT_BLKDEV;
    case FileKind::kCharacterDevice:
      return EXT2_FT_CHRDEV;
    case FileKind::kPipe:
      return EXT2_FT_FIFO;
    case FileKind::kSocket:
      return EXT2_FT_SOCK;
  }
  return EXT2_FT_UNKNOWN;
}

// The records of one folder, packed into blocks.
class FolderBlocks {
 public:
  explicit FolderBlocks(std::size_t room) : room_(room) { AddBlock(); }

  void Add(std::uint32_t inode, std::string_view name, FileKind kind) {
    const std::size_t size = RecordSize(name.size());
    if (used_ + size > room_) AddBlock();
    std::byte* record = Block() + used_;
    StoreLe(record, inode);
    record[6] = static_cast<std::byte>(name.size());
    record[7] = static_cast<std::byte>(RecordType(kind));
    std::ranges::copy(std::as_bytes(std::span(name)), record + kRecordHead);
    // The last record of a block reaches to its end.
    if (last_ != used_) StoreLe(Block() + last_ + 4, static_cast<std::uint16_t>(used_ - last_));
    last_ = used_;
    used_ += size;
    StoreLe(record + 4, static_cast<std::uint16_t>(room_ - last_));
  }

  // With a record that is not in use.
  void AddBlock() {
    bytes_.resize(bytes_.size() + kBlock);
    StoreLe(Block() + 4, static_cast<std::uint16_t>(room_));
    last_ = used_ = 0;
  }

  std::uint64_t count() const noexcept { return bytes_.size() / kBlock; }
  std::span<std::byte> At(std::uint64_t index) { return std::span(bytes_).subspan(index * kBlock, kBlock); }

 private:
  std::byte* Block() { return bytes_.data() + bytes_.size() - kBlock; }

  std::size_t room_;
  std::size_t used_ = 0;
  std::size_t last_ = 0;  // where the block's last record starts
  std::vector<std::byte> bytes_;
};

// What the content takes, and what the file system should have.
struct Need {
  std::uint64_t blocks = 0;
  std::uint64_t inodes = 0;
};

class VolumeMaker {
 public:
  VolumeMaker(const Tree& tree, const VolumeRequest& request, BlockStore& store)
      : tree_(tree), request_(request), fs_(store) {}

  Result<NewVolume> Run(std::vector<ContentExtent>& extents) {
    NumberInodes();
    const Need need = Measure();
    size_ = request_.size.value_or(FittingSize(need));
    auto done = Fill(need, extents);
    if (done.ok()) {
      NewVolume made;
      made.inodes = next_inode_ - 1;
      made.unheld_attributes = unheld_attributes_;
      made.unheld_times = fs_.unheld_times();
      return made;
    }
    Error error = std::move(done).error();
    if (error.kind() != ErrorKind::kLimit || !out_of_room_) return error;
    return std::move(error)
        .At("file system", "size")
        .Found(size_)
        .Allowed(fmt::format("about {} bytes or more", FittingSize(need)));
  }
  std::uint64_t size() const noexcept { return size_; }

 private:
  // As the tree numbers them, from the first one on that is nobody's.
  void NumberInodes() {
    numbers_.assign(tree_.inode_bound(), 0);
    numbers_[tree_.inode_number(Tree::kRoot)] = EXT2_ROOT_INO;
    const auto there = tree_.Find(Tree::kRoot, kLostAndFound);
    own_lost_and_found_ = there == Tree::kNone;
    if (!own_lost_and_found_ && tree_.inode(there).kind == FileKind::kDirectory) {
      numbers_[tree_.inode_number(there)] = kLostAndFoundInode;
    }
    for (std::uint32_t inode = 0; inode < tree_.inode_bound(); ++inode) {
      if (tree_.has_inode(inode) && numbers_[inode] == 0) numbers_[inode] = next_inode_++;
    }
  }

  Need Measure() const {
    Need need;
    need.inodes = next_inode_;
    need.blocks = kLostAndFoundBlocks;
    for (std::uint32_t number = 0; number < tree_.inode_bound(); ++number) {
      if (!tree_.has_inode(number)) continue;
      const TreeInode& inode = tree_.inode_at(number);
      need.blocks += DivideRoundingUp(inode.size, kBlock);
      // A record each, of the longest name there may be; a block each for attributes and a long link.
      if (inode.kind == FileKind::kDirectory) need.blocks += 1;
      if (inode.extra != nullptr) need.blocks += inode.extra->attributes.empty() ? 1 : 2;
    }
    std::vector<Tree::Entry> left = {Tree::kRoot};
    std::uint64_t names = 0;
    while (!left.empty()) {
      const auto folder = left.back();
      left.pop_back();
      for (auto child = tree_.first(folder); child != Tree::kNone; child = tree_.next(child)) {
        names += RecordSize(tree_.name(child).size());
        if (tree_.inode(child).kind == FileKind::kDirectory) left.push_back(child);
      }
    }
    // A block of a folder is at least nine tenths full.
    need.blocks += names / (kBlock * 9 / 10) + 1;
    return need;
  }

  // A quarter of it free, and at least 64 MiB; room for tables, of which there are more for more inodes.
  static std::uint64_t FittingSize(const Need& need) {
    constexpr std::uint64_t kLeastFree = 64 * kMiB / kBlock;
    constexpr std::uint64_t kInodesInBlock = 16;
    const std::uint64_t content = need.blocks + std::max(need.blocks / 4, kLeastFree);
    const std::uint64_t tables = (need.inodes + need.inodes / 4) / kInodesInBlock + content / 48 + content / 64;
    const std::uint64_t blocks = std::max(content + tables, need.inodes + need.inodes / 4);
    // The larger the file system, the larger its journal.
    std::uint64_t journal = 0;
    for (int next = 0; (next = ext2fs_default_journal_size(blocks + journal)) > 0;) {
      if (static_cast<std::uint64_t>(next) <= journal) break;
      journal = static_cast<std::uint64_t>(next);
    }
    return AlignUp((blocks + journal) * kBlock, kMiB);
  }

  Result<> Fill(const Need& need, std::vector<ContentExtent>& extents) {
    if (request_.label.size() > EXT2_LABEL_LEN) {
      return Error(ErrorKind::kInvalid, "the label is too long").Found(request_.label).Allowed("at most 16 bytes");
    }
    constexpr std::uint64_t kInodeRatio = 16384;
    constexpr std::uint64_t kMostBlocks = std::uint64_t{1} << 40;
    constexpr std::uint64_t kMostInodes = std::numeric_limits<std::uint32_t>::max();
    out_of_room_ = true;
    Geometry geometry;
    geometry.blocks = std::min(size_ / kBlock, kMostBlocks);
    // No file system has more inodes than 32 bits count, however large it is.
    geometry.inodes = std::min(std::max(need.inodes + need.inodes / 4, size_ / kInodeRatio), kMostInodes);
    if (geometry.blocks < need.blocks || geometry.inodes < need.inodes) {
      return Error(ErrorKind::kLimit, "the content does not fit into the file system");
    }
    PLATTER_CHECK(fs_.Begin(geometry, request_));
    if (fs_.inodes() < need.inodes) return Error(ErrorKind::kLimit, "there are more files than inodes");
    PLATTER_CHECK(WriteFolders());
    PLATTER_CHECK(WriteFiles(extents));
    out_of_room_ = false;
    PLATTER_CHECK(WriteAttributes());
    return fs_.Finish();
  }

  Result<> WriteFolders() {
    struct Level {
      Tree::Entry folder;
      std::uint32_t parent;  // inode
    };
    std::vector<Level> left = {{Tree::kRoot, EXT2_ROOT_INO}};
    while (!left.empty()) {
      const Level level = left.back();
      left.pop_back();
      const std::uint32_t own = NumberOf(level.folder);
      NewInode made{.about = &tree_.inode(level.folder), .number = own, .links = 2, .size = 0, .runs = {}};
      FolderBlocks blocks(fs_.folder_room());
      blocks.Add(own, ".", FileKind::kDirectory);
      blocks.Add(level.parent, "..", FileKind::kDirectory);
      for (auto child = tree_.first(level.folder); child != Tree::kNone; child = tree_.next(child)) {
        const FileKind kind = tree_.inode(child).kind;
        blocks.Add(NumberOf(child), tree_.name(child), kind);
        if (kind != FileKind::kDirectory) continue;
        ++made.links;
        left.push_back({child, own});
      }
      if (level.folder == Tree::kRoot && own_lost_and_found_) {
        blocks.Add(kLostAndFoundInode, kLostAndFound, FileKind::kDirectory);
        ++made.links;
      }
      PLATTER_CHECK(WriteFolder(blocks, made));
    }
    return own_lost_and_found_ ? WriteLostAndFound() : Done{};
  }

  Result<> WriteFolder(FolderBlocks& blocks, NewInode& made) {
    made.size = blocks.count() * kBlock;
    made.runs = PLATTER_TRY(fs_.Take(blocks.count()));
    std::uint64_t index = 0;
    for (const BlockRun& run : made.runs) {
      for (std::uint64_t at = 0; at < run.count; ++at) {
        PLATTER_CHECK(fs_.WriteFolderBlock(run.block + at, blocks.At(index++), made.number));
      }
    }
    return fs_.WriteInode(made);
  }

  // With room, as fsck needs it when nothing else may be written.
  Result<> WriteLostAndFound() {
    TreeInode about;
    about.kind = FileKind::kDirectory;
    about.mode = 0700;
    about.modified = request_.made;
    NewInode made{.about = &about, .number = kLostAndFoundInode, .links = 2, .size = 0, .runs = {}};
    FolderBlocks blocks(fs_.folder_room());
    blocks.Add(kLostAndFoundInode, ".", FileKind::kDirectory);
    blocks.Add(EXT2_ROOT_INO, "..", FileKind::kDirectory);
    while (blocks.count() < kLostAndFoundBlocks) blocks.AddBlock();
    return WriteFolder(blocks, made);
  }

  // In the order of their places, so that who reads the volume reads each source from front to back.
  Result<> WriteFiles(std::vector<ContentExtent>& extents) {
    std::vector<std::uint32_t> files;
    for (std::uint32_t inode = 0; inode < tree_.inode_bound(); ++inode) {
      if (tree_.has_inode(inode) && tree_.inode_at(inode).kind != FileKind::kDirectory) files.push_back(inode);
    }
    std::ranges::sort(files, {}, [&](std::uint32_t number) {
      const TreeInode& inode = tree_.inode_at(number);
      return std::tuple(inode.size != 0, inode.source, inode.offset, number);
    });
    for (const std::uint32_t number : files) PLATTER_CHECK(WriteFile(number, extents));
    std::ranges::sort(extents, {}, &ContentExtent::block);
    return Done{};
  }

  Result<> WriteFile(std::uint32_t number, std::vector<ContentExtent>& extents) {
    const TreeInode& inode = tree_.inode_at(number);
    NewInode made{.about = &inode, .number = numbers_[number], .links = inode.links, .size = inode.size, .runs = {}};
    if (inode.kind == FileKind::kSymbolicLink) {
      made.size = inode.extra->target.size();
      if (made.size >= kLongestInInode) {
        made.runs = PLATTER_TRY(fs_.Take(1));
        fs_.WriteBlock(made.runs.front().block, inode.extra->target);
      }
    } else if (inode.size != 0) {
      made.runs = PLATTER_TRY(fs_.Take(DivideRoundingUp(inode.size, kBlock)));
    }
    std::uint64_t done = 0;
    for (const BlockRun& run : made.runs) {
      if (inode.kind != FileKind::kRegular) break;
      const std::uint64_t bytes = std::min(run.count * kBlock, inode.size - done);
      extents.push_back({run.block, bytes, inode.offset + done, inode.source});
      done += bytes;
    }
    return fs_.WriteInode(made);
  }

  Result<> WriteAttributes() {
    std::vector<bool> written(tree_.inode_bound());
    std::vector<Tree::Entry> left = {Tree::kRoot};
    while (!left.empty()) {
      const auto entry = left.back();
      left.pop_back();
      for (auto child = tree_.first(entry); child != Tree::kNone; child = tree_.next(child)) left.push_back(child);
      if (written[tree_.inode_number(entry)]) continue;
      written[tree_.inode_number(entry)] = true;
      const TreeInode& inode = tree_.inode(entry);
      if (inode.extra == nullptr) continue;
      for (const auto& [name, value] : inode.extra->attributes) {
        const auto held = fs_.WriteAttribute(NumberOf(entry), name, value);
        if (!held.ok()) {
          return Error(ErrorKind::kLimit, "a file's extended attributes do not fit: " + held.error().what())
              .At("file tree", name.substr(0, Tree::kLongestName))
              .Found(tree_.Path(entry));
        }
        if (!held.value()) ++unheld_attributes_;
      }
    }
    return Done{};
  }

  std::uint32_t NumberOf(Tree::Entry entry) const { return numbers_[tree_.inode_number(entry)]; }

  const Tree& tree_;
  const VolumeRequest& request_;
  NewFileSystem fs_;
  std::uint64_t size_ = 0;
  std::vector<std::uint32_t> numbers_;  // the file system's, by the tree's
  std::uint32_t next_inode_ = kLostAndFoundInode + 1;
  bool own_lost_and_found_ = true;  // the tree has none
  bool out_of_room_ = false;        // what is beyond a limit now is beyond the file system's size
  std::uint64_t unheld_attributes_ = 0;
};

}  // namespace

Result<NewVolume> MakeVolume(const Tree& tree, const VolumeRequest& request, std::shared_ptr<ContentSource> content) {
  auto store = std::make_unique<BlockStore>();
  std::vector<ContentExtent> extents;
  VolumeMaker maker(tree, request, *store);
  NewVolume made = PLATTER_TRY(maker.Run(extents));
  made.bytes = std::make_shared<ContentVolume>(maker.size(), std::move(store), std::move(extents), std::move(content));
  return made;
}

}  // namespace platter::ext

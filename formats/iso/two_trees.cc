#include "formats/iso/two_trees.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "formats/iso/iso_tree.h"

namespace platter::iso {
namespace {

using Kind = VolumeDescriptor::Kind;

// Where a file's bytes lie: first block and length of each piece. Empty for one without bytes.
using Extents = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

constexpr std::size_t kFileBytes = 256;     // that a file takes in the lists, beside its path twice
constexpr std::size_t kMostExtents = 4096;  // of one file

// What every tree can hold of a path: no capitals, and "_" for what Joliet and plain names leave out.
std::string Folded(std::string_view path) {
  std::string folded(path);
  for (char& letter : folded) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool kept = std::isalnum(byte) != 0 || byte >= 0x80 || letter == '/' || letter == '.';
    letter = kept ? static_cast<char>(std::tolower(byte)) : '_';
  }
  return folded;
}

class Files {
 public:
  Files(const std::shared_ptr<Storage>& data, const VolumeDescriptor& descriptor, const Volume& volume,
        const Limits& limits)
      : data_(data),
        limits_(limits),
        tree_(data, descriptor, descriptor.kind == Kind::kPrimary ? volume.susp : std::nullopt) {}

  Result<> Read() {
    auto root = tree_.Root();
    if (!root.ok()) return Pass(root.error());
    TreeVisitor visitor;
    visitor.enter = [](const std::string&, const TreeEntry&) { return Result<>(Done{}); };
    visitor.entry = [&](const std::string& path, const TreeEntry& entry) -> Result<bool> {
      if (entry.kind == FileKind::kRegular) PLATTER_CHECK(Add(path, entry));
      return true;
    };
    visitor.broken = [](const std::string&, const Error&) {};
    return WalkTree(tree_, root.value(), "", limits_, visitor);
  }

  // Null where the tree has no such file.
  const Extents* Exactly(const std::string& path) const { return In(exact_, path); }
  // Null, too, where it has several.
  const Extents* Like(const std::string& folded) const {
    const Extents* found = In(folded_, folded);
    return found == nullptr || repeated_.contains(folded) ? nullptr : found;
  }
  bool HasLike(const std::string& folded) const { return folded_.contains(folded); }
  const std::map<std::string, Extents>& exact() const noexcept { return exact_; }

 private:
  // What is damaged the check of the tree itself tells.
  static Result<> Pass(const Error& error) {
    if (error.kind() == ErrorKind::kIo) return Error(ErrorKind::kIo, error.what());
    return Done{};
  }

  static const Extents* In(const std::map<std::string, Extents>& files, const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? nullptr : &found->second;
  }

  Result<> Add(const std::string& path, const TreeEntry& entry) {
    Extents extents;
    DirectoryReader reader(*data_, entry.node, data_->size() - entry.node);
    for (bool more = true; more;) {
      const auto record = reader.Next();
      if (!record.ok()) return Pass(record.error());
      if (!record.value() || extents.size() >= kMostExtents) break;
      const DirectoryRecord& piece = *record.value();
      if (piece.data_length != 0) {
        extents.emplace_back(std::uint64_t{piece.extent} + piece.extended_attribute_blocks, piece.data_length);
      }
      more = piece.more_extents();
    }
    std::string folded = Folded(path);
    bytes_ += kFileBytes + path.size() * 2 + extents.size() * sizeof(Extents::value_type) * 2;
    if (bytes_ > limits_.metadata_bytes) {
      return Error(ErrorKind::kLimit, "the volume has too many files for its trees to be compared").In(data_->name());
    }
    if (!folded_.emplace(folded, extents).second) repeated_.insert(std::move(folded));
    exact_.emplace(path, std::move(extents));
    return Done{};
  }

  const std::shared_ptr<Storage>& data_;
  const Limits& limits_;
  IsoTree tree_;
  std::uint64_t bytes_ = 0;
  std::map<std::string, Extents> exact_;
  std::map<std::string, Extents> folded_;
  std::set<std::string> repeated_;
};

// The last component up to its extension.
std::string_view Base(std::string_view path) noexcept {
  path.remove_prefix(path.rfind('/') + 1);
  return path.substr(0, path.find('.'));
}

// Whether the plain name may be what its author made of the long one, both folded: eight letters, or more at other
// levels.
bool MayBeShortFor(std::string_view plain, std::string_view name) noexcept {
  constexpr std::size_t kShortest = 8;
  const std::string_view base = Base(plain);
  return base.size() >= kShortest && Base(name).size() > base.size() && Base(name).starts_with(base);
}

// The names of contents in `other` that `primary` does not have: a plain name may be short for one of them.
std::multimap<Extents, std::string> NamedOtherwise(const Files& primary, const Files& other) {
  std::multimap<Extents, std::string> names;
  for (const auto& [path, extents] : other.exact()) {
    std::string folded = Folded(path);
    if (!primary.HasLike(folded)) names.emplace(extents, std::move(folded));
  }
  return names;
}

// `full_names`: the primary tree's are as long as the other's.
std::optional<std::string> FirstDifference(const Files& primary, const Files& other, bool full_names) {
  const auto otherwise = NamedOtherwise(primary, other);
  for (const auto& [path, extents] : other.exact()) {
    const Extents* same = full_names ? primary.Exactly(path) : nullptr;
    if (same != nullptr) {
      if (*same != extents) return path;
      continue;
    }
    const std::string folded = Folded(path);
    const Extents* like = primary.Like(folded);
    if (like == nullptr || *like == extents || other.Like(folded) == nullptr) continue;
    const auto [begin, end] = otherwise.equal_range(*like);
    const bool shortened =
        !full_names && std::any_of(begin, end, [&](const auto& name) { return MayBeShortFor(folded, name.second); });
    if (!shortened) return path;
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::string>> FindPathOfTwoContents(const std::shared_ptr<Storage>& data, const Volume& volume,
                                                         const Limits& limits) {
  const VolumeDescriptor* first = volume.Find(Kind::kPrimary);
  if (first == nullptr) return std::optional<std::string>();
  std::optional<Files> primary;
  for (const Kind kind : {Kind::kJoliet, Kind::kEnhanced}) {
    const VolumeDescriptor* second = volume.Find(kind);
    if (second == nullptr) continue;
    if (!primary) PLATTER_CHECK(primary.emplace(data, *first, volume, limits).Read());
    Files other(data, *second, volume, limits);
    PLATTER_CHECK(other.Read());
    if (auto path = FirstDifference(*primary, other, volume.susp.has_value())) return path;
  }
  return std::optional<std::string>();
}

}  // namespace platter::iso

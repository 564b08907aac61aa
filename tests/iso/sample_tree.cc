#include "tests/iso/sample_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/core/reference.h"
#include "formats/format_table.h"
#include "tests/support/digest.h"
#include "tests/support/guest.h"

namespace platter::test {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1'600'000'000;

void WriteFile(const fs::path& path, std::size_t size, std::uint64_t seed) {
  Random random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  std::ofstream(path, std::ios::binary) << bytes;
}

void SetTime(const fs::path& path, std::int64_t seconds) {
  const std::array<timespec, 2> times = {timespec{seconds, 0}, timespec{seconds, 0}};
  utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
}

std::string Describe(FileKind kind, std::uint64_t size, const std::string& content, std::uint32_t mode,
                     std::int64_t modified, Aspects aspects) {
  std::string text =
      kind == FileKind::kDirectory ? "directory" : fmt::format("{} {} {}", FileKindName(kind), size, content);
  if (aspects.posix && kind != FileKind::kSymbolicLink) text += fmt::format(" {:o}", mode);
  if (aspects.posix && (aspects.link_times || kind != FileKind::kSymbolicLink)) text += fmt::format(" {}", modified);
  return text;
}

Result<std::string> DigestOf(Storage& file) {
  Sha256 digest;
  std::vector<std::byte> bytes(65536);
  for (std::uint64_t at = 0; at < file.size();) {
    const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), file.size() - at));
    PLATTER_CHECK(file.ReadAt(at, part));
    digest.Add(part);
    at += part.size();
  }
  return digest.Hex();
}

std::string ContentOf(FileTree& tree, const TreeEntry& entry) {
  if (entry.kind == FileKind::kSymbolicLink) return entry.target;
  if (entry.kind != FileKind::kRegular) return "";
  const auto file = tree.OpenFile(entry);
  if (!file.ok()) return file.error().Describe();
  if (file.value()->size() != entry.size) return fmt::format("opens with {} bytes", file.value()->size());
  const auto digest = DigestOf(*file.value());
  return digest.ok() ? digest.value() : digest.error().Describe();
}

}  // namespace

void MakeSampleTree(const std::string& folder) {
  const fs::path root = folder;
  fs::create_directories(root / "sizes");
  std::uint64_t seed = 1;
  for (const std::size_t size : {0, 1, 2047, 2048, 2049, 70000}) {
    WriteFile(root / "sizes" / fmt::format("f{}", size), size, ++seed);
  }
  fs::create_directories(root / "many");
  for (int at = 0; at < 120; ++at) WriteFile(root / "many" / fmt::format("file-number-{:03}.text", at), 3, ++seed);
  fs::path deep = root;
  for (int level = 1; level <= 11; ++level) deep /= fmt::format("level{}", level);
  fs::create_directories(deep);
  WriteFile(deep / "bottom", 100, ++seed);
  WriteFile(root / "gr\u00fc\u00dfe \u4f60\u597d.txt", 10, ++seed);
  WriteFile(root / "a name that is rather longer than thirty-one characters.long", 5000, ++seed);
  WriteFile(root / "script", 20, ++seed);
  fs::permissions(root / "script", fs::perms(0751));
  fs::create_symlink("sizes/f2049", root / "relative-link");
  fs::create_symlink("../../up//and/./away", root / "sizes" / "dangling-link");
  fs::create_symlink("/etc/passwd", root / "absolute-link");
  fs::create_directory(root / "empty");
  SetTime(root, kTime);
  for (const auto& entry : fs::recursive_directory_iterator(root)) SetTime(entry.path(), kTime + 60);
}

std::map<std::string, std::string> ContentOfFolder(const std::string& folder, Aspects aspects) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat status {};
    lstat(entry.path().c_str(), &status);
    const bool link = S_ISLNK(status.st_mode);
    if (link && !aspects.posix) continue;
    const FileKind kind = link                      ? FileKind::kSymbolicLink
                          : S_ISDIR(status.st_mode) ? FileKind::kDirectory
                                                    : FileKind::kRegular;
    std::string bytes;
    if (link) bytes = fs::read_symlink(entry.path()).string();
    if (kind == FileKind::kRegular) bytes = Sha256OfFile(entry.path().string());
    const auto size = kind == FileKind::kRegular ? static_cast<std::uint64_t>(status.st_size) : 0;
    content[entry.path().lexically_relative(folder).string()] =
        Describe(kind, size, bytes, status.st_mode & 07777, status.st_mtim.tv_sec, aspects);
  }
  return content;
}

std::map<std::string, std::string> ContentOfTree(FileTree& tree, Aspects aspects) {
  std::map<std::string, std::string> content;
  const auto root = tree.Root();
  if (!root.ok()) return {{"", root.error().Describe()}};
  TreeVisitor visitor;
  visitor.enter = [](const std::string&, const TreeEntry&) { return Result<>(Done{}); };
  visitor.entry = [&](const std::string& path, const TreeEntry& entry) -> Result<bool> {
    if (entry.kind == FileKind::kSymbolicLink && !aspects.posix) return true;
    const bool repeated = content.contains(path);
    content[path] = Describe(entry.kind, entry.size, ContentOf(tree, entry), entry.mode, entry.modified, aspects);
    if (repeated) content[path] += " twice";
    return true;
  };
  visitor.broken = [&](const std::string& path, const Error& error) { content[path] += " " + error.Describe(); };
  const auto walked = WalkTree(tree, root.value(), "", {}, visitor);
  if (!walked.ok()) content[""] = walked.error().Describe();
  return content;
}

std::string Differences(const std::map<std::string, std::string>& expected,
                        const std::map<std::string, std::string>& found) {
  std::string text;
  for (const auto& [path, what] : expected) {
    const auto other = found.find(path);
    if (other == found.end()) text += fmt::format("{}: missing\n", path);
    if (other != found.end() && other->second != what)
      text += fmt::format("{}: {}, not {}\n", path, other->second, what);
  }
  for (const auto& [path, what] : found) {
    if (!expected.contains(path)) text += fmt::format("{}: {}, not expected\n", path, what);
  }
  return text;
}

Result<std::shared_ptr<Image>> TryOpenVolume(std::shared_ptr<Storage> storage, const std::string& tree) {
  const FormatDriver& driver = *FindFormat("iso");
  DenyGate gate;
  OpenContext context;
  context.gate = &gate;
  PLATTER_CHECK(context.options.Set("tree", tree, driver.open_options));
  return driver.open(std::move(storage), context);
}

std::shared_ptr<Image> OpenVolume(const std::string& path, const std::string& tree) {
  auto file = FileStorage::Open(path, {});
  if (!file.ok()) throw std::runtime_error(file.error().Describe());
  auto image = TryOpenVolume(file.value(), tree);
  if (!image.ok()) throw std::runtime_error(image.error().Describe());
  return std::move(image).value();
}

}  // namespace platter::test

// The files of an ext file system, and the search for a root with a kernel.
#include <algorithm>
#include <string>

#include "convert/amazon/root.h"
#include "formats/ext/file_system.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/promise.h"
#include "fuzz/support/sparse_storage.h"

namespace platter::fuzz {
namespace {

// What the walk may still do.
struct Budget {
  int entries = 300;
  int files = 16;
};

void Look(ext::FileSystem& files, const std::string& path, unsigned depth, Budget& budget);

void LookAt(ext::FileSystem& files, const ext::File& file, const std::string& path, unsigned depth, Budget& budget) {
  if (file.kind == ext::File::Kind::kLink) {
    const auto target = files.ReadLink(file);
    if (!target.ok()) Told(target.error());
  }
  if (file.kind == ext::File::Kind::kFolder && depth < 8) Look(files, path, depth + 1, budget);
  if (file.kind != ext::File::Kind::kRegular || --budget.files < 0) return;
  std::uint64_t seen = 0;
  const auto read = files.Read(file, [&seen](std::span<const std::byte> part) -> Result<> {
    seen += part.size();
    if (seen > std::uint64_t{4} << 20) return Error(ErrorKind::kCancelled, "enough seen");
    return Done{};
  });
  if (!read.ok()) return Told(read.error());
  Promise(seen == file.size, "a file has as many bytes as it says",
          path + ": " + std::to_string(seen) + " of " + std::to_string(file.size));
}

void Look(ext::FileSystem& files, const std::string& path, unsigned depth, Budget& budget) {
  const auto folder = files.Find(path);
  if (!folder.ok()) return Told(folder.error());
  if (!folder.value()) return;
  const auto names = files.List(*folder.value());
  if (!names.ok()) return Told(names.error());
  for (const std::string& name : names.value()) {
    if (--budget.entries < 0) return;
    std::string inside = path;
    inside.append("/").append(name);
    const auto found = files.FindLink(inside);
    if (!found.ok()) {
      Told(found.error());
    } else if (found.value()) {
      LookAt(files, *found.value(), inside, depth, budget);
    }
  }
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  const auto volume = SparseStorage::FromInput(input);
  const auto files = ext::FileSystem::Open(volume);
  if (!files.ok()) {
    Told(files.error());
  } else {
    Budget budget;
    Look(*files.value(), "", 0, budget);
  }
  const auto root = amazon::FindRoot(volume, std::nullopt);
  if (!root.ok()) return Told(root.error());
  const auto boot = amazon::FindBootFiles(root.value(), "");
  if (!boot.ok()) Told(boot.error());
}

}  // namespace platter::fuzz

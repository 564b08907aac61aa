// FindBootFiles: the kernel and the ramdisk of a root file system.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "convert/amazon/root.h"

namespace platter::amazon {
namespace {

constexpr std::array<std::string_view, 5> kKernelPrefixes = {"vmlinuz-", "vmlinux-", "bzImage-", "kernel-", "Image-"};
// Copies that package managers and administrators leave, and what is not meant for every day.
constexpr std::array<std::string_view, 4> kLeftovers = {".old", ".bak", ".dpkg-new", ".hmac"};

// Where kernels are looked for.
struct Place {
  std::shared_ptr<ext::FileSystem> files;
  std::uint32_t partition;
  std::string folder;  // with a slash at its end
};

struct Candidate {
  const Place* place;
  std::string name;
  std::string version;
};

std::string VersionOf(const std::string& name) {
  if (std::ranges::any_of(kLeftovers, [&](std::string_view end) { return name.ends_with(end); })) return "";
  for (const std::string_view prefix : kKernelPrefixes) {
    if (name.starts_with(prefix) && !name.starts_with("vmlinuz-0-rescue")) return name.substr(prefix.size());
  }
  return "";
}

class Finder {
 public:
  Finder(const RootChoice& choice, const std::string& wanted) : choice_(choice), wanted_(wanted) {
    AddPlace(choice.root, "/boot/");
    for (const Volume& volume : choice.others) {
      AddPlace(volume, "/");
      AddPlace(volume, "/boot/");
    }
  }

  Result<BootFiles> Find() {
    if (wanted_.find('/') != std::string::npos) return ByPath(wanted_);
    std::vector<Candidate> candidates;
    for (const Place& place : places_) PLATTER_CHECK(ListPlace(place, candidates));
    if (!candidates.empty()) {
      const auto older = [](const Candidate& a, const Candidate& b) {
        return CompareVersions(a.version, b.version) < 0;
      };
      return Take(*std::ranges::max_element(candidates, older));
    }
    if (!wanted_.empty()) return NotFound();
    for (const std::string_view path : {"/vmlinuz", "/boot/vmlinuz", "/boot/vmlinux", "/boot/bzImage", "/boot/Image"}) {
      auto found = ByPath(std::string(path));
      if (found.ok() || found.error().kind() != ErrorKind::kInvalid) return found;
    }
    return NotFound();
  }

 private:
  void AddPlace(const Volume& volume, std::string folder) {
    if (volume.files != nullptr) places_.push_back({volume.files, volume.partition, std::move(folder)});
  }

  Error NotFound() const {
    const Volume& root = choice_.root;
    if (places_.empty() && !root.about.ext()) {
      return Error(ErrorKind::kUnsupported,
                   fmt::format("kernels are read out of ext file systems only, and {} is none", root.Name()));
    }
    if (!root.trouble.empty()) return Error(ErrorKind::kCorrupt, root.trouble);
    if (!wanted_.empty()) return Error(ErrorKind::kInvalid, fmt::format("there is no kernel '{}'", wanted_));
    std::string hint = root.about.ext() ? "" : fmt::format("; {} cannot be looked into", root.Name());
    return Error(ErrorKind::kInvalid, fmt::format("no kernel in /boot and no /vmlinuz{}", hint));
  }

  Result<> ListPlace(const Place& place, std::vector<Candidate>& candidates) {
    const auto folder = PLATTER_TRY(place.files->Find(place.folder));
    if (!folder || folder->kind != ext::File::Kind::kFolder) return Done{};
    for (std::string& name : PLATTER_TRY(place.files->List(*folder))) {
      std::string version = VersionOf(name);
      const bool fits = wanted_.empty() ? !version.empty() : wanted_ == version || wanted_ == name;
      if (!fits) continue;
      const auto file = PLATTER_TRY(place.files->Find(place.folder + name));
      if (!file || file->kind != ext::File::Kind::kRegular) continue;
      candidates.push_back({&place, std::move(name), std::move(version)});
    }
    return Done{};
  }

  // The file of that path, in the volume of `place`; empty where there is none.
  static Result<std::optional<BootFile>> FileAt(const Place& place, const std::string& path) {
    const auto file = PLATTER_TRY(place.files->Find(path));
    if (!file || file->kind != ext::File::Kind::kRegular) return std::optional<BootFile>{};
    return std::optional<BootFile>({path, place.partition, place.files, *file});
  }

  static Result<std::optional<BootFile>> FirstOf(const Place& place, const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      auto file = PLATTER_TRY(FileAt(place, path));
      if (file) return file;
    }
    return std::optional<BootFile>{};
  }

  Result<BootFiles> Take(const Candidate& candidate) {
    BootFiles files;
    files.version = candidate.version;
    const Place& place = *candidate.place;
    files.kernel = *PLATTER_TRY(FileAt(place, place.folder + candidate.name));
    std::vector<std::string> paths;
    if (!candidate.version.empty()) {
      for (const std::string_view pattern :
           {"initrd.img-{}", "initramfs-{}.img", "initrd-{}", "initrd-{}.img", "initramfs-{}"}) {
        paths.push_back(place.folder + fmt::format(fmt::runtime(pattern), candidate.version));
      }
    }
    files.ramdisk = PLATTER_TRY(FirstOf(place, paths));
    return files;
  }

  // Names without a version: links to the kernel of the day, or the only one.
  Result<BootFiles> ByPath(const std::string& path) {
    for (const Place& place : places_) {
      auto kernel = PLATTER_TRY(FileAt(place, path));
      if (!kernel) continue;
      const std::string folder = path.substr(0, path.rfind('/') + 1);
      const std::string version = VersionOf(path.substr(folder.size()));
      if (!version.empty()) {
        const Place here{place.files, place.partition, folder};
        return Take({&here, path.substr(folder.size()), version});
      }
      BootFiles files;
      files.kernel = *std::move(kernel);
      files.ramdisk = PLATTER_TRY(FirstOf(place, {folder + "initrd.img", folder + "initrd", folder + "initramfs.img",
                                                  folder + "initramfs", "/boot/initrd.img", "/boot/initrd"}));
      return files;
    }
    return NotFound();
  }

  const RootChoice& choice_;
  const std::string& wanted_;
  std::vector<Place> places_;
};

// dpkg's order of characters that are no digits.
int Order(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  const char c = text[at];
  if (c == '~') return -1;
  if (c >= '0' && c <= '9') return 0;
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter ? c : c + 256;
}

bool IsDigit(std::string_view text, std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; }

}  // namespace

int CompareVersions(std::string_view a, std::string_view b) noexcept {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    while ((i < a.size() && !IsDigit(a, i)) || (j < b.size() && !IsDigit(b, j))) {
      const int difference = Order(a, i) - Order(b, j);
      if (difference != 0) return difference;
      ++i;
      ++j;
    }
    while (IsDigit(a, i) && a[i] == '0') ++i;
    while (IsDigit(b, j) && b[j] == '0') ++j;
    int first = 0;
    while (IsDigit(a, i) && IsDigit(b, j)) {
      if (first == 0) first = a[i] - b[j];
      ++i;
      ++j;
    }
    if (IsDigit(a, i)) return 1;
    if (IsDigit(b, j)) return -1;
    if (first != 0) return first;
  }
  return 0;
}

Result<BootFiles> FindBootFiles(const RootChoice& choice, const std::string& wanted) {
  return Finder(choice, wanted).Find();
}

}  // namespace platter::amazon

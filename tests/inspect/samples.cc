#include "tests/inspect/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "formats/core/bytes.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kDiskSize = std::uint64_t{3} << 20;

template <class Store>
Bytes WithNumber(Bytes bytes, std::uint64_t offset, std::size_t length, Store store) {
  if (offset + length > bytes.size()) bytes.resize(offset + length);
  store(bytes.data() + offset);
  return bytes;
}

}  // namespace

Bytes ToBytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string Tool() { return PLATTER_TOOL; }

Bytes MadeBy(const std::vector<std::vector<std::string>>& commands) {
  const TempDir dir;
  std::ofstream(dir.File("base.raw")).close();
  std::filesystem::resize_file(dir.File("base.raw"), 1 << 20);
  for (const auto& command : commands) {
    CommandOptions options;
    options.folder = dir.path().string();
    MustRun(command, options);
  }
  return FileBytes(dir.File("image"));
}

Bytes Created(const std::vector<std::string>& words, const std::string& size) {
  std::vector<std::string> command = {"qemu-img", "create", "-q"};
  command.insert(command.end(), words.begin(), words.end());
  command.emplace_back("image");
  if (!size.empty()) command.push_back(size);
  return MadeBy({command});
}

Bytes Converted(const std::vector<std::string>& words) { return ConvertedBy("qemu-img", words); }

Bytes ConvertedBy(const std::string& program, const std::vector<std::string>& words) {
  GuestDisk disk;
  disk.size = kDiskSize;
  disk.ranges = {{0, kDiskSize / 2, GuestRange::Kind::kNoise, 7},
                 {kDiskSize / 2, kDiskSize / 2, GuestRange::Kind::kHole}};
  const TempDir dir;
  WriteRawFile(disk, dir.File("disk.raw"));
  std::vector<std::string> command = {program, "convert", "-f", "raw"};
  command.insert(command.end(), words.begin(), words.end());
  command.insert(command.end(), {dir.File("disk.raw"), "image"});
  return MadeBy({command});
}

Bytes With(Bytes bytes, std::uint64_t offset, const Bytes& patch) {
  if (offset + patch.size() > bytes.size()) bytes.resize(offset + patch.size());
  std::ranges::copy(patch, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  return bytes;
}

Bytes With(Bytes bytes, std::uint64_t offset, std::string_view patch) {
  return With(std::move(bytes), offset, ToBytes(patch));
}

Bytes WithBe32(Bytes bytes, std::uint64_t offset, std::uint32_t value) {
  return WithNumber(std::move(bytes), offset, 4, [&](std::byte* at) { StoreBe(at, value); });
}
Bytes WithBe64(Bytes bytes, std::uint64_t offset, std::uint64_t value) {
  return WithNumber(std::move(bytes), offset, 8, [&](std::byte* at) { StoreBe(at, value); });
}
Bytes WithLe32(Bytes bytes, std::uint64_t offset, std::uint32_t value) {
  return WithNumber(std::move(bytes), offset, 4, [&](std::byte* at) { StoreLe(at, value); });
}
Bytes WithLe64(Bytes bytes, std::uint64_t offset, std::uint64_t value) {
  return WithNumber(std::move(bytes), offset, 8, [&](std::byte* at) { StoreLe(at, value); });
}

Bytes Replaced(Bytes bytes, std::string_view from, std::string_view to) {
  const Bytes old = ToBytes(from);
  const Bytes fresh = ToBytes(to);
  for (auto at = bytes.begin(); (at = std::search(at, bytes.end(), old.begin(), old.end())) != bytes.end();) {
    at = std::ranges::copy(fresh, at).out;
  }
  return bytes;
}

Bytes First(Bytes bytes, std::uint64_t length) {
  if (length < bytes.size()) bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(length), bytes.end());
  return bytes;
}

Bytes WithoutLast(Bytes bytes, std::uint64_t length) {
  const std::uint64_t size = bytes.size();
  return First(std::move(bytes), size - std::min(size, length));
}

Bytes VmdkDescriptor(const std::string& create_type, const std::string& extent) {
  return ToBytes(
      fmt::format("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"{}\"\n\n"
                  "# Extent description\n{}\n",
                  create_type, extent));
}

Bytes RealIso() { return FileBytes("/usr/lib/grub-rescue/grub-rescue-cdrom.iso"); }

Bytes Zip(std::size_t comment) {
  const std::string content = "hello, world";
  const std::string fields = std::string("\0\0\0\0\0\0\x21\0\x3A\x72\xAB\xFF\xC\0\0\0\xC\0\0\0\1\0\0\0", 24);
  const std::string local = "PK\3\4" + std::string("\xA\0", 2) + fields + "a" + content;
  const std::string entry = "PK\1\2" + std::string("\xA\0\xA\0", 4) + fields + std::string(14, '\0') + "a";
  Bytes end(22 + comment, std::byte{'x'});
  end = With(std::move(end), 0, "PK\5\6" + std::string("\0\0\0\0\1\0\1\0", 8));
  end = WithLe32(WithLe32(std::move(end), 12, static_cast<std::uint32_t>(entry.size())), 16,
                 static_cast<std::uint32_t>(local.size()));
  end[20] = static_cast<std::byte>(comment);
  end[21] = static_cast<std::byte>(comment >> 8);
  return With(ToBytes(local + entry), local.size() + entry.size(), end);
}

Bytes SecondLuksHeader(std::uint64_t place) {
  return WithBe64(With(Bytes(4096), 0, std::string_view("SKUL\xBA\xBE\0\2", 8)), 256, place);
}

Bytes GptDisk() {
  return MadeBy({{"truncate", "-s", "4M", "image"},
                 {"sh", "-c", "printf 'label: gpt\\nstart=2048, size=2048\\n' | sfdisk -q image"}});
}

}  // namespace platter::test

#include "tests/iso/volume_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "tests/iso/sample_tree.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::test {

Bytes MakeVolume(const std::string& script) {
  const TempDir folder;
  MakeSampleTree(folder.File("tree"));
  CommandOptions here;
  here.folder = folder.path().string();
  MustRun({"sh", "-ec", "rm -r tree/many tree/level1; " + script}, here);
  return FileBytes(folder.File("v.iso"));
}

void Overwrite(Bytes& bytes, std::size_t offset, const std::vector<std::uint8_t>& with) {
  std::ranges::transform(with, bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                         [](std::uint8_t byte) { return std::byte{byte}; });
}

Result<std::shared_ptr<Image>> OpenBytes(Bytes bytes, const std::string& tree) {
  return TryOpenVolume(std::make_shared<MemoryStorage>("v.iso", std::move(bytes)), tree);
}

std::string LostFrom(const Bytes& whole, const Bytes& damaged, const std::string& left_out, const std::string& tree) {
  auto expected = ContentOfTree(*OpenBytes(whole, tree).value()->file_tree());
  const auto image = OpenBytes(damaged, tree);
  if (!image.ok()) return image.error().Describe();
  auto found = ContentOfTree(*image.value()->file_tree());
  expected.erase(left_out);
  found.erase(left_out);
  std::string text;
  for (const auto& [path, what] : expected) {
    if (found[path] != what) text += path + ": " + found[path] + ", not " + what + "\n";
  }
  return text;
}

std::vector<std::string> FindingsIn(Bytes bytes) {
  std::vector<std::string> lines;
  DenyGate gate;
  CheckRequest request;
  request.storage = std::make_shared<MemoryStorage>("v.iso", std::move(bytes));
  request.context.gate = &gate;
  request.log = [&lines](const std::string& line) { lines.push_back(line); };
  const auto report = FindFormat("iso")->check(request);
  if (!report.ok()) return {report.error().Describe()};
  EXPECT_EQ(report.value().corruptions, lines.size());
  return lines;
}

}  // namespace platter::test

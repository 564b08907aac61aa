// platter cat: a file inside an image, to the standard output.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "tools/platter/argument_parser.h"
#include "tools/platter/message.h"
#include "tools/platter/volume_source.h"

namespace platter::cli {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;

constexpr option kOptions[] = {
    {"disk", required_argument, nullptr, kDisk}, {"format", required_argument, nullptr, 'f'},
    {"tree", required_argument, nullptr, kTree}, {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
};

Result<> PrintFile(FileTree& tree, const std::string& path) {
  const TreeEntry entry = PLATTER_TRY(FindEntry(tree, path, true));
  if (entry.kind != FileKind::kRegular) {
    return Error(ErrorKind::kInvalid, fmt::format("'{}' is no regular file but a {}", path, FileKindName(entry.kind)));
  }
  const auto file = PLATTER_TRY(tree.OpenFile(entry));
  std::vector<std::byte> piece(std::min<std::uint64_t>(kPiece, file->size()));
  for (std::uint64_t at = 0; at < file->size(); at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(kPiece, file->size() - at));
    PLATTER_CHECK(file->ReadAt(at, piece));
    // main() finds out whether everything reached the standard output.
    if (std::fwrite(piece.data(), 1, piece.size(), stdout) != piece.size()) return Done{};
  }
  return Done{};
}

Result<> PrintAll(const VolumeSource& source, std::span<const std::string> paths) {
  for (const std::string& path : paths) PLATTER_CHECK(PrintFile(source.tree(), path));
  return source.Unchanged();
}

}  // namespace

int RunCat(const Invocation& call) {
  ArgumentParser parser(call, "f:U", kOptions);
  ImageArgument image;
  std::string tree;
  while (const auto code = parser.Next()) {
    if (*code == 'f') image.format = parser.value();
    if (*code == kDisk) image.disk = parser.value();
    if (*code == 'U') image.force_share = true;
    if (*code == kImageOpts) image.image_opts = true;
    if (*code == kTree) tree = parser.value();
  }
  if (parser.exit_code()) return *parser.exit_code();
  const auto operands = parser.operands();
  if (operands.size() < 2) return ComplainUsage(call.persona, "Expecting an image file name and paths in it");
  image.text = operands[0];
  const auto source = VolumeSource::Open(image, tree);
  if (!source.ok()) {
    ComplainOpen(call.persona, image.text, source.error());
    return 1;
  }
  const auto printed = PrintAll(source.value(), std::span(operands).subspan(1));
  if (printed.ok()) return 0;
  Complain(call.persona, ReasonOf(printed.error()));
  return 1;
}

}  // namespace platter::cli

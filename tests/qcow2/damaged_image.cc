#include "tests/qcow2/damaged_image.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "formats/core/file_storage.h"
#include "formats/qcow2/check.h"
#include "formats/qcow2/l2_entry.h"
#include "formats/qcow2/refcount_entry.h"
#include "tests/support/command.h"
#include "tests/support/content.h"

namespace platter::test {
namespace {

std::string WithPath(std::string text, const std::string& path) {
  if (const auto at = text.find("IMG"); at != std::string::npos) text.replace(at, 3, path);
  return text;
}

std::vector<std::string> WithPath(std::vector<std::string> words, const std::string& path) {
  for (std::string& word : words) word = WithPath(word, path);
  return words;
}

std::uint64_t NumberAfter(const std::string& json, const std::string& key) {
  const auto at = json.find("\"" + key + "\": ");
  return at == std::string::npos ? 0 : std::stoull(json.substr(at + key.size() + 4));
}

struct Figure {
  const char* key;
  std::uint64_t CheckReport::*value;
};
constexpr Figure kFigures[] = {
    {"check-errors", &CheckReport::check_errors},
    {"corruptions", &CheckReport::corruptions},
    {"leaks", &CheckReport::leaks},
    {"corruptions-fixed", &CheckReport::corruptions_fixed},
    {"leaks-fixed", &CheckReport::leaks_fixed},
    {"image-end-offset", &CheckReport::image_end_offset},
    {"total-clusters", &CheckReport::total_clusters},
    {"allocated-clusters", &CheckReport::allocated_clusters},
    {"fragmented-clusters", &CheckReport::fragmented_clusters},
    {"compressed-clusters", &CheckReport::compressed_clusters},
};

const char* RepairWord(Repair repair) { return repair == Repair::kAll ? "all" : "leaks"; }

}  // namespace

std::string MakeImage(const ImageRecipe& recipe, const std::string& folder) {
  std::string path = folder + "/" + recipe.name + ".qcow2";
  if (recipe.options.find("backing_file") != std::string::npos) {
    std::ofstream base(path + ".base");
    base << "base" << std::string(508, 'x');
  }
  std::vector<std::string> create = {"qemu-img", "create", "-q", "-f", "qcow2"};
  if (!recipe.options.empty()) create.insert(create.end(), {"-o", WithPath(recipe.options, path)});
  create.insert(create.end(), {path, recipe.size});
  MustRun(create);
  std::vector<std::string> io = {"qemu-io", "-f", "qcow2"};
  for (const std::string& command : recipe.io) io.insert(io.end(), {"-c", command});
  io.push_back(path);
  if (!recipe.io.empty()) MustRun(io);
  for (const auto& command : recipe.more) MustRun(WithPath(command, path));
  return path;
}

const ImageRecipe& FindRecipe(const std::string& name) {
  return *std::ranges::find(ImageRecipes(), name, &ImageRecipe::name);
}

void PrintTo(const ImageRecipe& recipe, std::ostream* out) { *out << recipe.name; }

ImageBytes::ImageBytes(const std::string& path) : bytes(FileBytes(path)) {
  auto parsed = qcow2::ParseHeader(bytes, bytes.size());
  EXPECT_TRUE(parsed.ok()) << parsed.error().Describe();
  header = std::move(parsed).value();
  for (std::uint64_t l1 = 0; l1 < header.l1_size; ++l1) {
    const std::uint64_t table = U64(header.l1_table_offset + l1 * 8) & qcow2::kOffsetMask;
    for (std::uint64_t i = 0; table != 0 && i < header.l2_entries(); ++i) {
      const std::uint64_t at = table + i * header.l2_entry_size();
      const std::uint64_t entry = at + 8 <= size() ? U64(at) : 0;
      if ((entry & qcow2::kCompressed) != 0) {
        compressed_.push_back(at);
      } else if ((entry & qcow2::kOffsetMask) != 0) {
        standard_.push_back(at);
      }
    }
  }
  bytes.resize(AlignUp<std::uint64_t>(size(), header.cluster_size()));
}

void ImageBytes::Save(const std::string& path) const {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void ImageBytes::SetRefcount(std::uint64_t cluster, std::uint64_t count) {
  const auto block = std::span(bytes).subspan(FirstRefcountBlock(), header.cluster_size());
  qcow2::SetRefcount(block, cluster, header.refcount_order, count);
}

Verdict CheckByQemu(const std::string& path, Repair repair) {
  std::vector<std::string> command = {"qemu-img", "check", "-T", "unsafe", "--output=json", "-f", "qcow2"};
  if (repair != Repair::kNothing) command.insert(command.end(), {"-r", RepairWord(repair)});
  command.push_back(path);
  const CommandResult result = RunCommand(command);
  Verdict verdict;
  verdict.exit_code = result.exit_code;
  for (const Figure& figure : kFigures) verdict.report.*figure.value = NumberAfter(result.out, figure.key);
  verdict.error = result.out.empty() ? result.err : "";
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    // A warning from opening the image, without an end of line.
    constexpr std::string_view kWarning =
        "Some clusters may be leaked, run 'qemu-img check -r' on the image file to fix.";
    if (line.starts_with(kWarning)) line.erase(0, kWarning.size());
    if (!line.empty() && !line.starts_with("qemu-img: ") && !line.starts_with("qcow2: ") &&
        !line.starts_with("qcow2_free_clusters failed"))
      verdict.lines.push_back(line);
  }
  std::ranges::sort(verdict.lines);
  return verdict;
}

Verdict CheckByUs(std::shared_ptr<Storage> storage, Repair repair, Dialect dialect) {
  Verdict verdict;
  CheckRequest request;
  request.storage = std::move(storage);
  request.repair = repair;
  request.context.dialect = dialect;
  request.log = [&](const std::string& line) { verdict.lines.push_back(line); };
  const auto report = qcow2::Check(request);
  std::ranges::sort(verdict.lines);
  if (!report.ok()) {
    verdict.exit_code = 1;
    verdict.error = report.error().Describe();
    return verdict;
  }
  verdict.report = report.value();
  verdict.exit_code = verdict.report.check_errors != 0  ? 1
                      : verdict.report.corruptions != 0 ? 2
                      : verdict.report.leaks != 0       ? 3
                                                        : 0;
  return verdict;
}

Verdict CheckByUs(const std::string& path, Repair repair, Dialect dialect) {
  const auto access = repair == Repair::kNothing ? FileMode::Access::kRead : FileMode::Access::kReadWrite;
  auto file = FileStorage::Open(path, {.access = access, .cache = CacheMode::kUnsafe});
  EXPECT_TRUE(file.ok()) << file.error().Describe();
  return CheckByUs(std::move(file).value(), repair, dialect);
}

std::string Differences(const Verdict& qemu, const Verdict& ours) {
  std::string out;
  if (qemu.exit_code != ours.exit_code) out += fmt::format("exit code {}, ours {}\n", qemu.exit_code, ours.exit_code);
  if (qemu.error.empty() != ours.error.empty()) out += fmt::format("error '{}', ours '{}'\n", qemu.error, ours.error);
  if (!qemu.error.empty()) return out;
  for (const Figure& figure : kFigures) {
    if (qemu.report.*figure.value == ours.report.*figure.value) continue;
    out += fmt::format("{} {}, ours {}\n", figure.key, qemu.report.*figure.value, ours.report.*figure.value);
  }
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::ranges::set_difference(qemu.lines, ours.lines, std::back_inserter(missing));
  std::ranges::set_difference(ours.lines, qemu.lines, std::back_inserter(extra));
  for (const auto& line : missing) out += "only qemu: " + line + "\n";
  for (const auto& line : extra) out += "only ours: " + line + "\n";
  return out;
}

std::string DifferencesInCounts(Verdict qemu, const Verdict& ours) {
  qemu.lines = ours.lines;
  qemu.report.image_end_offset = ours.report.image_end_offset;
  return Differences(qemu, ours);
}

}  // namespace platter::test

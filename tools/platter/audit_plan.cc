#include "tools/platter/audit_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tools/platter/digest_list.h"
#include "tools/platter/interrupt.h"
#include "tools/platter/message.h"

namespace platter::cli {
namespace {

namespace fs = std::filesystem;

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | ('a' - 'A'));
  }
  return lower;
}

// The algorithm of "sha256", "sha256sum" and "sha256sums".
std::optional<DigestAlgorithm> DigestOfWord(std::string_view word) {
  for (const std::string_view end : {"sums", "sum"}) {
    if (word.ends_with(end)) {
      word.remove_suffix(end.size());
      break;
    }
  }
  return word == "b2" ? DigestAlgorithm::kBlake2b : FindDigest(word);
}

// What the name of a file says of it.
struct NameSays {
  bool list = false;
  std::optional<DigestAlgorithm> algorithm = {};
  std::optional<std::string> only_file = {};  // of "disk.img.sha256"
};

NameSays ReadName(const fs::path& path) {
  const std::string original = path.filename().string();
  std::string_view stem = original;
  if (Lower(stem).ends_with(".txt")) stem.remove_suffix(4);
  const std::string name = Lower(stem);
  if (name == "checksum" || name == "checksums" || name.ends_with("-checksum")) return {.list = true};
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) {
    const auto algorithm = name.ends_with("sums") ? DigestOfWord(name) : std::nullopt;
    return {.list = algorithm.has_value(), .algorithm = algorithm};
  }
  const auto algorithm = DigestOfWord(std::string_view(name).substr(dot + 1));
  if (!algorithm || dot == 0) return {};
  return {.list = true, .algorithm = algorithm, .only_file = std::string(stem.substr(0, dot))};
}

// "SHA256SUMS.gpg"
bool IsSignature(const fs::path& path) {
  static constexpr std::array<std::string_view, 5> kEnds = {".asc", ".gpg", ".sig", ".sign", ".minisig"};
  const std::string end = Lower(path.extension().string());
  return std::ranges::find(kEnds, end) != kEnds.end() && ReadName(path.stem()).list;
}

class Planner {
 public:
  Planner(const AuditRequest& request, const std::function<void(std::string_view)>& complain)
      : request_(request), complain_(complain) {}

  AuditPlan Plan() {
    for (const std::string& operand : request_.operands) {
      std::error_code failure;
      if (fs::is_directory(operand, failure)) {
        AddFolder(operand);
      } else {
        AddList(operand, request_.folder, {.list = true});
      }
    }
    std::ranges::sort(seen_);
    seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
    for (std::string& file : seen_) {
      if (!places_.contains(file)) plan_.unlisted.push_back(std::move(file));
    }
    return std::move(plan_);
  }

 private:
  void Complain(const std::string& text) {
    complain_(text);
    ++plan_.unreadable;
  }

  void AddFolder(const fs::path& folder) {
    const std::size_t before = plan_.lists;
    std::vector<fs::path> lists;
    Walk(folder, lists);
    std::ranges::sort(lists);
    for (const fs::path& list : lists) AddList(list.string(), list.parent_path(), ReadName(list));
    if (plan_.lists == before && lists.empty()) Complain(fmt::format("no digest list in '{}'", folder.string()));
  }

  // Adds to `lists` and to seen_. Folders are left for later, so that depth costs no stack.
  void Walk(const fs::path& folder, std::vector<fs::path>& lists) {
    const std::string state = request_.state.empty() ? "" : fs::absolute(request_.state).lexically_normal().string();
    std::vector<fs::path> folders = {folder};
    while (!folders.empty()) {
      const fs::path current = std::move(folders.back());
      folders.pop_back();
      std::error_code failure;
      fs::directory_iterator entry(current, failure);
      for (; !failure && entry != fs::directory_iterator(); entry.increment(failure)) {
        std::error_code gone;
        const auto status = entry->symlink_status(gone);
        if (fs::is_directory(status)) folders.push_back(entry->path());
        if (!fs::is_regular_file(status)) continue;
        if (ReadName(entry->path()).list) {
          lists.push_back(entry->path());
        } else if (!IsSignature(entry->path()) && fs::absolute(entry->path()).lexically_normal() != state) {
          seen_.push_back(entry->path().lexically_normal().string());
        }
      }
      if (failure) Complain(fmt::format("Could not read the folder '{}': {}", current.string(), failure.message()));
    }
  }

  void AddList(const std::string& list, const fs::path& folder, const NameSays& says) {
    // Folders may overlap.
    if (!lists_read_.insert(fs::path(list).lexically_normal().string()).second) return;
    DigestListRules rules{.algorithm = request_.algorithm, .only_file = says.only_file};
    rules.cancel = &CatchInterrupts();
    if (!rules.algorithm) rules.algorithm = says.algorithm;
    std::size_t wrong_lines = 0;
    const auto listed = ReadDigestList(list, rules, [&](std::size_t number) {
      ++wrong_lines;
      if (request_.each_line) complain_(fmt::format("{}: {}: improperly formatted digest line", list, number));
    });
    if (!listed.ok()) return Complain(fmt::format("the list '{}' cannot be read: {}", list, ReasonOf(listed.error())));
    if (listed.value().empty()) return Complain(fmt::format("{}: no properly formatted digest lines found", list));
    if (wrong_lines != 0 && !request_.each_line) {
      complain_(fmt::format("WARNING: {}: {} improperly formatted", list,
                            wrong_lines == 1 ? "1 line is" : fmt::format("{} lines are", wrong_lines)));
    }
    plan_.wrong_lines += wrong_lines;
    ++plan_.lists;
    for (const ListedDigest& line : listed.value()) Add((folder / line.name).lexically_normal().string(), line);
  }

  void Add(const std::string& path, const ListedDigest& line) {
    const auto [place, added] = places_.try_emplace(path, plan_.files.size());
    if (added) plan_.files.push_back({path, {}});
    auto& recorded = plan_.files[place->second].recorded;
    const bool known = std::ranges::any_of(recorded, [&](const RecordedDigest& other) {
      return other.algorithm == line.algorithm && other.hex == line.hex;
    });
    if (!known) recorded.push_back({line.algorithm, line.hex});
  }

  const AuditRequest& request_;
  const std::function<void(std::string_view)>& complain_;
  AuditPlan plan_;
  std::unordered_set<std::string> lists_read_;
  std::vector<std::string> seen_;                        // files in folders that are no lists
  std::unordered_map<std::string, std::size_t> places_;  // in plan_.files, by path
};

}  // namespace

AuditPlan PlanAudit(const AuditRequest& request, const std::function<void(std::string_view text)>& complain) {
  return Planner(request, complain).Plan();
}

}  // namespace platter::cli

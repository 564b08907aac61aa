#include "tools/platter/image_options.h"

#include <fmt/format.h>

#include "formats/core/limits.h"
#include "formats/core/reference.h"
#include "formats/format_table.h"

namespace platter::cli {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Error NotSupported(std::string_view name) {
  return Error(ErrorKind::kInvalid, fmt::format("the image option '{}' is not supported", name));
}

Result<bool> ParseSwitch(std::string_view name, std::string_view value) {
  if (value == "on") return true;
  if (value == "off") return false;
  return Error(ErrorKind::kInvalid, fmt::format("Parameter '{}' expects 'on' or 'off'", name));
}

// Collects the options of one node of the tree, which all start with `prefix`, and makes an ImageOptions of them.
class NodeParser {
 public:
  NodeParser(std::string prefix, Dialect dialect, std::uint32_t depth = 1)
      : prefix_(std::move(prefix)), dialect_(dialect), depth_(depth) {}

  Result<ImageOptions> Parse(const Pairs& pairs) {
    for (const auto& [name, value] : pairs) {
      if (name == "driver") driver_name_ = value;
    }
    PLATTER_CHECK(FindDriver());
    for (const auto& [name, value] : pairs) PLATTER_CHECK(Take(name, value));
    if (!backing_.empty()) {
      if (depth_ >= Limits{}.chain_depth) return Error(ErrorKind::kLimit, "backing chain is too deep").Found(prefix_);
      NodeParser below(prefix_ + "backing.", dialect_, depth_ + 1);
      node_.backing = std::make_unique<ImageOptions>(PLATTER_TRY(below.Parse(backing_)));
    }
    if (node_.filename.empty()) {
      return Error(ErrorKind::kInvalid, driver_name_.empty() ? "Must specify either driver or file"
                                                             : "A block device must be specified for \"file\"");
    }
    SettleCache();
    return std::move(node_);
  }

 private:
  static bool IsFileDriver(std::string_view name) { return name == "file" || name == "host_device"; }

  Result<> FindDriver() {
    node_.bare_file = IsFileDriver(driver_name_);
    if (driver_name_.empty()) return Done{};
    node_.driver = FindFormat(node_.bare_file ? "raw" : driver_name_, dialect_);
    if (node_.driver != nullptr) return Done{};
    return Error(ErrorKind::kInvalid, fmt::format("Unknown driver '{}'", driver_name_));
  }

  Result<> Take(const std::string& name, const std::string& value) {
    if (name == "driver") return Done{};
    if (name == "backing") return TakeNoBacking(value);
    if (name.starts_with("backing.")) {
      backing_.emplace_back(name.substr(8), value);
      return Done{};
    }
    if (name == "data-file.filename" || name == "data-file.file.filename") return TakeDataFile(name, value);
    if (name == "data-file.driver" || name == "data-file.file.driver") return TakeDataFileDriver(name, value);
    if (name.starts_with("file.") && !node_.bare_file) return TakeFileOption(name.substr(5), value);
    if (node_.bare_file && (name == "filename" || name == "locking")) return TakeFileOption(name, value);
    return TakeNodeOption(name, value);
  }

  Result<> TakeNoBacking(const std::string& value) {
    if (!value.empty()) return NotSupported(prefix_ + "backing");
    node_.no_backing = true;
    return Done{};
  }

  Result<> TakeDataFile(const std::string& name, const std::string& value) {
    if (node_.driver == nullptr || node_.driver->name != "qcow2") return Foreign(name);
    node_.data_file = PLATTER_TRY(LocalPath(value));
    return Done{};
  }

  Result<> TakeDataFileDriver(const std::string& name, const std::string& value) {
    if (IsFileDriver(value) || value == "raw") return Done{};
    return NotSupported(fmt::format("{}{}={}", prefix_, name, value));
  }

  Result<> TakeFileOption(const std::string& name, const std::string& value) {
    if (name == "filename") {
      // Unlike a name on the command line this one is always a path, whatever colons are in it.
      node_.filename = value;
    } else if (name == "driver") {
      if (!IsFileDriver(value)) return NotSupported(fmt::format("{}file.driver={}", prefix_, value));
    } else if (name == "locking") {
      if (value != "on" && value != "off" && value != "auto") {
        return Error(ErrorKind::kInvalid, fmt::format("Parameter 'locking' does not accept value '{}'", value));
      }
      node_.locking = value != "off";
    } else {
      return TakeGeneric("file." + name, name, value);
    }
    return Done{};
  }

  Result<> TakeNodeOption(const std::string& name, const std::string& value) {
    if (node_.driver != nullptr) {
      for (const OptionSpec& spec : node_.driver->open_options) {
        if (spec.beyond_qemu && dialect_ == Dialect::kQemu) continue;
        if (spec.name == name) return node_.open_options.Set(name, value, node_.driver->open_options);
      }
    }
    return TakeGeneric(name, name, value);
  }

  Result<> TakeGeneric(const std::string& full_name, const std::string& name, const std::string& value) {
    if (name == "read-only") {
      node_.read_only = PLATTER_TRY(ParseSwitch(name, value));
    } else if (name == "force-share") {
      node_.force_share = PLATTER_TRY(ParseSwitch(name, value));
    } else if (name == "cache.direct") {
      direct_ = PLATTER_TRY(ParseSwitch(name, value));
    } else if (name == "cache.no-flush") {
      no_flush_ = PLATTER_TRY(ParseSwitch(name, value));
    } else {
      return Foreign(full_name);
    }
    return Done{};
  }

  Result<> Foreign(const std::string& name) const {
    return NotSupported(driver_name_.empty() ? prefix_ + name
                                             : fmt::format("{}{} (of driver {})", prefix_, name, driver_name_));
  }

  void SettleCache() {
    if (!direct_ && !no_flush_) return;
    const bool direct = direct_.value_or(false);
    const bool no_flush = no_flush_.value_or(false);
    node_.cache = direct ? CacheMode::kNone : no_flush ? CacheMode::kUnsafe : CacheMode::kWriteback;
  }

  std::string prefix_;
  Dialect dialect_;
  std::uint32_t depth_;
  std::string driver_name_;
  ImageOptions node_;
  Pairs backing_;
  std::optional<bool> direct_;
  std::optional<bool> no_flush_;
};

}  // namespace

Result<ImageOptions> ParseImageOptions(std::string_view text, Dialect dialect) {
  Pairs pairs;
  for (const auto& [name, value] : SplitOptionList(text)) {
    if (!value) return Error(ErrorKind::kInvalid, fmt::format("the image option '{}' has no value", name));
    std::erase_if(pairs, [&known = name](const auto& pair) { return pair.first == known; });
    pairs.emplace_back(name, *value);
  }
  ImageOptions options = PLATTER_TRY(NodeParser("", dialect).Parse(pairs));
  options.written = std::move(pairs);
  return options;
}

}  // namespace platter::cli

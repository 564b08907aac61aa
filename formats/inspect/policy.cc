#include "formats/inspect/policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ini.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "formats/container_table.h"
#include "formats/format_table.h"

namespace platter::inspect {
namespace {

constexpr std::array<std::string_view, 3> kAmazon = {"ami", "aki", "ari"};

bool IsAmazon(std::string_view name) noexcept { return std::ranges::find(kAmazon, name) != kAmazon.end(); }

std::string_view Trimmed(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

Error BadValue(std::string_view key, std::string_view value, std::string allowed) {
  return Error(ErrorKind::kInvalid, "the policy has a value that means nothing")
      .At("policy", std::string(key))
      .Found(std::string(value))
      .Allowed(std::move(allowed));
}

Result<std::string> Format(std::string_view key, std::string_view value) {
  std::string format = IsAmazon(value) ? std::string(value) : CanonicalFormat(value);
  if (format.empty()) return BadValue(key, value, "the name of a disk format");
  return format;
}

Result<std::string> ContainerName(std::string_view key, std::string_view value) {
  if (value == "bare" || IsAmazon(value) || FindContainer(value) != nullptr) return std::string(value);
  std::vector<std::string_view> names = {"bare"};
  names.insert(names.end(), kAmazon.begin(), kAmazon.end());
  for (const ContainerDriver* driver : AllContainers()) names.push_back(driver->name);
  return BadValue(key, value, fmt::format("{}", fmt::join(names, ", ")));
}

Result<std::vector<std::string>> Formats(std::string_view key, std::string_view value) {
  std::vector<std::string> formats;
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view name = Trimmed(value.substr(0, comma));
    // What is found is compared with the list: no file is found to be an ami and not raw.
    if (IsAmazon(name)) return BadValue(key, name, "the name of a disk format: an ami, aki or ari is raw");
    formats.push_back(PLATTER_TRY(Format(key, name)));
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return formats;
}

Result<std::uint64_t> Number(std::string_view key, std::string_view value) {
  constexpr std::string_view kUnits = "kMGTPE";
  std::uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [rest, problem] = std::from_chars(value.data(), end, number);
  const std::size_t unit = rest == end ? 0 : kUnits.find(*rest == 'K' ? 'k' : *rest) + 1;
  const bool whole = rest == end || (rest + 1 == end && unit != 0);
  if (problem != std::errc() || !whole || number > (UINT64_MAX >> (10 * unit))) {
    return BadValue(key, value, "a number, with k, M, G, T, P or E");
  }
  return number << (10 * unit);
}

Result<bool> YesOrNo(std::string_view key, std::string_view value) {
  for (const std::string_view yes : {"yes", "true", "on", "1"}) {
    if (value == yes) return true;
  }
  for (const std::string_view no : {"no", "false", "off", "0"}) {
    if (value == no) return false;
  }
  return BadValue(key, value, "yes or no");
}

// One objection of a policy to a report, or none.
struct Judgement {
  Report& report;
  const Policy& policy;

  // Of every disk.
  std::vector<std::string> Formats() const {
    std::vector<std::string> formats;
    for (const DiskReport& disk : report.disks) {
      if (!disk.format.empty()) formats.push_back(disk.format);
    }
    if (formats.empty() && !report.format.empty()) formats.push_back(report.format);
    return formats;
  }

  void ExpectContainer() const {
    const std::string& expected = policy.expected_disk;
    const std::string container = policy.expected_container.empty() ? "bare" : policy.expected_container;
    const bool amazon = IsAmazon(container) && (expected.empty() || expected == container);
    if (amazon && expected.empty()) ExpectDisk(container, report.format);
    // An ami, aki or ari is the bytes themselves.
    if (report.container != (amazon ? "bare" : container)) {
      Object("policy.container", Concern::kMismatch, "the container is not what was declared",
             fmt::format("found {}, declared {}", report.container,
                         policy.expected_container.empty() ? "nothing, which means bare" : container));
    }
  }

  void ExpectDisk() const {
    if (policy.expected_disk.empty()) return;
    for (const std::string& format : Formats()) ExpectDisk(policy.expected_disk, format);
  }

  void ExpectDisk(const std::string& expected, const std::string& format) const {
    const auto mismatch = [&](std::string_view found) {
      Object("policy.format", Concern::kMismatch, "the content is not what was declared",
             fmt::format("found {}, declared {}", found, expected));
    };
    if (!IsAmazon(expected)) {
      if (format != expected) mismatch(format);
    } else if (format != "raw") {
      mismatch(format);
    } else if (!report.content.empty() && report.content != expected) {
      mismatch(report.content);
    } else if (report.content.empty()) {
      report.Add("policy.content", Concern::kNone, "nothing in the file shows that it is what was declared", expected);
      report.findings.back().severity = Severity::kWarning;
    }
  }

  void Allowed() const {
    for (const std::string& format : Formats()) {
      if (std::ranges::find(policy.allowed_formats, format) != policy.allowed_formats.end()) continue;
      Object("policy.format_not_allowed", Concern::kMismatch,
             fmt::format("the format is not one of those that are taken: {}", fmt::join(policy.allowed_formats, ", ")),
             format);
    }
  }

  void Sizes(bool whole) const {
    if (!report.virtual_size) {
      if (!whole || !(policy.max_virtual_size || policy.max_ratio)) return;
      return Object("policy.size_unknown", Concern::kUnseen,
                    "the policy limits the size of the disk, and the file does not tell it", "");
    }
    const std::uint64_t size = *report.virtual_size;
    if (policy.max_virtual_size && size > *policy.max_virtual_size) {
      Object("policy.virtual_size", Concern::kSize,
             fmt::format("the disk is larger than the {} bytes that are allowed", *policy.max_virtual_size),
             std::to_string(size));
    }
    if (!whole || !policy.max_ratio) return;
    if (report.file_size == 0 ? size != 0 : size / report.file_size > *policy.max_ratio) {
      Object("policy.ratio", Concern::kSize,
             fmt::format("the disk is more than {} times as large as the file", *policy.max_ratio),
             std::to_string(size));
    }
  }

  void Object(std::string code, Concern concern, std::string message, std::string value) const {
    report.Add(std::move(code), concern, std::move(message), std::move(value));
  }
};

struct PolicyLines {
  Policy& policy;
  std::optional<Error> error;  // the first one
};

int TakeLine(void* user, const char* section, const char* key, const char* value) {
  auto& lines = *static_cast<PolicyLines*>(user);
  const std::string_view in = section;
  auto done = in.empty() || in == "policy" ? SetPolicyValue(lines.policy, key, value)
                                           : Error(ErrorKind::kInvalid, "the policy has a section that means nothing")
                                                 .At("policy", "section")
                                                 .Found(std::string(in))
                                                 .Allowed("policy");
  if (done.ok()) return 1;
  if (!lines.error) lines.error = std::move(done).error();
  return 0;
}

// What inih would take for something else than it looks like: it ends with a NUL, breaks long lines in the middle, also
// comments, and adds indented lines to the key above.
Result<> CheckLines(std::string_view text) {
  constexpr std::size_t kLongest = INI_MAX_LINE - 2;  // bytes; a line feed and a NUL follow
  std::size_t number = 1;
  const auto wrong = [&](std::string what, std::string allowed) {
    return Error(ErrorKind::kInvalid, std::move(what))
        .At("policy", fmt::format("line {}", number))
        .Allowed(std::move(allowed));
  };
  for (; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.find('\0') != std::string_view::npos) return wrong("the policy has a zero byte", "text");
    if (line.size() > kLongest) {
      return wrong("the policy has a line that is too long", fmt::format("up to {} bytes", kLongest));
    }
    if (!Trimmed(line).empty() && (line.front() == ' ' || line.front() == '\t')) {
      return wrong("the policy has an indented line", "lines that start with a key, a section or a comment");
    }
  }
  return Done{};
}

bool Has(const Report& report, Concern concern) {
  return std::ranges::find(report.findings, concern, &Finding::concern) != report.findings.end();
}

// Whether a footer may still show a VHD, which comes before what the file is so far. Where that makes it ambiguous, and
// is refused, what is wrong with the file so far is no less wrong.
bool MayEndAsVhd(std::string_view format, const Policy& policy) {
  const auto formats = AllFormats();
  const auto place = [&](std::string_view name) {
    return std::ranges::find(formats, name, [](const FormatDriver* driver) { return driver->name; });
  };
  return format == "raw" || (policy.allow_ambiguous && place(format) > place("vhd"));
}

// Whether the container may still turn out to be none, but a kernel's or a ramdisk's compression.
bool MayYield(const ContainerDriver& driver, const Report& report) {
  const bool known = !report.format.empty() && (report.format != "raw" || !report.content.empty());
  return driver.yields_to_content && !known;
}

}  // namespace

std::string CanonicalFormat(std::string_view name) {
  const FormatDriver* driver = FindFormat(name);
  return driver == nullptr ? std::string() : std::string(driver->name);
}

Result<> SetPolicyValue(Policy& policy, std::string_view key, std::string_view value) {
  if (key == "expect_disk") {
    policy.expected_disk = PLATTER_TRY(Format(key, value));
  } else if (key == "expect_container") {
    policy.expected_container = PLATTER_TRY(ContainerName(key, value));
  } else if (key == "allow_formats") {
    policy.allowed_formats = PLATTER_TRY(Formats(key, value));
  } else if (key == "max_virtual_size") {
    policy.max_virtual_size = PLATTER_TRY(Number(key, value));
  } else if (key == "max_ratio") {
    policy.max_ratio = PLATTER_TRY(Number(key, value));
  } else if (key == "allow_references") {
    policy.allow_references = PLATTER_TRY(YesOrNo(key, value));
  } else if (key == "allow_ambiguous") {
    policy.allow_ambiguous = PLATTER_TRY(YesOrNo(key, value));
  } else if (key == "allow_truncated") {
    policy.allow_truncated = PLATTER_TRY(YesOrNo(key, value));
  } else if (key == "allow_encrypted") {
    policy.allow_encrypted = PLATTER_TRY(YesOrNo(key, value));
  } else {
    return Error(ErrorKind::kInvalid, "the policy has a key that means nothing").At("policy", std::string(key));
  }
  return Done{};
}

Result<> ReadPolicy(const std::string& text, Policy& policy) {
  PLATTER_CHECK(CheckLines(text));
  PolicyLines lines{policy, std::nullopt};
  const int line = ini_parse_string(text.c_str(), TakeLine, &lines);
  if (lines.error) return std::move(*lines.error);
  if (line == 0) return Done{};
  return Error(ErrorKind::kInvalid, "the policy has a line that means nothing")
      .At("policy", fmt::format("line {}", line))
      .Allowed("[policy], key = value, or a comment");
}

bool Tolerates(const Policy& policy, Concern concern) noexcept {
  switch (concern) {
    case Concern::kNone:
    case Concern::kUnseen:
      return true;
    case Concern::kReference:
      return policy.allow_references;
    case Concern::kAmbiguous:
      return policy.allow_ambiguous;
    case Concern::kTruncated:
      return policy.allow_truncated;
    case Concern::kEncrypted:
      return policy.allow_encrypted;
    default:
      return false;
  }
}

void Judge(Report& report, const Policy& policy, bool whole) {
  const Judgement judgement{report, policy};
  const ContainerDriver* driver = FindContainer(report.container);
  const bool container = driver != nullptr && (whole || !MayYield(*driver, report));
  // A footer may still turn raw bytes into a fixed VHD, and more disks may follow.
  const bool settled = whole || (!container && !report.format.empty() && !MayEndAsVhd(report.format, policy));
  if (container || (settled && !report.format.empty())) judgement.ExpectContainer();
  if (settled && !report.format.empty()) {
    judgement.ExpectDisk();
    judgement.Allowed();
    judgement.Sizes(whole);
  }
  const bool refused =
      std::ranges::any_of(report.findings, [&](const Finding& finding) { return !Tolerates(policy, finding.concern); });
  const bool undecided = !whole || report.format.empty() || Has(report, Concern::kUnseen);
  report.verdict = refused ? Verdict::kRefused : undecided ? Verdict::kUndecided : Verdict::kAccepted;
}

}  // namespace platter::inspect

#include "registry-core/model/image_record.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace platter::registry {
namespace {

template <class T>
struct Named {
  T value;
  std::string_view name;
};

constexpr std::array kVisibilities = {
    Named<Visibility>{Visibility::kPublic, "public"},
    Named<Visibility>{Visibility::kPrivate, "private"},
    Named<Visibility>{Visibility::kShared, "shared"},
    Named<Visibility>{Visibility::kCommunity, "community"},
};

constexpr std::array kMemberStatuses = {
    Named<MemberStatus>{MemberStatus::kPending, "pending"},
    Named<MemberStatus>{MemberStatus::kAccepted, "accepted"},
    Named<MemberStatus>{MemberStatus::kRejected, "rejected"},
};

template <class Table, class T>
std::string_view NameIn(const Table& table, T value) noexcept {
  return std::ranges::find(table, value, &Table::value_type::value)->name;
}

template <class Table>
auto FindIn(const Table& table, std::string_view name) noexcept -> std::optional<decltype(Table::value_type::value)> {
  const auto found = std::ranges::find(table, name, &Table::value_type::name);
  if (found == table.end()) return std::nullopt;
  return found->value;
}

// Glance's, in the order of its own list.
constexpr std::array<std::string_view, 28> kReserved = {"id",
                                                        "name",
                                                        "status",
                                                        "visibility",
                                                        "protected",
                                                        "os_hidden",
                                                        "checksum",
                                                        "owner",
                                                        "size",
                                                        "min_ram",
                                                        "min_disk",
                                                        "virtual_size",
                                                        "container_format",
                                                        "disk_format",
                                                        "created_at",
                                                        "updated_at",
                                                        "deleted_at",
                                                        "os_hash_algo",
                                                        "os_hash_value",
                                                        "tags",
                                                        "direct_url",
                                                        "locations",
                                                        "self",
                                                        "file",
                                                        "schema",
                                                        "stores",
                                                        "is_public",
                                                        "deleted"};

// Decimal digits only, all of `text`.
std::optional<int> Number(std::string_view text) noexcept {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || text[0] == '-') return std::nullopt;
  return value;
}

// The text's first `length` characters as a number, with `separator` behind them, which go from `text`.
std::optional<int> Take(std::string_view& text, std::size_t length, std::string_view separator) noexcept {
  if (text.size() < length + separator.size() || text.substr(length, separator.size()) != separator)
    return std::nullopt;
  const auto value = Number(text.substr(0, length));
  text.remove_prefix(length + separator.size());
  return value;
}

// ".123456", cut after microseconds; nothing where there is no fraction.
std::optional<std::chrono::microseconds> TakeFraction(std::string_view& text) noexcept {
  if (text.empty() || text[0] != '.') return std::chrono::microseconds{0};
  const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
  if (end < 2 || end > 10) return std::nullopt;
  std::array<char, 6> digits{'0', '0', '0', '0', '0', '0'};
  std::copy_n(text.begin() + 1, std::min<std::size_t>(end - 1, digits.size()), digits.begin());
  text.remove_prefix(end);
  return std::chrono::microseconds{*Number({digits.data(), digits.size()})};
}

// "Z", "+02:00", "+0200" or "+02", all of `text`; UTC where there is none.
std::optional<std::chrono::minutes> ParseOffset(std::string_view text) noexcept {
  if (text.empty() || text == "Z" || text == "z") return std::chrono::minutes{0};
  if (text[0] != '+' && text[0] != '-') return std::nullopt;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = Take(text, 2, "");
  if (!text.empty() && text[0] == ':') text.remove_prefix(1);
  const auto minutes = text.empty() ? std::optional(0) : Number(text);
  if (!hours || !minutes || *hours > 23 || *minutes > 59 || (!text.empty() && text.size() != 2)) return std::nullopt;
  return std::chrono::minutes{sign * (*hours * 60 + *minutes)};
}

void FillRandom(std::span<std::uint8_t> bytes) noexcept {
  // getrandom gives up to 256 bytes whole once the pool is ready, and waits for that.
  while (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
  }
}

}  // namespace

std::string_view VisibilityName(Visibility visibility) noexcept { return NameIn(kVisibilities, visibility); }
std::optional<Visibility> FindVisibility(std::string_view name) noexcept { return FindIn(kVisibilities, name); }
std::string_view MemberStatusName(MemberStatus status) noexcept { return NameIn(kMemberStatuses, status); }
std::optional<MemberStatus> FindMemberStatus(std::string_view name) noexcept { return FindIn(kMemberStatuses, name); }

std::span<const std::string_view> DiskFormats() noexcept {
  static constexpr std::array<std::string_view, 11> kFormats = {"ami", "ari",   "aki", "vhd", "vhdx", "vmdk",
                                                                "raw", "qcow2", "vdi", "iso", "ploop"};
  return kFormats;
}

std::span<const std::string_view> ContainerFormats() noexcept {
  static constexpr std::array<std::string_view, 8> kFormats = {"ami", "ari", "aki",    "bare",
                                                               "ovf", "ova", "docker", "compressed"};
  return kFormats;
}

bool IsReservedProperty(std::string_view name) noexcept {
  return std::ranges::find(kReserved, name) != kReserved.end();
}

std::size_t BulkOf(const ImageRecord& image) noexcept {
  std::size_t bytes = 0;
  for (const std::string& tag : image.tags) bytes += tag.size();
  for (const auto& [name, value] : image.properties) bytes += name.size() + value.size();
  for (const Location& location : image.locations) {
    bytes += location.url.size() + location.store.size();
    for (const auto& [name, value] : location.metadata) bytes += name.size() + value.size();
  }
  return bytes;
}

void Requeue(ImageRecord& image) {
  image.status = Status::kQueued;
  image.size.reset();
  image.virtual_size.reset();
  image.updated = Now();
}

std::string NewIdentifier() {
  std::array<std::uint8_t, 16> bytes{};
  FillRandom(bytes);
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    text += fmt::format("{:02x}", bytes[at]);
  }
  return text;
}

bool IsIdentifier(std::string_view text) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  if (text.size() != 36) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
    if (dash ? text[at] != '-' : kDigits.find(text[at]) == std::string_view::npos) return false;
  }
  return true;
}

std::string FormatInstant(Instant instant) {
  const auto day = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(instant - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count());
}

std::optional<Instant> ParseInstant(std::string_view text) noexcept {
  const auto year = Take(text, 4, "-");
  const auto month = Take(text, 2, "-");
  const auto day = Take(text, 2, "");
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  if (text.empty()) return Instant(std::chrono::sys_days(date));
  if (text[0] != 'T' && text[0] != 't' && text[0] != ' ') return std::nullopt;
  text.remove_prefix(1);
  const auto hour = Take(text, 2, ":");
  const auto minute = Take(text, 2, ":");
  const auto second = Take(text, 2, "");
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto fraction = TakeFraction(text);
  const auto offset = ParseOffset(text);
  if (!fraction || !offset) return std::nullopt;
  return Instant(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) - *offset +
         std::chrono::seconds(*second) + *fraction;
}

Instant Now() noexcept { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

}  // namespace platter::registry

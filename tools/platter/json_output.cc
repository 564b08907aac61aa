#include "tools/platter/json_output.h"

#include <algorithm>

#include "formats/core/json.h"

namespace platter::cli {
namespace {

constexpr std::uint32_t kBuckets = 512;
constexpr std::size_t kIndent = 4;

// How qemu's dictionaries hash their keys: found by comparing with the order of what qemu-img prints.
std::uint32_t BucketOf(std::string_view key) {
  std::uint32_t value = 0x238F13AFU * static_cast<std::uint32_t>(key.size());
  for (std::uint32_t at = 0; at < key.size(); ++at) {
    value += static_cast<std::uint32_t>(static_cast<unsigned char>(key[at])) << (at * 5 % 24);
  }
  return (1103515243U * value + 12345U) % kBuckets;
}

class Printer {
 public:
  explicit Printer(bool indented) : indented_(indented) {}

  std::string Print(const Detail& detail) {
    std::visit([this](const auto& value) { Append(value); }, detail.value());
    return std::move(out_);
  }

 private:
  void Append(bool value) { out_ += value ? "true" : "false"; }
  void Append(std::int64_t value) { out_ += std::to_string(value); }
  void Append(std::uint64_t value) { out_ += std::to_string(value); }
  void Append(const std::string& value) { out_ += JsonString(value); }

  void Append(const Detail::List& list) {
    AppendMembers('[', list, ']', [this](const Detail& member) { AppendDetail(member); });
  }

  void Append(const Detail::Object& object) {
    AppendMembers('{', InQemuOrder(object), '}', [this](const auto& member) {
      out_ += JsonString(member.first) + ": ";
      AppendDetail(member.second);
    });
  }

  void AppendDetail(const Detail& detail) {
    std::visit([this](const auto& value) { Append(value); }, detail.value());
  }

  template <class Members, class AppendOne>
  void AppendMembers(char opening, const Members& members, char closing, AppendOne append_one) {
    out_ += opening;
    ++depth_;
    bool first = true;
    for (const auto& member : members) {
      if (!first) out_ += indented_ ? "," : ", ";
      first = false;
      NewLine();
      append_one(member);
    }
    --depth_;
    NewLine();
    out_ += closing;
  }

  void NewLine() {
    if (!indented_) return;
    out_ += '\n';
    out_.append(depth_ * kIndent, ' ');
  }

  bool indented_;
  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

Detail::Object InQemuOrder(const Detail::Object& members) {
  Detail::Object ordered(members.rbegin(), members.rend());
  std::ranges::stable_sort(ordered, {}, [](const auto& member) { return BucketOf(member.first); });
  return ordered;
}

std::string ToJson(const Detail& value) { return Printer(true).Print(value); }

std::string ToCompactJson(const Detail& value) { return Printer(false).Print(value); }

}  // namespace platter::cli

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "formats/vmdk/descriptor.h"

namespace platter::vmdk {
namespace {

class Converter {
 public:
  explicit Converter(const std::string& encoding) : handle_(iconv_open("UTF-8", encoding.c_str())) {}
  ~Converter() {
    if (known()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  bool known() const noexcept { return handle_ != reinterpret_cast<iconv_t>(-1); }

  // Empty when `text` is not in the encoding.
  std::optional<std::string> Convert(std::string text) const {
    std::string converted(4 * text.size(), '\0');  // no character takes more in UTF-8
    char* in = text.data();
    char* out = converted.data();
    std::size_t left = text.size();
    std::size_t room = converted.size();
    if (iconv(handle_, &in, &left, &out, &room) == static_cast<std::size_t>(-1)) return std::nullopt;
    converted.resize(converted.size() - room);
    return converted;
  }

 private:
  iconv_t handle_;
};

// What VMware's products write, in lower case: prefixes. Nothing else gets near the host's converters.
constexpr std::array<std::string_view, 9> kEncodings = {"utf-8", "windows-", "iso-8859-", "cp",       "us-ascii",
                                                        "big5",  "gb",       "euc-",      "shift_jis"};

bool IsAllowed(std::string_view encoding) {
  std::string lower(encoding);
  std::ranges::transform(lower, lower.begin(), [](unsigned char letter) { return std::tolower(letter); });
  const auto is_plain = [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '-' || letter == '_';
  };
  const bool known = std::ranges::any_of(kEncodings, [&](std::string_view name) { return lower.starts_with(name); });
  return known && lower.size() <= 32 && std::ranges::all_of(lower, is_plain);
}

bool IsAscii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char letter) { return static_cast<unsigned char>(letter) < 0x80; });
}

}  // namespace

Result<std::string> DecodeName(std::string_view name, std::string_view encoding) {
  // Names of files are bytes: without a word about their encoding they stay as they are.
  if (encoding.empty() || encoding == "UTF-8" || IsAscii(name)) return std::string(name);
  const auto wrong = [&](ErrorKind kind, const char* what) {
    return Error(kind, what).At("VMDK descriptor", "encoding").Found(std::string(encoding));
  };
  if (!IsAllowed(encoding)) return wrong(ErrorKind::kUnsupported, "file names are in an unknown encoding");
  const Converter converter{std::string(encoding)};
  if (!converter.known()) return wrong(ErrorKind::kUnsupported, "file names are in an unknown encoding");
  auto converted = converter.Convert(std::string(name));
  if (!converted) return wrong(ErrorKind::kCorrupt, "a file name is not in the descriptor's encoding");
  return std::move(*converted);
}

}  // namespace platter::vmdk

#include "formats/containers/ovf/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

namespace platter::ovf {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;
// Elements, comments and the like: each takes some 100 bytes once it is parsed.
constexpr std::ptrdiff_t kMostMarks = 40000;
constexpr int kMostDepth = 64;
// Of one element: a prefix is looked up among them.
constexpr std::ptrdiff_t kMostAttributes = 64;
// Of those, with one name and different prefixes.
constexpr std::size_t kMostOfOneName = 8;

Error Wrong(std::string what, std::string field) {
  return Error(ErrorKind::kCorrupt, std::move(what)).At("OVF descriptor", std::move(field));
}

Error TooMuch(std::string what, std::uint64_t found, std::uint64_t allowed) {
  return Error(ErrorKind::kLimit, std::move(what))
      .At("OVF descriptor", "whole file")
      .Found(found)
      .Allowed(fmt::format("at most {}", allowed));
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

// Iterative: the depth is what is to be found out.
bool TooComplex(pugi::xml_node node) {
  int depth = 0;
  const pugi::xml_node top = node;
  while (true) {
    const auto attributes = node.attributes();
    if (std::distance(attributes.begin(), attributes.end()) > kMostAttributes) return true;
    if (node.first_child()) {
      node = node.first_child();
      if (++depth > kMostDepth) return true;
      continue;
    }
    while (node != top && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node == top) return false;
    node = node.next_sibling();
  }
}

Error NotWellFormed(std::string_view why) { return Wrong(fmt::format("not well-formed XML: {}", why), "whole file"); }

// The parser takes fragments: what stands beside the one element is not its affair.
Result<> CheckTop(const pugi::xml_document& document) {
  int elements = 0;
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() == pugi::node_doctype) {
      return Wrong("document type declarations are not allowed", "DOCTYPE")
          .Found(std::string(node.value()).substr(0, 64));
    }
    if (node.type() == pugi::node_element && ++elements > 1) return NotWellFormed("a second root element");
    const bool text = node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
    if (text && !Trimmed(node.value()).empty()) return NotWellFormed("text beside the root element");
  }
  if (elements == 0) return NotWellFormed("no root element");
  return Done{};
}

struct Encoding {
  std::string_view name;
  pugi::xml_encoding parsed;
};
constexpr std::array kEncodings = {
    Encoding{"utf-8", pugi::encoding_utf8},        Encoding{"utf8", pugi::encoding_utf8},
    Encoding{"utf-16", pugi::encoding_utf16_le},   Encoding{"utf-16", pugi::encoding_utf16_be},
    Encoding{"utf-16le", pugi::encoding_utf16_le}, Encoding{"utf-16be", pugi::encoding_utf16_be},
    Encoding{"iso-8859-1", pugi::encoding_latin1}, Encoding{"latin1", pugi::encoding_latin1},
};
// In which what is ASCII means nothing else, whatever stands around it: their names, or what numbers follow.
constexpr std::array<std::string_view, 22> kAsciiAndMore = {
    "us-ascii", "ascii",  "iso-8859-", "iso8859-", "latin", "windows-125", "cp125",  "koi8-r",
    "koi8-u",   "gb2312", "gbk",       "gb18030",  "big5",  "euc-jp",      "euc-kr", "euc-cn",
    "euc-tw",   "ibm437", "cp437",     "ibm850",   "cp850", "macintosh",
};

bool IsAsciiAndMore(std::string_view name) {
  const auto begins = [&](std::string_view known) {
    return name.starts_with(known) && name.find_first_not_of("0123456789", known.size()) == std::string_view::npos;
  };
  return std::ranges::any_of(kAsciiAndMore, begins);
}

// What the parser knows of encodings is little: other programs follow the declaration, and see another document.
Result<> CheckEncoding(const pugi::xml_document& document, pugi::xml_encoding parsed, std::string_view text) {
  const auto wrong = [](std::string_view name) {
    return Wrong("the text is declared to be in an encoding that it is not in, or that programs read differently",
                 "encoding")
        .Found(std::string(name.substr(0, 64)))
        .Allowed("UTF-8, UTF-16 or ISO-8859-1");
  };
  const bool wide = parsed == pugi::encoding_utf32_le || parsed == pugi::encoding_utf32_be;
  if (wide) return wrong("UTF-32");
  const bool ascii =
      parsed == pugi::encoding_utf8 && std::ranges::all_of(text, [](unsigned char byte) { return byte < 0x80; });
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() != pugi::node_declaration) continue;
    for (const pugi::xml_attribute& attribute : node.attributes()) {
      if (std::string_view(attribute.name()) != "encoding") continue;
      std::string name = attribute.value();
      std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
      const auto same = [&](const Encoding& known) { return known.name == name && known.parsed == parsed; };
      if (std::ranges::any_of(kEncodings, same) || (ascii && IsAsciiAndMore(name))) continue;
      return wrong(attribute.value());
    }
  }
  return Done{};
}

// Bytes of the UTF-8 sequence at the front of `text`; 0 where there is none.
std::size_t SequenceLength(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 0 || first > 0xF4 || length > text.size()) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return 0;
  }
  // Longer than need be, half a pair of UTF-16, behind the last code point.
  const bool wrong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
                     (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
  return wrong ? 0 : length;
}

// Of the characters that XML has, U+FFFE and U+FFFF are none.
bool IsXmlCharacter(std::string_view sequence) noexcept {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r';
  return sequence != "\xEF\xBF\xBE" && sequence != "\xEF\xBF\xBF";
}

// The element of a document.
pugi::xml_node ElementOf(const pugi::xml_node& document) {
  for (const pugi::xml_node& child : document.children()) {
    if (child.type() == pugi::node_element) return child;
  }
  return {};
}

std::string_view PrefixOf(std::string_view name) noexcept {
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? std::string_view() : name.substr(0, colon);
}

}  // namespace

Result<pugi::xml_node> ParseXml(std::span<const std::byte> text, const Limits& limits, pugi::xml_document& document) {
  const std::uint64_t most = std::min(kMostBytes, limits.metadata_bytes);
  if (text.size() > most) return TooMuch("the descriptor is too long", text.size(), most);
  const auto marks = std::ranges::count(text, std::byte{'<'});
  if (marks > kMostMarks) {
    return TooMuch("the descriptor has too many elements", static_cast<std::uint64_t>(marks), kMostMarks);
  }
  constexpr unsigned kParse = pugi::parse_default | pugi::parse_declaration | pugi::parse_doctype |
                              pugi::parse_fragment | pugi::parse_ws_pcdata;
  const auto parsed = document.load_buffer(text.data(), text.size(), kParse);
  if (!parsed) return NotWellFormed(parsed.description()).Found(fmt::format("at byte {}", parsed.offset));
  const std::string_view letters(reinterpret_cast<const char*>(text.data()), text.size());
  if (parsed.encoding == pugi::encoding_utf8 && TextLength(letters) != letters.size()) {
    return NotWellFormed("a byte that is no text in UTF-8").Found(fmt::format("at byte {}", TextLength(letters)));
  }
  PLATTER_CHECK(CheckEncoding(document, parsed.encoding, letters));
  PLATTER_CHECK(CheckTop(document));
  if (TooComplex(document)) {
    return Error(ErrorKind::kLimit, "the descriptor's elements are nested too deeply, or have too many attributes")
        .At("OVF descriptor", "whole file")
        .Allowed(fmt::format("{} levels, {} attributes", kMostDepth, kMostAttributes));
  }
  return ElementOf(document);
}

std::string_view LocalName(std::string_view name) noexcept {
  const std::size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string_view NamespaceOf(const pugi::xml_node& node, std::string_view prefix) {
  const std::string name = prefix.empty() ? std::string("xmlns") : fmt::format("xmlns:{}", prefix);
  for (pugi::xml_node at = node; at; at = at.parent()) {
    if (const pugi::xml_attribute attribute = at.attribute(name.c_str())) return attribute.value();
  }
  return {};
}

std::string_view NamespaceOf(const pugi::xml_node& node) { return NamespaceOf(node, PrefixOf(node.name())); }

std::vector<pugi::xml_node> Children(const pugi::xml_node& node, std::string_view local_name) {
  std::vector<pugi::xml_node> found;
  for (const pugi::xml_node& child : node.children()) {
    if (child.type() == pugi::node_element && LocalName(child.name()) == local_name) found.push_back(child);
  }
  return found;
}

pugi::xml_node Child(const pugi::xml_node& node, std::string_view local_name) {
  for (const pugi::xml_node& child : node.children()) {
    if (child.type() == pugi::node_element && LocalName(child.name()) == local_name) return child;
  }
  return {};
}

// A comment in the middle makes two nodes of one text.
std::string TextOf(const pugi::xml_node& node) {
  std::string text;
  for (const pugi::xml_node& child : node.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) text += child.value();
  }
  return std::string(Trimmed(text));
}

std::size_t TextLength(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = SequenceLength(text.substr(at));
    if (length == 0 || !IsXmlCharacter(text.substr(at, length))) break;
    at += length;
  }
  return at;
}

Result<std::optional<std::string>> Attribute(const pugi::xml_node& node, std::string_view local_name) {
  std::optional<std::string> value;
  const std::string_view own = NamespaceOf(node);
  const std::string_view root = NamespaceOf(ElementOf(node.root()));
  std::size_t of_one_name = 0;
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    const std::string_view prefix = PrefixOf(attribute.name());
    if (LocalName(attribute.name()) != local_name) continue;
    if (++of_one_name > kMostOfOneName) {
      return Error(ErrorKind::kLimit, "an element has too many attributes of one name")
          .At("OVF descriptor", fmt::format("{}/@{}", node.name(), local_name))
          .Allowed(fmt::format("at most {}", kMostOfOneName));
    }
    if (!prefix.empty()) {
      const std::string_view meant = NamespaceOf(node, prefix);
      if (meant.empty() || (meant != own && meant != root)) continue;
    }
    if (value && *value != attribute.value()) {
      return Wrong("an attribute is there twice, with two values", fmt::format("{}/@{}", node.name(), local_name))
          .Found(fmt::format("{} and {}", *value, attribute.value()));
    }
    value = attribute.value();
  }
  return value;
}

}  // namespace platter::ovf

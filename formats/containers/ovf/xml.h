// XML as OVF descriptors use it: names are compared without their prefix, once the prefix stands for a namespace that
// counts. Entities do not exist here, and document type declarations are refused.
#pragma once

#include <cstddef>
#include <optional>
#include <pugixml.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"

namespace platter::ovf {

// Parses into `document`, whose root element is returned. kCorrupt for text that is not well formed, for a document
// type declaration (of text in UTF-16 or Latin-1 the parser skips what is none), and for an encoding in which other
// programs read another text: all but UTF-8, UTF-16 and ISO-8859-1, and of pure ASCII those that contain it; kLimit for
// text that is too long, or has too many or too deeply nested elements.
Result<pugi::xml_node> ParseXml(std::span<const std::byte> text, const Limits& limits, pugi::xml_document& document);

// How many bytes of `text` come before the first that is no character of XML in UTF-8.
std::size_t TextLength(std::string_view text) noexcept;

// "File" of "ovf:File".
std::string_view LocalName(std::string_view name) noexcept;
// What `prefix` ("" for none) stands for where `node` is; "" where it stands for nothing.
std::string_view NamespaceOf(const pugi::xml_node& node, std::string_view prefix);
// The namespace of the element itself.
std::string_view NamespaceOf(const pugi::xml_node& node);

std::vector<pugi::xml_node> Children(const pugi::xml_node& node, std::string_view local_name);
// The first one; a null node when there is none.
pugi::xml_node Child(const pugi::xml_node& node, std::string_view local_name);
// All text in the element itself, without the white space around it.
std::string TextOf(const pugi::xml_node& node);
// An attribute of the element's own vocabulary: without a prefix, or with one of the same namespace as the element's
// or the root's. kCorrupt when it is there in both spellings, with two values; kLimit for very many prefixes.
Result<std::optional<std::string>> Attribute(const pugi::xml_node& node, std::string_view local_name);

}  // namespace platter::ovf

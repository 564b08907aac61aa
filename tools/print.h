// Text for people, to the standard streams.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <string>
#include <utility>

namespace platter {

// Unlike fmt::print it does not throw where nothing can be written, such as into a closed stream or a full disk: that
// is no reason to leave work half done. ferror() tells afterwards.
template <class... Values>
void PrintText(std::FILE* out, fmt::format_string<Values...> format, Values&&... values) {
  std::string text;
  fmt::format_to(std::back_inserter(text), format, std::forward<Values>(values)...);
  (void)std::fwrite(text.data(), 1, text.size(), out);
}

template <class... Values>
void PrintText(fmt::format_string<Values...> format, Values&&... values) {
  PrintText(stdout, format, std::forward<Values>(values)...);
}

}  // namespace platter

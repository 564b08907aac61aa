// The functions of fmt, which Debian has as a shared library only: that one, and libstdc++ behind it, would take longer
// to load than a program takes to describe or judge an image.
#include <fmt/format-inl.h>

namespace fmt::detail {

// The templates that fmt's headers declare to be elsewhere, for the characters and numbers that we print.
template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template std::locale locale_ref::get<std::locale>() const;
template void vformat_to(buffer<char>&, string_view, basic_format_args<buffer_context<char>>, locale_ref);
template void buffer<char>::append(const char*, const char*);

}  // namespace fmt::detail

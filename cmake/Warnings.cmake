# platter_warnings(TARGET): the warnings that every target of the project is built with.
function(platter_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  # clang counts it to -Wconversion, GCC does not: one rule for both.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 sees uninitialized members in moved std::variant and std::optional where there are none (PR 105562 and
    # kin), at -O2 and above, and copies that overlap in "text" + std::string (PR 105651). Clang's analysis and the
    # sanitizer builds look for the real ones.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-restrict)
  endif()
  if(PLATTER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

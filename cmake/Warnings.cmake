# platter_warnings(TARGET): the warnings that every target of the project is built with.
function(platter_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  # clang counts it to -Wconversion, GCC does not: one rule for both.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)
  if(PLATTER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

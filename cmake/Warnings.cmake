# platter_warnings(TARGET): the warnings that every target of the project is built with.
function(platter_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  if(PLATTER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# Applies PLATTER_SANITIZE to everything that is built.
if(PLATTER_SANITIZE)
  add_compile_options(-fsanitize=${PLATTER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PLATTER_SANITIZE})
  # ThreadSanitizer knows no fences, with which Boost.Asio orders what the atomic counts beside them order, too.
  if(PLATTER_SANITIZE STREQUAL "thread")
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

# Applies PLATTER_SANITIZE to everything that is built.
if(PLATTER_SANITIZE)
  add_compile_options(-fsanitize=${PLATTER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PLATTER_SANITIZE})
endif()

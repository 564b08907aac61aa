# What cmake --install puts in place, and the .deb that cpack makes of it.

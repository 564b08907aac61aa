# What cmake --install puts in place, and the .deb packages that cpack makes of it: platter (the tool) and
# libplatter-dev (headers, static libraries, CMake package, pkg-config file).
include(CMakePackageConfigHelpers)

# The tool. Under the name qemu-img it stays out of bin, where qemu-utils has its own: a script that is to use this one
# gets libexec/platter in front of its PATH.
install(TARGETS platter platter-hook RUNTIME COMPONENT tool)
file(RELATIVE_PATH platter_from_libexec "/${CMAKE_INSTALL_LIBEXECDIR}/platter" "/${CMAKE_INSTALL_BINDIR}/platter")
file(CREATE_LINK "${platter_from_libexec}" "${CMAKE_BINARY_DIR}/qemu-img" SYMBOLIC)
install(FILES "${CMAKE_BINARY_DIR}/qemu-img" DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/platter COMPONENT tool)
install(FILES docs/platter.1 docs/platter-hook.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tool)
install(FILES tools/platter/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME platter COMPONENT tool)
# How services call platter-hook: a Python package for Glance, a script for tusd.
install(DIRECTORY tools/platter-hook/glance DESTINATION ${CMAKE_INSTALL_DATADIR}/platter COMPONENT tool
        PATTERN __pycache__ EXCLUDE)
install(PROGRAMS tools/platter-hook/tusd/pre-finish DESTINATION ${CMAKE_INSTALL_DATADIR}/platter/tusd COMPONENT tool)
install(FILES README.md CHANGELOG.md LICENSE docs/formats.md docs/qemu-img.md docs/security.md docs/hook.md docs/performance.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tool)

# The registry. Debian's glance-api has a unit of its own name, the classic guides have openstack-glance-api.
install(TARGETS platterd RUNTIME COMPONENT registry)
# What guides for Glance call.
file(CREATE_LINK platterd "${CMAKE_BINARY_DIR}/glance-manage" SYMBOLIC)
install(FILES "${CMAKE_BINARY_DIR}/glance-manage" DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT registry)
install(FILES docs/platterd.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT registry)
install(FILES docs/registry.md docs/operations.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT registry)
file(CREATE_LINK platterd.service "${CMAKE_BINARY_DIR}/openstack-glance-api.service" SYMBOLIC)
install(FILES tools/platterd/systemd/platterd.service "${CMAKE_BINARY_DIR}/openstack-glance-api.service"
        DESTINATION lib/systemd/system COMPONENT registry)

# Judging uploads from C, and from whatever loads C libraries.
install(TARGETS platter_inspect_c LIBRARY COMPONENT tool NAMELINK_COMPONENT development)
install(FILES tools/platter-hook/c_abi/platter_inspect.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY tools/platter-hook/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)

# The engine: platter::platter is all of it.
add_library(platter_engine INTERFACE)
target_link_libraries(platter_engine INTERFACE platter_inspect platter_convert platter_formats)
set_target_properties(platter_engine PROPERTIES EXPORT_NAME platter)
file(STRINGS "${PROJECT_SOURCE_DIR}/formats/formats.def" platter_format_names REGEX "^PLATTER_FORMAT")
list(TRANSFORM platter_format_names REPLACE "PLATTER_FORMAT\\((.*)\\)" "platter_\\1")
file(STRINGS "${PROJECT_SOURCE_DIR}/formats/containers/containers.def" platter_container_names REGEX "^PLATTER_CONTAINER")
list(TRANSFORM platter_container_names REPLACE "PLATTER_CONTAINER\\((.*)\\)" "platter_\\1")
list(APPEND platter_format_names ${platter_container_names} platter_tar platter_codec platter_json)
set(platter_libraries platter_inspect platter_convert platter_formats ${platter_format_names} platter_recognised platter_partition platter_amazon platter_ext platter_core)
install(TARGETS platter_engine ${platter_libraries} EXPORT platterTargets ARCHIVE COMPONENT development)
install(EXPORT platterTargets NAMESPACE platter:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/platter
        COMPONENT development)
file(GLOB platter_core_headers CONFIGURE_DEPENDS formats/core/*.h)
install(FILES ${platter_core_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/formats/core
        COMPONENT development)
install(FILES formats/container_table.h formats/content.h formats/format_table.h formats/open.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/formats COMPONENT development)
install(FILES formats/containers/container.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/formats/containers
        COMPONENT development)
install(FILES formats/inspect/inspect_storage.h formats/inspect/inspector.h formats/inspect/policy.h
              formats/inspect/report.h formats/inspect/report_json.h formats/inspect/stream_window.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/formats/inspect COMPONENT development)
install(FILES convert/copy/copy.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/convert/copy COMPONENT development)
install(FILES convert/hash/algorithm.h convert/hash/block_hash.h convert/hash/digest.h convert/hash/digest_set.h
              convert/hash/guest_digest.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/convert/hash COMPONENT development)
install(FILES convert/compare/compare.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/platter/convert/compare
        COMPONENT development)

configure_package_config_file(cmake/platterConfig.cmake.in "${CMAKE_BINARY_DIR}/platterConfig.cmake"
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/platter)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/platterConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/platterConfig.cmake" "${CMAKE_BINARY_DIR}/platterConfigVersion.cmake"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/platter COMPONENT development)

file(RELATIVE_PATH platter_prefix_from_pc "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
list(TRANSFORM platter_libraries PREPEND "-l" OUTPUT_VARIABLE platter_link_flags)
list(TRANSFORM platter_link_flags REPLACE "^-lplatter_inspect$" "-lplatter_inspector")
list(JOIN platter_link_flags " " platter_link_flags)
configure_file(cmake/platter.pc.in "${CMAKE_BINARY_DIR}/platter.pc" @ONLY)
configure_file(cmake/platter-inspect.pc.in "${CMAKE_BINARY_DIR}/platter-inspect.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/platter.pc" "${CMAKE_BINARY_DIR}/platter-inspect.pc"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "The Platter authors")
set(CPACK_PACKAGE_CONTACT "The Platter authors <platter@example.org>")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_BINARY_DIR}/packages")
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL tool registry development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOL_PACKAGE_NAME platter)
set(CPACK_DEBIAN_TOOL_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOL_PACKAGE_DEPENDS "libssl3")  # loaded when something is hashed
set(CPACK_DEBIAN_TOOL_PACKAGE_SUGGESTS "mtools, syslinux, syslinux-common")  # platter amazon join
set(CPACK_COMPONENT_TOOL_DESCRIPTION "Reads, checks and converts virtual disk images
 platter takes qemu-img's verbs and options (info, check, create, convert,
 compare, map, measure) for raw, qcow2, vhd, vhdx, vmdk, vdi and ploop images,
 and looks into ISO images.")
set(CPACK_DEBIAN_REGISTRY_PACKAGE_NAME platterd)
set(CPACK_DEBIAN_REGISTRY_PACKAGE_CONFLICTS "glance-api, glance-common")
set(CPACK_DEBIAN_REGISTRY_PACKAGE_SECTION net)
set(CPACK_DEBIAN_REGISTRY_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_REGISTRY_DESCRIPTION "Image registry that speaks OpenStack Glance's API
 platterd judges every upload while it arrives, and knows the virtual size of
 every image.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libplatter-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libfmt-dev, libisal-dev, libzstd-dev, zlib1g-dev, libbz2-dev, liblzma-dev, liblz4-dev, libisofs-dev, libext2fs-dev, comerr-dev, libssl-dev, libpugixml-dev, libinih-dev, libboost1.81-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Reads, checks and converts virtual disk images (development files)
 Headers and static libraries of the engine behind platter.")
include(CPack)

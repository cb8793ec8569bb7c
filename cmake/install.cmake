# SPDX-License-Identifier: Apache-2.0
# Installs the library, static or shared, with a CMake package and a pkg-config file. The tools install themselves.
include(CMakePackageConfigHelpers)

set(lichen_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/lichen)

# liblichen.a and liblichen_bitstream.a, or liblichen.so, which holds both; lichen::codec and lichen::bitstream to CMake,
# as inside this build.
set_target_properties(lichen_codec PROPERTIES OUTPUT_NAME lichen EXPORT_NAME codec)
set_target_properties(lichen_bitstream PROPERTIES EXPORT_NAME bitstream)

set(lichen_installed lichen_codec)
set(lichen_pc_requires "libzstd zlib")
set(lichen_pc_libs "-llichen -llichen_bitstream -ldnnl -ltbb -fopenmp -lstdc++ -lm")
if(BUILD_SHARED_LIBS)
  set(lichen_pc_requires "")
  set(lichen_pc_libs "-llichen")
else()
  list(APPEND lichen_installed lichen_bitstream)
endif()
install(TARGETS ${lichen_installed} EXPORT lichenTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT lichenTargets NAMESPACE lichen:: DESTINATION ${lichen_package_folder})
install(DIRECTORY bitstream/include/ codec/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

configure_package_config_file(cmake/lichenConfig.cmake.in ${PROJECT_BINARY_DIR}/lichenConfig.cmake
                              INSTALL_DESTINATION ${lichen_package_folder})
# Until version 1.0 every minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lichenConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/lichenConfig.cmake ${PROJECT_BINARY_DIR}/lichenConfigVersion.cmake
        DESTINATION ${lichen_package_folder})

# Relative to the file itself, so that it stays true under cmake --install --prefix.
file(RELATIVE_PATH lichen_pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/lichen.pc.in ${PROJECT_BINARY_DIR}/lichen.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/lichen.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

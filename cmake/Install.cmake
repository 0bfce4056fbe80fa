# What `cmake --install` puts in place: headers, libraries, ringoConfig.cmake, ringo.pc.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ringo)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS ${ringo_targets} EXPORT ringoTargets FILE_SET HEADERS)
install(EXPORT ringoTargets NAMESPACE ringo:: DESTINATION ${package_dir})

configure_package_config_file(cmake/ringoConfig.cmake.in ${PROJECT_BINARY_DIR}/ringoConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ringoConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ringoConfig.cmake ${PROJECT_BINARY_DIR}/ringoConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/Findliburing.cmake ${PROJECT_SOURCE_DIR}/cmake/Findcares.cmake
  DESTINATION ${package_dir})

# ringo.pc finds its prefix from its own place, so that the installed tree can be moved.
file(RELATIVE_PATH pc_prefix /prefix/${pkgconfig_dir} /prefix)
string(REGEX REPLACE "/$" "" pc_prefix ${pc_prefix})
if(RINGO_BUILD_SHARED OR BUILD_SHARED_LIBS)
  # A shared library brings its own dependencies; only `pkg-config --static` asks for them.
  set(pc_dependencies "Libs.private: -lboost_context\nRequires.private: liburing libcares")
else()
  set(pc_libs " -lboost_context")
  set(pc_dependencies "Requires: liburing libcares")
endif()
if(RINGO_ASSERTIONS)
  set(pc_definitions " -DRINGO_ASSERTIONS=1")
endif()
configure_file(cmake/ringo.pc.in ${PROJECT_BINARY_DIR}/ringo.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ringo.pc DESTINATION ${pkgconfig_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/tools/gdb/ringo_gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/ringo)

# Finds liburing through pkg-config, else by looking for the library and its header, and offers
# liburing::liburing. Installed beside ringoConfig.cmake, so that users find it the same way.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_LIBURING QUIET liburing)
endif()
find_path(liburing_INCLUDE_DIR liburing.h HINTS ${PC_LIBURING_INCLUDE_DIRS})
find_library(liburing_LIBRARY uring HINTS ${PC_LIBURING_LIBRARY_DIRS})
set(liburing_VERSION ${PC_LIBURING_VERSION})
mark_as_advanced(liburing_INCLUDE_DIR liburing_LIBRARY)
if(NOT liburing_VERSION AND liburing_INCLUDE_DIR)
  # Only reached without pkg-config; liburing's headers name their version from 2.3 on.
  set(version_header ${liburing_INCLUDE_DIR}/liburing/io_uring_version.h)
  if(EXISTS ${version_header})
    file(STRINGS ${version_header} version_lines REGEX "define IO_URING_VERSION_(MAJOR|MINOR) +[0-9]+")
    list(TRANSFORM version_lines REPLACE ".* ([0-9]+)$" "\\1")
    list(JOIN version_lines "." liburing_VERSION)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(liburing
  REQUIRED_VARS liburing_LIBRARY liburing_INCLUDE_DIR
  VERSION_VAR liburing_VERSION
  REASON_FAILURE_MESSAGE "ringo needs liburing and its header (liburing-dev on Debian and Ubuntu, liburing-devel on Fedora)")

if(liburing_FOUND AND NOT TARGET liburing::liburing)
  add_library(liburing::liburing UNKNOWN IMPORTED)
  set_target_properties(liburing::liburing PROPERTIES
    IMPORTED_LOCATION ${liburing_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${liburing_INCLUDE_DIR})
endif()

# Finds c-ares through pkg-config, else by looking for the library and its header, and offers
# cares::cares. Installed beside ringoConfig.cmake, so that users find it the same way.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PC_CARES QUIET libcares)
endif()
find_path(cares_INCLUDE_DIR ares.h HINTS ${PC_CARES_INCLUDE_DIRS})
find_library(cares_LIBRARY cares HINTS ${PC_CARES_LIBRARY_DIRS})
mark_as_advanced(cares_INCLUDE_DIR cares_LIBRARY)
if(cares_INCLUDE_DIR)
  file(STRINGS ${cares_INCLUDE_DIR}/ares_version.h version_lines REGEX "define ARES_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  list(TRANSFORM version_lines REPLACE ".* ([0-9]+)$" "\\1")
  list(JOIN version_lines "." cares_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(cares
  REQUIRED_VARS cares_LIBRARY cares_INCLUDE_DIR
  VERSION_VAR cares_VERSION
  REASON_FAILURE_MESSAGE "ringo needs c-ares and its header (libc-ares-dev on Debian and Ubuntu, c-ares-devel on Fedora)")

if(cares_FOUND AND NOT TARGET cares::cares)
  add_library(cares::cares UNKNOWN IMPORTED)
  set_target_properties(cares::cares PROPERTIES
    IMPORTED_LOCATION ${cares_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${cares_INCLUDE_DIR})
endif()

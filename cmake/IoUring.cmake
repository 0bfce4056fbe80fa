# Sets RINGO_IO_URING_ALLOWED: whether this machine lets us make a ring (stock containers do not). Where it
# does not, ctest lists the io_uring tests as disabled. Asked again in each configuration, since a build
# directory may outlive a change of the container's policy.
set(probe_source ${PROJECT_BINARY_DIR}/CMakeFiles/io_uring_probe.cpp)
file(WRITE ${probe_source} "
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/io_uring.h>
int main() {
  io_uring_params params{};
  return syscall(__NR_io_uring_setup, 4, &params) < 0;
}
")
unset(io_uring_exit CACHE)
unset(io_uring_compiles CACHE)
try_run(io_uring_exit io_uring_compiles ${PROJECT_BINARY_DIR}/CMakeFiles/io_uring_probe ${probe_source})
if(io_uring_compiles AND io_uring_exit EQUAL 0)
  set(RINGO_IO_URING_ALLOWED TRUE)
else()
  set(RINGO_IO_URING_ALLOWED FALSE)
  message(STATUS "No io_uring here: its tests are disabled")
endif()

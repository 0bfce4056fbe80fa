#include "base/fence.hpp"

#if !RINGO_TSAN
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

namespace ringo::detail {

std::atomic<bool> membarrier_works{false};

void prepare_heavy_fence() noexcept {
  membarrier_works =
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void heavy_fence() noexcept {
  if (membarrier_works) {
    RINGO_VERIFY(::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
  } else {
    full_fence();
  }
}

}  // namespace ringo::detail
#endif

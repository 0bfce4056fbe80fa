#include <ringo/sync/pool.hpp>

#include <sched.h>

namespace ringo::detail {

std::size_t pool_shard_hint() noexcept {
  // Costs a few ns: glibc reads what the kernel keeps in the thread's rseq area. A negative number
  // (no such call) is as good a shard as any.
  return static_cast<std::size_t>(static_cast<unsigned>(::sched_getcpu()));
}

}  // namespace ringo::detail

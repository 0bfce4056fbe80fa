#include "source/pipe_pool.hpp"

#include <algorithm>
#include <new>

#include <fcntl.h>
#include <unistd.h>

namespace ringo::detail {
namespace {

// Go's. The system may give less; only speed depends on it.
constexpr int pipe_size = 1 << 20;

}  // namespace

pipe_pool& pipe_pool::instance() {
  static pipe_pool the_one;
  return the_one;
}

kernel_pipe pipe_pool::take() noexcept {
  {
    spin_guard guard(lock_);
    if (const std::size_t count = count_.load(); count > 0) {
      count_.store(count - 1);
      return spares_[count - 1].pipe;
    }
  }
  int ends[2];  // NOLINT(modernize-avoid-c-arrays): as pipe2(2) wants it
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
  static_cast<void>(::fcntl(ends[0], F_SETPIPE_SZ, pipe_size));
  return {ends[0], ends[1]};
}

void pipe_pool::give_back(kernel_pipe unused) noexcept {
  const time_point now = steady_clock::now();
  {
    spin_guard guard(lock_);
    if (const std::size_t count = count_.load(); count < pipes_max) {
      spares_[count] = {unused, now};
      count_.store(count + 1);
      return;
    }
  }
  close(unused);
}

void pipe_pool::close(kernel_pipe used) noexcept {
  ::close(used.reader);
  ::close(used.writer);
}

void pipe_pool::trim(time_point now) noexcept {
  if (count_.load() != 0) close_older_than(now - idle_max);
}

void pipe_pool::close_all() noexcept {
  close_older_than(time_point::max());
}

void pipe_pool::forget() noexcept RINGO_NO_THREAD_SAFETY {
  ::new (&lock_) spinlock;  // whoever has it does not exist here
  for (std::size_t i = 0; i < count_.load(); ++i) close(spares_[i].pipe);
  count_.store(0);
}

void pipe_pool::close_older_than(time_point limit) noexcept {
  std::array<spare, pipes_max> old;
  std::size_t old_count = 0;
  {
    spin_guard guard(lock_);
    const auto end = spares_.begin() + static_cast<std::ptrdiff_t>(count_.load());
    const auto first_young =
        std::find_if(spares_.begin(), end, [limit](const spare& s) { return s.since > limit; });
    old_count = static_cast<std::size_t>(std::copy(spares_.begin(), first_young, old.begin()) -
                                         old.begin());
    std::copy(first_young, end, spares_.begin());
    count_.store(count_.load() - old_count);
  }
  for (std::size_t i = 0; i < old_count; ++i) close(old[i].pipe);
}

}  // namespace ringo::detail

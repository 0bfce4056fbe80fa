#pragma once

#include <optional>
#include <span>

#include <sys/resource.h>

/// posix_spawn(3), and what it cannot do: a limit of the child's own.
///
/// The child shares our memory, and stops this thread, until it runs the program or has failed to;
/// so nothing is copied, however large this process is. What it changes meanwhile must be the
/// kernel's and not the memory's:
/// 1. Here every signal is blocked, so that none is taken by a handler in the child.
/// 2. In the child, on a stack of its own: signals that have a handler get the default action;
///    descriptors; directory; limit; the signal mask that was before; exec. It makes system calls
///    only, by number: what the C library, or a sanitizer, keeps of itself in memory is the
///    parent's.
/// 3. A failure is left in the plan, and the child ends; here it is waited for.

namespace ringo::detail {

struct child_plan {
  const char* path = nullptr;
  char* const* args = nullptr;  // to a null pointer
  char* const* env = nullptr;   // as args
  const char* dir = nullptr;    // null: ours
  std::span<const int>
      numbers;  // becomes 0, 1, 2 …, and nothing else stays; each is larger than those
  std::optional<rlimit> open_files;
};

/// Blocks the thread until the child runs the program; its number, or -errno.
int start_child(const child_plan& plan) noexcept;

}  // namespace ringo::detail

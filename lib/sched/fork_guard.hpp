#pragma once

namespace ringo::detail {

/// After fork() without exec the child has one thread and none of the runtime's: using it there is
/// fatal.
void install_fork_handler() noexcept;

/// Fatal in such a child: "ringo used in the child of a fork".
void refuse_after_fork() noexcept;

}  // namespace ringo::detail

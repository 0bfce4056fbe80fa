#pragma once

#include <optional>

#include <sys/resource.h>

/// The limit on open files that a process has is, for historical reasons (select(2) has no room for
/// more), far below what it may have. A server wants what it may have, and so ringo takes it; the
/// programs that it starts may still be of the other kind. Source: Go's os/rlimit.go.

namespace ringo::detail {

/// Raises the soft RLIMIT_NOFILE to the hard one; once in a process.
void raise_open_files_limit() noexcept;

/// What it was, for a child to have; empty: it was not raised, or the program has chosen another
/// one since.
std::optional<rlimit> open_files_limit_before() noexcept;

}  // namespace ringo::detail

#pragma once

namespace ringo::detail {

/// printf to descriptor 2 in one write(2), cut at 4096 bytes. Neither allocates nor locks, so it
/// works in a signal handler and in a process that is about to end.
[[gnu::format(printf, 1, 2)]] void print_error(const char* format, ...) noexcept;

}  // namespace ringo::detail

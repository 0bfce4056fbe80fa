#pragma once

#include <cstddef>
#include <system_error>

namespace ringo::detail {

/// write(2) until everything is written; blocks the thread. Waits for a descriptor in non-blocking
/// mode to take more.
std::error_code write_all(int fd, const char* text, std::size_t size) noexcept;

}  // namespace ringo::detail

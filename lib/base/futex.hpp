#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace ringo::detail {

/// futex(2) FUTEX_WAIT: sleeps while `word` holds `expected`, at most `timeout` (negative: for
/// ever). May return early for any reason; the caller looks again.
void futex_wait(const std::atomic<std::uint32_t>& word,
                std::uint32_t expected,
                std::chrono::nanoseconds timeout) noexcept;

/// FUTEX_WAKE. Only the address is used: the word may be gone already.
void futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept;

}  // namespace ringo::detail

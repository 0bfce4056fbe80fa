// Where a walk over a fiber's stack ends. Only x86-64 has a first frame of our own.

#if defined(__x86_64__)

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include <execinfo.h>

#include <ringo/chan.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/wait_group.hpp>

#include "support/run_on.hpp"

namespace ringo::detail {
void fiber_entry();  // in lib/fiber/switch.cpp
}

using namespace ringo::test;

namespace {

constexpr int frames_max = 64;

bool is_in_entry(const void* address) {
  constexpr std::uintptr_t entry_size_max = 32;
  const auto entry = reinterpret_cast<std::uintptr_t>(&ringo::detail::fiber_entry);
  return reinterpret_cast<std::uintptr_t>(address) - entry < entry_size_max;
}

/// Down to the entry, which comes last and once.
void expect_whole_backtrace(int frames_at_least) {
  std::array<void*, frames_max> frames{};
  const int count = ::backtrace(frames.data(), frames_max);
  EXPECT(count >= frames_at_least);
  EXPECT(count < frames_max);
  for (int i = 0; i < count; ++i) {
    EXPECT(is_in_entry(frames[static_cast<std::size_t>(i)]) == (i == count - 1));
  }
}

// NOLINTNEXTLINE(misc-no-recursion): depth is the point
[[gnu::noinline]] void nest(int depth, const ringo::chan<void>& go_on) {
  if (depth > 0) {
    nest(depth - 1, go_on);
  } else {
    expect_whole_backtrace(10);
    go_on.recv();
    expect_whole_backtrace(10);
  }
  asm volatile("" ::: "memory");  // no tail call
}

#if RINGO_ASAN || RINGO_TSAN
// Compiled with frame pointers throughout.
[[gnu::noinline]] void expect_whole_frame_chain() {
  auto* frame = static_cast<void**>(__builtin_frame_address(0));
  const void* caller = nullptr;
  int count = 0;
  for (; frame != nullptr && count < frames_max; ++count) {
    caller = frame[1];
    EXPECT(frame[0] == nullptr || frame[0] > static_cast<void*>(frame));
    frame = static_cast<void**>(frame[0]);
  }
  EXPECT(count < frames_max);
  EXPECT(is_in_entry(caller));
}
#endif

}  // namespace

TEST_CASE("first frame: a backtrace ends with the fiber's entry, before and after it has waited") {
  run_on_each([] {
    const auto go_on = ringo::make_chan<void>();
    ringo::wait_group all;
    for (int i = 0; i < 4; ++i) all.go([&] { nest(8, go_on); });
    for (int i = 0; i < 4; ++i) go_on.send();
    all.wait();
    expect_whole_backtrace(2);  // the main fiber's
  });
}

TEST_CASE("first frame: a fiber on the stack of one that has ended has the same") {
  run_on(1, [] {
    ringo::wait_group all;
    for (int i = 0; i < 100; ++i) all.go([] { expect_whole_backtrace(2); });
    all.wait();
  });
}

#if RINGO_ASAN || RINGO_TSAN
TEST_CASE("first frame: the chain of frame pointers ends there") {
  run_on_each([] {
    ringo::wait_group all;
    all.go([] {
      expect_whole_frame_chain();
      ringo::yield();
      expect_whole_frame_chain();
    });
    all.wait();
  });
}
#endif

#endif

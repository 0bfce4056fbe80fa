#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "fiber/fiber.hpp"
#include "sched/coarse_clock.hpp"

/// What every fiber does, and where it stands: for dumps.
///
/// Nothing is stopped. The control blocks are looked at in chunks:
/// 1. Those that are parked are held, all of a chunk by one fence (fiber::hold_all).
/// 2. Under a name_guard the names of all are copied, and what else their control blocks say.
/// 3. The stacks of the held ones are unwound, and each is asked what exactly it waits for.
/// 4. They are let go; those that somebody has woken meanwhile are queued.
/// A fiber that runs, or is about to, has no frames here, but for the caller. So each fiber is
/// shown as it was at some moment of the call, but not all at the same one.

namespace ringo::detail {

/// Backtraces, each kept once. One owner.
class stack_table {
 public:
  static constexpr std::size_t frames_max = 64;
  static constexpr std::uint32_t none = 0;  // the one without frames

  struct span {
    void* const* begin;
    std::size_t size;
  };

  stack_table() { places_.push_back({0, 0}); }
  /// The number of an equal one, if there is one.
  std::uint32_t add(void* const* frames, std::size_t count);
  span at(std::uint32_t number) const noexcept {
    const place& p = places_[number];
    return {frames_.data() + p.first, p.count};
  }

 private:
  struct place {
    std::size_t first;
    std::size_t count;
  };
  std::vector<void*> frames_;
  std::vector<place> places_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_hash_;
};

struct fiber_entry {
  std::uint64_t id = 0;
  fiber_state state = fiber_state::unused;
  bool is_pinned = false;
  bool in_blocking = false;
  bool is_self = false;  // the caller
  std::uint32_t stack = stack_table::none;
  const park_kind* kind = nullptr;  // of a parked one; may be unknown
  const void* spawn_site = nullptr;
  std::chrono::nanoseconds waited{0};  // since it has parked
  std::string name = {};
  std::string detail = {};  // what exactly it waits for

  /// As a dump shows it.
  const char* reason() const noexcept;
};

struct snapshot {
  std::vector<fiber_entry> fibers;  // by their numbers
  stack_table stacks;

  /// Looks at every fiber. Any thread; blocks for as long as another one is at it. May throw
  /// std::bad_alloc.
  static snapshot take();
  /// The caller's fiber alone.
  static snapshot take_self();
};

/// The text of a dump: those that are alike in all but their numbers and how long they wait are
/// shown once.
std::string text_of(const snapshot& shown);

}  // namespace ringo::detail

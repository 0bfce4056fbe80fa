#include <ringo/debug/leaks.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <unordered_set>

#include <ringo/detail/config.hpp>

#include "debug/fiber_infos.hpp"
#include "debug/memory_scan.hpp"
#include "fiber/fiber.hpp"
#include "sched/current.hpp"
#include "sched/deadlock.hpp"
#include "sched/scheduler.hpp"
#include "sched/snapshot.hpp"
#include "sched/world_stop.hpp"

/// Which parked fibers nothing can ever wake.
///
/// A *candidate* is parked on objects only (channels, locks). What it holds, its *memory*, is its
/// stack from where it stopped, and its closure. Steps, while the world stands still:
/// 1. Take down the candidates, and the *spots*: the memory of each, and each channel that one of
///    them waits for. An object in a candidate's memory depends on that candidate. One that is
///    anywhere else, but for a channel, can be reached: its candidate is live.
/// 2. Read the roots: all data of the process, but for stacks and control blocks of fibers, and the
///    spots. Read the memory of every fiber that is no candidate. A word that points into a spot
///    reaches it.
/// 3. A channel that is reached makes live who waits for it, and is read itself. Memory that is
///    reached makes its fiber live. A fiber that is live has its memory read, and makes live who
///    depends on it. And so on, until nothing new is reached.
/// 4. The candidates that are not live are leaked.
/// Invariant: whoever could wake a candidate runs, or will, and has a pointer to one of its objects
/// in memory that it can reach; such memory is a root, or the memory of a live fiber, or a channel
/// that is reached. So step 3 finds it. (A wake-up by the world, a timer or I/O, excludes it from
/// being a candidate.)
/// The searcher's own notes would reach everything: addresses in them are inverted, its stack is
/// read from the caller's frame on, and the room that it reads into is no root.

namespace ringo::debug {
namespace {

using namespace ringo::detail;  // NOLINT(google-build-using-namespace): of this library itself

std::uintptr_t number(const void* pointer) noexcept {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

struct candidate {
  fiber* self;  // control blocks are no spots: nothing to hide
  bool live = false;
  std::vector<std::uint32_t> dependents = {};
};

struct spot {
  hidden_range range;  // what points into it reaches it
  hidden_range whole;  // a channel's: handles point to its beginning, and allocators to its end
  std::uint32_t of;    // a candidate
  bool is_channel;
  bool reached = false;
};

class leak_search final : wait_objects {
 public:
  explicit leak_search(scheduler& of) : of_(of) {}

  /// False: memory cannot be read.
  bool run(std::uintptr_t frame) {
    if (!reader_.is_open()) return false;
    take_down(frame);
    std::sort(spots_.begin(), spots_.end(), [](const spot& a, const spot& b) {
      return a.range < b.range;
    });
    if (!read_roots()) return false;
    for (const hidden_range& memory : live_memory_) read(memory);
    for (std::uint32_t i = 0; i < candidates_.size(); ++i) {
      if (candidates_[i].live) become_live(i, true);
    }
    while (!to_read_.empty()) {
      const hidden_range next = to_read_.back();
      to_read_.pop_back();
      read(next);
    }
    return true;
  }

  std::unordered_set<std::uint64_t> leaked() const {
    std::unordered_set<std::uint64_t> numbers;
    for (const candidate& c : candidates_) {
      if (!c.live) numbers.insert(c.self->id.load());
    }
    return numbers;
  }

 private:
  scheduler& of_;
  memory_reader reader_;
  std::vector<candidate> candidates_;
  std::vector<spot> spots_;
  std::vector<hidden_range> live_memory_;
  std::vector<hidden_range> to_read_;
  std::uint32_t at_ = 0;  // the candidate that add() is called for

  // Step 1.
  void take_down(std::uintptr_t frame) {
    const fiber* self = stack_owner();
    fiber_registry::instance().for_each([&](fiber& f) {
      const fiber_state state = f.current_state();
      if (state == fiber_state::unused || f.is_thread) return;
      const park_kind* kind = state == fiber_state::parked ? f.kind.load() : nullptr;
      if (kind != nullptr && kind->waits_for != nullptr) {
        candidates_.push_back({&f});
      } else {
        for_memory_of(
            f, &f == self ? frame : 0, [this](hidden_range r) { live_memory_.push_back(r); });
      }
    });
    for (at_ = 0; at_ < candidates_.size(); ++at_) {
      fiber& f = *candidates_[at_].self;
      for_memory_of(f, 0, [this](hidden_range r) { spots_.push_back({r, r, at_, false}); });
    }
    std::sort(spots_.begin(), spots_.end(), [](const spot& a, const spot& b) {
      return a.range < b.range;
    });
    memory_spots_ = spots_.size();
    for (at_ = 0; at_ < candidates_.size(); ++at_) {
      fiber& f = *candidates_[at_].self;
      f.kind.load()->waits_for(f.subject.load(), *this);
      if (no_memory_) throw std::bad_alloc();
    }
  }
  std::size_t memory_spots_ = 0;
  bool no_memory_ = false;

  void add(const void* object, std::size_t size, extent reaches) noexcept override try {
    const auto end = spots_.begin() + static_cast<std::ptrdiff_t>(memory_spots_);
    auto at =
        std::upper_bound(spots_.begin(), end, number(object), [](std::uintptr_t a, const spot& s) {
          return a < s.range.begin();
        });
    if (at != spots_.begin() && (--at)->range.has(number(object))) {
      candidates_[at->of].dependents.push_back(at_);
    } else if (object != nullptr && reaches == extent::whole) {
      // The last word may be the allocator's: it keeps the size of the next block there.
      spots_.push_back({{object, size - sizeof(void*)}, {object, size}, at_, true});
    } else {
      candidates_[at_].live = true;
    }
  } catch (const std::bad_alloc&) {
    no_memory_ = true;
  }

  /// What a fiber can reach from by itself; on its stack from `frame` on, or from where it stopped.
  template <typename Visit>
  static void for_memory_of(const fiber& f, std::uintptr_t frame, Visit visit) {
    const auto closure = f.body.storage();
    visit(hidden_range(closure.data(), closure.size()));
    const stack memory = f.memory();
    if (memory.base == nullptr) return;
    if (frame == 0) frame = number(f.at.resume_at);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address in that stack
    const auto* from = reinterpret_cast<const std::byte*>(frame);
    visit(hidden_range(from, static_cast<std::size_t>(memory.base + memory.size - from)));
  }

  // Step 2.
  bool read_roots() {
    std::vector<hidden_range> left_out;
    left_out.push_back(reader_.room());
    stack_pool::for_each_slab([&left_out](const std::byte* begin, std::size_t size) {
      left_out.emplace_back(begin, size);
    });
    const fiber* chunk = nullptr;
    const auto add_chunk = [&](const fiber& f) {
      if (chunk == nullptr) chunk = &f;
    };
    for (std::size_t i = 0; fiber_registry::instance().for_each_in(i, add_chunk); ++i) {
      left_out.emplace_back(chunk, fiber_registry::chunk_blocks * sizeof(fiber));
      chunk = nullptr;
    }
    for (const spot& s : spots_) {
      if (s.is_channel) left_out.push_back(s.whole);
    }
    std::vector<data_region> data;
    if (!reader_.find_data(data)) return false;
    for (std::uint32_t i = 0; i < of_.worker_count(); ++i)
      leave_out_of(*of_.worker_at(i), left_out);
    std::sort(left_out.begin(), left_out.end());
    for (const data_region& region : data) read_but(region, left_out);
    return true;
  }

  /// What is over has left marks: calls on its thread's stack and in its rings, the last switch.
  static void leave_out_of(const worker& w, std::vector<hidden_range>& left_out) {
    for (const auto& part : w.source().shared_memory()) {
      if (!part.empty()) left_out.emplace_back(part.data(), part.size());
    }
    left_out.emplace_back(&w.last_departure(), sizeof(departure));
    constexpr std::size_t red_zone = 128;
    const auto* bottom = static_cast<const std::byte*>(w.stack_bottom.load());
    const std::uintptr_t live = number(w.stands_at.load()) - red_zone;
    if (bottom != nullptr && number(bottom) < live)
      left_out.emplace_back(bottom, live - number(bottom));
  }

  void read_but(const data_region& region, const std::vector<hidden_range>& left_out) {
    std::uintptr_t begin = region.range.begin();
    const std::uintptr_t end = region.range.end();
    for (auto hole = std::lower_bound(left_out.begin(), left_out.end(), region.range, ends_before);
         hole != left_out.end() && hole->begin() < end;
         ++hole) {
      if (hole->begin() > begin) read(begin, hole->begin(), region.is_shared);
      begin = std::max(begin, hole->end());
    }
    if (begin < end) read(begin, end, region.is_shared);
  }
  static bool ends_before(const hidden_range& hole, const hidden_range& region) noexcept {
    return hole.end() <= region.begin();
  }

  // Step 3.
  void read(const hidden_range& range) { read(range.begin(), range.end()); }
  void read(std::uintptr_t begin, std::uintptr_t end, bool all = false) {
    if (spots_.empty()) return;
    const std::uintptr_t lowest = spots_.front().range.begin();
    reader_.for_each_word(begin, end, all, [this, lowest](std::uintptr_t word) {
      if (word >= lowest) reach(word);
    });
  }

  void reach(std::uintptr_t address) {
    auto at = std::upper_bound(
        spots_.begin(), spots_.end(), address, [](std::uintptr_t a, const spot& s) {
          return a < s.range.begin();
        });
    if (at == spots_.begin() || !(--at)->range.has(address)) return;
    // All who wait for one channel have spots of their own.
    const std::uintptr_t begin = at->range.begin();
    for (;; --at) {
      if (at->range.begin() != begin) return;
      if (!at->reached) {
        at->reached = true;
        if (at->is_channel) to_read_.push_back(at->whole);
        become_live(at->of, false);
      }
      if (at == spots_.begin()) return;
    }
  }

  void become_live(std::uint32_t which, bool is_marked) {
    std::vector<std::uint32_t> next{which};
    while (!next.empty()) {
      candidate& c = candidates_[next.back()];
      const bool is_new = !c.live || (is_marked && next.back() == which);
      next.pop_back();
      if (!is_new) continue;
      is_marked = false;
      c.live = true;
      for_memory_of(*c.self, 0, [this](hidden_range r) { to_read_.push_back(r); });
      next.insert(next.end(), c.dependents.begin(), c.dependents.end());
    }
  }
};

/// While all stand still: before that, a worker's thread may not have said yet that it is one.
const char* why_not(scheduler& s) {
  if (s.abandoned_any()) return "a fiber of an earlier run may still compute";
  for (std::uint32_t i = 0; i < s.worker_count(); ++i) {
    if (s.worker_at(i)->is_blocked()) return "a fiber is in blocking()";
  }
  if (foreign_threads(s, s.caller_thread())) return "there are threads that ringo did not start";
  return nullptr;
}

/// Null: `found` has the numbers of those that are leaked. Else why it cannot tell.
const char* search(scheduler& s,
                   std::chrono::nanoseconds patience,
                   std::uintptr_t frame,
                   std::unordered_set<std::uint64_t>& found) noexcept {
  if (RINGO_ASAN || RINGO_TSAN) return "a sanitizer's memory cannot be searched";
  const world_stop stopped(s, patience);
  if (!stopped.holds()) return "a fiber did not reach a scheduling point";
  if (const char* why = why_not(s)) return why;
  try {
    leak_search all(s);
    if (!all.run(frame)) return "the process's memory cannot be read";
    found = all.leaked();
    return nullptr;
  } catch (const std::bad_alloc&) {
    return "there is no memory for it";
  }
}

RINGO_NOINLINE leak_report search(const leak_options& wanted, std::uintptr_t frame) {
  leak_report result;
  if (current_worker() == nullptr) {
    result.unknown = "the caller is no fiber";
    return result;
  }
  std::unordered_set<std::uint64_t> leaked;
  {
    const world_turn mine;
    const char* why = "the run has ended";
    scheduler::instance().visit(
        [&](scheduler& s) { why = search(s, wanted.patience, frame, leaked); });
    if (why != nullptr) result.unknown = why;
  }
  if (leaked.empty()) return result;
  snapshot taken = snapshot::take();
  std::erase_if(taken.fibers, [&leaked](const fiber_entry& f) { return !leaked.contains(f.id); });
  result.fibers = infos_of(std::move(taken));
  return result;
}

}  // namespace

RINGO_NOINLINE leak_report leaks(const leak_options& wanted) {
  // Puts the caller's registers into this frame: on x86-64, 6 of them and the return address are
  // its first words. What lies below belongs to the search, and holds what calls before it have
  // left.
  __builtin_unwind_init();
#if defined(__x86_64__)
  const std::uintptr_t frame =
      std::min(number(__builtin_dwarf_cfa()) - 7 * sizeof(std::uintptr_t),
               number(__builtin_frame_address(0)) - 7 * sizeof(std::uintptr_t));
#else
  const std::uintptr_t frame = number(__builtin_frame_address(0)) - 64 * sizeof(std::uintptr_t);
#endif
  leak_report result = search(wanted, frame);
  asm volatile("" ::: "memory");  // no tail call, which would end the frame
  return result;
}

}  // namespace ringo::debug

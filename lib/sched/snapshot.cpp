#include "sched/snapshot.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <mutex>
#include <new>

#include "fiber/name_guard.hpp"
#include "fiber/unwind.hpp"
#include "sched/current.hpp"
#include "sched/queue_stamp.hpp"
#include "sched/scheduler.hpp"

namespace ringo::detail {
namespace {

constexpr std::size_t chunk_size = fiber_registry::chunk_blocks;
constexpr std::size_t detail_max = 160;

/// One at a time: two would refuse each other the fibers that they hold.
std::mutex& taking() {
  static auto& lock = *new std::mutex;  // never destroyed: threads may outlive main()
  return lock;
}

/// On the heap: a fiber's stack may be small.
struct chunk_room {
  std::array<fiber*, chunk_size> listed;
  std::array<fiber*, chunk_size> parked;
  std::array<fiber*, chunk_size> due;
  std::array<void*, stack_table::frames_max> frames;
  std::array<char, detail_max> detail;
  std::size_t listed_count = 0;
  std::size_t parked_count = 0;
};

class taker {
 public:
  explicit taker(snapshot& into) : into_(into), room_(std::make_unique<chunk_room>()) {
    if (worker_of_thread() != nullptr) self_ = stack_owner();
  }

  /// False: there is no such chunk.
  bool look_at(std::size_t chunk) {
    chunk_room& r = *room_;
    r.listed_count = 0;
    r.parked_count = 0;
    const bool exists = fiber_registry::instance().for_each_in(chunk, [&r](fiber& f) {
      const fiber_state state = f.current_state();
      if (state == fiber_state::unused || f.is_thread) return;
      r.listed[r.listed_count++] = &f;
      if (state == fiber_state::parked) r.parked[r.parked_count++] = &f;
    });
    if (r.listed_count == 0) return exists;
    note_all();
    return exists;
  }

  void look_at_self() {
    if (self_ == nullptr) return;
    into_.fibers.emplace_back();
    const name_guard names;
    note(*self_, into_.fibers.back());
    add_frames(into_.fibers.back(), unwind_here(room_->frames.data(), room_->frames.size()));
  }

 private:
  snapshot& into_;
  std::unique_ptr<chunk_room> room_;
  fiber* self_ = nullptr;
  const coarse_tick now_ = coarse_now();

  /// Holds fibers for a scope.
  struct holding {
    chunk_room& room;
    std::size_t count = 0;
    std::size_t due = 0;

    explicit holding(chunk_room& r) noexcept : room(r) {
      count = fiber::hold_all(r.parked.data(), r.parked_count, r.due.data(), due);
    }
    holding(const holding&) = delete;
    holding& operator=(const holding&) = delete;
    ~holding() {
      for (std::size_t i = 0; i < count; ++i) {
        if (room.parked[i]->release()) room.due[due++] = room.parked[i];
      }
      if (due == 0) return;
      scheduler::instance().inject_all(room.due.data(), static_cast<std::uint32_t>(due));
    }
  };

  void note_all() {
    chunk_room& r = *room_;
    const std::size_t first = into_.fibers.size();
    const holding held(r);
    {
      const name_guard names;
      for (std::size_t i = 0; i < r.listed_count; ++i) {
        into_.fibers.emplace_back();
        // Ended meanwhile, or it has ended and the block is another fiber's by now.
        if (note(*r.listed[i], into_.fibers.back())) {
          r.listed[into_.fibers.size() - 1 - first] = r.listed[i];
        } else {
          into_.fibers.pop_back();
        }
      }
    }
    std::size_t next_held = 0;  // those that are held come in the order of the list
    for (std::size_t i = 0; i < into_.fibers.size() - first; ++i) {
      fiber& f = *r.listed[i];
      fiber_entry& entry = into_.fibers[first + i];
      if (next_held < held.count && r.parked[next_held] == &f) {
        ++next_held;
        note_held(f, entry);
      } else if (&f == self_) {
        entry.is_self = true;
        add_frames(entry, unwind_here(r.frames.data(), r.frames.size()));
      }
    }
  }

  bool note(const fiber& f, fiber_entry& entry) const {
    entry.id = f.id.load();
    entry.state = f.current_state();
    if (const char* name = f.name.load()) entry.name = name;
    entry.spawn_site = f.spawn_site.load();
    entry.is_pinned = pinned_home(f) != nullptr;
    entry.in_blocking = entry.state == fiber_state::running && f.in_blocking.load();
    if (entry.state == fiber_state::parked) {
      entry.kind = f.kind.load();
      entry.waited = coarse_since(f.permit.load(), now_);
    }
    return entry.state != fiber_state::unused && f.id.load() == entry.id;
  }

  void note_held(fiber& f, fiber_entry& entry) {
    chunk_room& r = *room_;
    add_frames(entry, unwind(f.at, r.frames.data(), r.frames.size()));
    const park_kind* kind = f.kind.load();
    if (kind == nullptr || kind->describe == nullptr) return;
    kind->describe(f.subject.load(), r.detail.data(), r.detail.size());
    entry.detail = r.detail.data();
  }

  void add_frames(fiber_entry& entry, std::size_t count) {
    entry.stack = into_.stacks.add(room_->frames.data(), count);
  }
};

std::uint64_t hash_of(void* const* frames, std::size_t count) noexcept {
  std::uint64_t hash = count;
  for (std::size_t i = 0; i < count; ++i) {
    hash = (hash ^ reinterpret_cast<std::uintptr_t>(frames[i])) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

std::uint32_t stack_table::add(void* const* frames, std::size_t count) {
  if (count == 0) return none;
  const std::uint64_t hash = hash_of(frames, count);
  const auto [begin, end] = by_hash_.equal_range(hash);
  for (auto known = begin; known != end; ++known) {
    const span other = at(known->second);
    if (std::equal(frames, frames + count, other.begin, other.begin + other.size)) {
      return known->second;
    }
  }
  const auto number = static_cast<std::uint32_t>(places_.size());
  places_.push_back({frames_.size(), count});
  frames_.insert(frames_.end(), frames, frames + count);
  by_hash_.emplace(hash, number);
  return number;
}

const char* fiber_entry::reason() const noexcept {
  switch (state) {
    case fiber_state::runnable: return "runnable";
    case fiber_state::running: return in_blocking ? "syscall" : "running";
    case fiber_state::parked: return kind != nullptr ? kind->reason : "parked";
    case fiber_state::lost: return "abandoned";
    case fiber_state::unused: break;
  }
  return "unused";
}

snapshot snapshot::take() {
  snapshot result;
  const std::lock_guard alone(taking());
  std::exception_ptr failed;
  // The end of a run discards fibers, held or not: it waits until visitors have gone.
  scheduler::instance().visit([&](scheduler&) {
    try {
      taker looks(result);
      for (std::size_t chunk = 0; looks.look_at(chunk); ++chunk) {
      }
    } catch (const std::bad_alloc&) {
      failed = std::current_exception();
    }
  });
  if (failed) std::rethrow_exception(failed);
  std::sort(result.fibers.begin(), result.fibers.end(), [](const auto& a, const auto& b) {
    return a.id < b.id;
  });
  return result;
}

snapshot snapshot::take_self() {
  snapshot result;
  taker(result).look_at_self();
  return result;
}

}  // namespace ringo::detail

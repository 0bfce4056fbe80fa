#include "fiber/fiber.hpp"

#include <new>

#include <sys/mman.h>

#include <ringo/detail/assert.hpp>

#include "fiber/fiber_layout.hpp"
#include "fiber/sanitizer.hpp"

namespace ringo::detail {
bool fiber::leave_to_inspector() noexcept {
  auto expected = held_by::inspector;
  return held.compare_exchange_strong(expected, held_by::inspector_wake_due);
}

fiber::hold_outcome fiber::hold() noexcept {
  fiber* self = this;
  fiber* due = nullptr;
  std::size_t due_count = 0;
  if (hold_all(&self, 1, &due, due_count) == 1) return hold_outcome::held;
  return due_count == 1 ? hold_outcome::wake_due : hold_outcome::refused;
}

std::size_t fiber::hold_all(fiber** fibers,
                            std::size_t count,
                            fiber** due,
                            std::size_t& due_count) noexcept {
  std::size_t marked = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto expected = held_by::nobody;
    if (fibers[i]->held.compare_exchange_strong(expected, held_by::inspector)) {
      fibers[marked++] = fibers[i];
    }
  }
  heavy_fence();  // pairs with wake()
  std::size_t held_count = 0;
  due_count = 0;
  for (std::size_t i = 0; i < marked; ++i) {
    fiber* f = fibers[i];
    // A plain thread that parks has its stack in use all the time. (Asked after the state: a block
    // may just have become a thread's.)
    if (f->current_state() == fiber_state::parked && !f->is_thread.load()) {
      fibers[held_count++] = f;
    } else if (f->release()) {
      due[due_count++] = f;
    }
  }
  return held_count;
}

bool fiber::release() noexcept {
  return held.exchange(held_by::nobody) == held_by::inspector_wake_due;
}

#if defined(__x86_64__)
extern "C" const char ringo_jump_resumes[] __attribute__((visibility("hidden")));  // in switch.cpp
#else
constexpr const char* ringo_jump_resumes = nullptr;
#endif

namespace {

alignas(fiber_registry) constinit std::byte registry_room[sizeof(fiber_registry)]{};

}  // namespace

// Not all are of standard layout, but the compilers that build this know their offsets as well.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
constexpr fiber_layout fiber_layout::of_this_build() noexcept {
  return {
      .magic = {'r', 'i', 'n', 'g', 'o', ' ', 'f', '1'},
      .chunks = registry_room + offsetof(fiber_registry, chunks_),
      .resumes = ringo_jump_resumes,
      .chunk_blocks = fiber_registry::chunk_blocks,
      .fiber_size = sizeof(fiber),
      .resume_at = offsetof(fiber, at) + offsetof(context, resume_at),
      .state = offsetof(fiber, state),
      .stack_size_log2 = offsetof(fiber, stack_size_log2),
      .is_thread = offsetof(fiber, is_thread),
      .kind = offsetof(fiber, kind),
      .stack_base = offsetof(fiber, stack_base),
      .id = offsetof(fiber, id),
      .name = offsetof(fiber, name),
      .spawn_site = offsetof(fiber, spawn_site),
      .kind_reason = offsetof(park_kind, reason),
  };
}
#pragma GCC diagnostic pop

// Kept, though no code refers to it. A shared library exports it, and so still has it when
// stripped.
__attribute__((used, retain)) constinit const fiber_layout ringo_fiber_layout =
    fiber_layout::of_this_build();

fiber_registry& fiber_registry::instance() noexcept {
  static auto& registry = *::new (registry_room) fiber_registry;  // never destroyed: see the class
  return registry;
}

void fiber_registry::grow() {
  constexpr std::size_t bytes = chunk_blocks * sizeof(fiber);
  void* memory = ::mmap(
      nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  sanitizer_register_slab(memory, bytes);
  auto* blocks = static_cast<fiber*>(memory);
  for (std::size_t i = chunk_blocks; i-- > 0;) {
    auto* block = ::new (blocks + i) fiber;
    block->next = unused_;
    unused_ = block;
  }
  chunks_.push_back(blocks);
}

void fiber_registry::take(fiber** out, std::size_t wanted) {
  spin_guard guard(lock_);
  for (std::size_t i = 0; i < wanted; ++i) {
    if (unused_ == nullptr) grow();
    out[i] = unused_;
    unused_ = unused_->next;
  }
}

void fiber_registry::give_back(fiber** blocks, std::size_t count) noexcept {
  spin_guard guard(lock_);
  for (std::size_t i = 0; i < count; ++i) {
    blocks[i]->next = unused_;
    unused_ = blocks[i];
  }
}

// All of fiber_cache is relaxed: only one thread touches it, see the class.
fiber* fiber_cache::take() {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: one thread
  std::size_t count = count_.load(relaxed);
  if (RINGO_UNLIKELY(count == 0)) {
    std::array<fiber*, capacity / 2> batch;
    fiber_registry::instance().take(batch.data(), batch.size());
    for (; count < batch.size(); ++count) {
      sanitizer_release(batch[count]);  // its making, which another fiber of this worker takes over
      slots_[count].store(batch[count], relaxed);
    }
  }
  --count;
  count_.store(count, relaxed);
  fiber* block = slots_[count].load(relaxed);
  sanitizer_acquire(block);
  return block;
}

void fiber_cache::put(fiber* block) noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: one thread
  sanitizer_release(block);
  std::size_t count = count_.load(relaxed);
  if (RINGO_UNLIKELY(count == capacity)) {
    std::array<fiber*, capacity / 2> batch;
    for (auto& cached : batch) cached = slots_[--count].load(relaxed);
    fiber_registry::instance().give_back(batch.data(), batch.size());
  }
  slots_[count].store(block, relaxed);
  count_.store(count + 1, relaxed);
}

void fiber_cache::flush() noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // relaxed: one thread
  for (std::size_t count = count_.load(relaxed); count > 0; --count) {
    fiber* block = slots_[count - 1].load(relaxed);
    fiber_registry::instance().give_back(&block, 1);
  }
  count_.store(0, relaxed);
}

}  // namespace ringo::detail

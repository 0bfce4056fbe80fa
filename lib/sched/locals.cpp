#include "sched/locals.hpp"

#include <memory>
#include <vector>

#include <ringo/fiber_local.hpp>

#include "fiber/fiber.hpp"
#include "sched/current.hpp"

namespace ringo::detail {

struct fiber_locals {
  struct entry {
    const void* slot;
    void* value;
    void (*destroy)(void*) noexcept;
  };
  std::vector<entry> entries;
};

void* fiber_local_value(const void* slot, void* (*make)(), void (*destroy)(void*) noexcept) {
  fiber* self = stack_owner();
  // relaxed: a fiber's own, here and below
  fiber_locals* locals = self->locals.load(std::memory_order_relaxed);
  if (locals == nullptr) {
    locals = std::make_unique<fiber_locals>().release();
    self->locals.store(locals, std::memory_order_relaxed);  // relaxed: as above
  }
  for (const auto& entry : locals->entries) {
    if (entry.slot == slot) return entry.value;
  }
  void* value = make();  // may use other fiber_locals, or park
  locals->entries.push_back({slot, value, destroy});
  return value;
}

void destroy_locals(fiber& owner) noexcept {
  fiber_locals* locals = owner.locals.load(std::memory_order_relaxed);  // relaxed: its own
  if (locals == nullptr) return;
  // A destructor may make further values; they go too.
  while (!locals->entries.empty()) {
    const auto last = locals->entries.back();
    locals->entries.pop_back();
    last.destroy(last.value);
  }
  release_locals_memory(owner);
}

void release_locals_memory(fiber& owner) noexcept {
  // relaxed: the fiber never runs again
  std::unique_ptr<fiber_locals>(owner.locals.exchange(nullptr, std::memory_order_relaxed)).reset();
}

}  // namespace ringo::detail

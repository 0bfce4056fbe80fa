#include "testing/root_fiber.hpp"

#include <ringo/go.hpp>

#include "sched/exploration.hpp"
#include "sched/uncaught.hpp"

namespace ringo::testing::detail {

void run_root(const std::function<ringo::detail::bubble&()>& begin,
              void (*body)(void*),
              void* argument,
              const void* site,
              bubble_outcome& outcome) {
  ringo::detail::bubble* inside = nullptr;
  {
    ringo::detail::prepared_fiber root({.name = "bubble"}, site);
    // Nothing may fail from here on: its first fiber must start.
    inside = &begin();
    root.body().emplace([inside, body, argument, &outcome] {
      try {
        body(argument);
        outcome.returned = true;
      } catch (...) {
        const bool exits = ringo::detail::fiber_is_exiting();
        if (!exits) outcome.thrown = std::current_exception();
        // What the others use may be gone with the frames of this one: they must not go on.
        if (!exits && ringo::detail::exploring.load()) {
          ringo::detail::exploration::instance().fail(ringo::detail::text_of_current_exception());
        }
        inside->root_ends();
        if (exits) throw;
        return;
      }
      inside->root_ends();
    });
    root.join(inside);
    root.start();
  }
  inside->await_end();
  outcome.deadlock = inside->deadlock();
  inside->recycle();
}

}  // namespace ringo::testing::detail

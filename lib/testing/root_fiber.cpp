#include "testing/root_fiber.hpp"

#include <ringo/go.hpp>

namespace ringo::testing::detail {

void run_root(ringo::detail::bubble& inside,
              void (*body)(void*),
              void* argument,
              const void* site,
              bubble_outcome& outcome) {
  {
    ringo::detail::prepared_fiber root({.name = "bubble"}, site);
    root.body().emplace([&inside, body, argument, &outcome] {
      try {
        body(argument);
        outcome.returned = true;
      } catch (...) {
        const bool exits = ringo::detail::fiber_is_exiting();
        if (!exits) outcome.thrown = std::current_exception();
        inside.root_ends();
        if (exits) throw;
        return;
      }
      inside.root_ends();
    });
    root.join(&inside);
    root.start();
  }
  inside.await_end();
  outcome.deadlock = inside.deadlock();
  inside.recycle();
}

}  // namespace ringo::testing::detail

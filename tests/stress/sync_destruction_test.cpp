// The destruction rule for the semaphore. How: destruction.hpp.

#include <doctest/doctest.h>

#include <ringo/sync/semaphore.hpp>

#include "destruction.hpp"

using namespace ringo::test;

namespace {

struct semaphore_race {
  struct object : ringo::semaphore {
    object() : semaphore(2) {}
  };
  static void prepare(object& tokens) { tokens.acquire(2); }
  static void let_go(object& tokens) { tokens.release(2); }
  static void wait(object& tokens) { tokens.acquire(); }
};

}  // namespace

TEST_CASE("semaphore: may be destroyed as soon as acquire has returned") {
  everywhere(play_batch<semaphore_race>);
}

// Values: who finds which, and how long they live.

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>

#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/tracked.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::with_cancel;

namespace {

inline constexpr ringo::context_key<int> number;
inline constexpr ringo::context_key<int> other_number;
inline constexpr ringo::context_key<std::string> text;
inline constexpr ringo::context_key<const int*> pointer;

}  // namespace

TEST_CASE("CX-14: the nearest value of a key is found, and nothing else") {
  run_on_each([] {
    static constexpr int one = 1;
    const context first = ringo::with_value(background(), number, 1);
    const context second = ringo::with_value(first, text, "two");
    const context third = with_cancel(ringo::with_value(second, number, 3)).ctx;
    const context fourth = ringo::with_value(third, pointer, &one);
    const context fifth = ringo::with_value(fourth, pointer, nullptr);
    EXPECT_EQ(*first.value(number), 1);
    EXPECT_EQ(*second.value(number), 1);
    EXPECT_EQ(*third.value(number), 3);
    EXPECT_EQ(*third.value(text), std::string("two"));
    EXPECT(third.value(other_number) == nullptr);
    EXPECT(first.value(text) == nullptr);
    EXPECT(*fourth.value(pointer) == &one);
    EXPECT(*fifth.value(pointer) == nullptr);
    EXPECT(fifth.value(number) == third.value(number));
  });
}

TEST_CASE("CX-14: values are kept as long as a context that sees them") {
  ledger book;
  static constexpr ringo::context_key<tracked> key;
  context last = with_cancel(ringo::with_value(background(), key, tracked(book, 1))).ctx;
  CHECK(book.values == 1);
  CHECK(last.value(key)->value() == 1);
  last = {};
  CHECK(book.live == 0);
}

TEST_CASE("CX-16: random layers keep every value before and after the end") {
  CAPTURE(seed());
  run_in_bubble_on_each([] {
    auto random = generator(16);
    for (int round = 0; round < 50; ++round) {
      const stopwatch watch;
      static const ringo::context_key<std::size_t> keys[40];
      auto [ctx, cancel] = with_cancel(background());
      context top = ctx;
      std::vector<std::size_t> set;
      const bool by_timer = random() % 2 == 0;
      if (by_timer) top = ringo::with_timeout(top, 20ms).ctx;
      for (std::size_t i = 0; i < 40; ++i) {
        switch (random() % 3) {
          case 0: top = with_cancel(top).ctx; break;
          case 1: top = ringo::with_timeout(top, 1h).ctx; break;
          default: top = ringo::with_value(top, keys[i], i); set.push_back(i);
        }
      }
      const auto check = [&] {
        for (const std::size_t i : set) EXPECT_EQ(*top.value(keys[i]), i);
      };
      check();
      if (by_timer) {
        EXPECT(!top.done().recv());
        EXPECT_EQ(watch.passed(), 20ms);
      } else {
        cancel();
      }
      EXPECT(top.err() == (by_timer ? ringo::errc::deadline_exceeded : ringo::errc::canceled));
      check();
    }
  });
}

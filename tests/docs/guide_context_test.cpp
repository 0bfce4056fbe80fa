// The code of docs/guide/context.md; see guide_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

// [take]
ringo::result<int> total(const ringo::context& ctx, const ringo::recv_chan<int>& prices) {
  int sum = 0;
  for (;;) {
    const auto price = prices.recv(ctx);
    if (price.error() == ringo::errc::closed) return sum;
    if (!price) return price.error();  // the context is done
    sum += *price;
  }
}
// [take]

// [key]
inline constexpr ringo::context_key<std::string> request_id;
// [key]

}  // namespace

TEST_CASE("context: a function takes one, and gives up with it") {
  run_on_each([] {
    auto prices = ringo::make_chan<int>(2);
    prices.send(3);
    prices.send(4);
    prices.close();
    const ringo::context parent = ringo::background();
    // [derive]
    const auto [ctx, cancel] = ringo::with_timeout(parent, 30s);
    const ringo::cancel_guard guard(cancel);  // at the end of the scope, whatever happens
    const auto sum = total(ctx, prices);
    // [derive]
    EXPECT_EQ(sum.value_or(0), 7);
    cancel();
    EXPECT(total(ctx, prices).error() == ringo::errc::canceled);
  });
}

TEST_CASE("context: a fiber gets a handle of its own") {
  run_on_each([] {
    auto done = ringo::make_chan<void>();
    const auto open = ringo::make_chan<int>();
    // [fiber]
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    ringo::go([ctx = ctx, open, done] {
      total(ctx, open).value_or(0);  // until cancelled
      done.close();
    });
    cancel();  // when this returns, ctx and all its children are done
    // [fiber]
    EXPECT(ctx.err() == ringo::errc::canceled);
    done.recv();
  });
}

TEST_CASE("context: select on done") {
  run_on_each([] {
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto work = ringo::make_chan<int>(1);
    cancel();
    int handled = 0;
    const auto serve = [&, ctx = ctx]() -> std::error_code {
      for (;;) {
        // [done]
        std::optional<int> job;
        if (ringo::select(ringo::recv(work, job), ringo::recv(ctx.done())) == 1) return ctx.err();
        // [done]
        ++handled;
      }
    };
    EXPECT(serve() == ringo::errc::canceled);
    EXPECT_EQ(handled, 0);
  });
}

TEST_CASE("context: err and cause") {
  run_on_each([] {
    std::error_code why;
    // [cause]
    const auto [ctx, cancel] = ringo::with_cancel_cause(ringo::background());
    cancel(std::make_error_code(std::errc::no_space_on_device));
    why = ringo::cause(ctx);  // no_space_on_device; ctx.err() is errc::canceled
    // [cause]
    EXPECT(why == std::errc::no_space_on_device);
    EXPECT(ctx.err() == ringo::errc::canceled);

    const auto [late, stop] = ringo::with_timeout(ringo::background(), 0s);
    EXPECT(late.err() == ringo::errc::deadline_exceeded);
    EXPECT(late.err() == std::errc::timed_out);
    stop();
  });
}

TEST_CASE("context: values") {
  std::string seen;
  // [value]
  const ringo::context ctx = ringo::with_value(ringo::background(), request_id, "r-17");
  if (const std::string* id = ctx.value(request_id)) seen = *id;
  // [value]
  CHECK(seen == "r-17");
}

TEST_CASE("context: after_func stops what knows nothing of contexts") {
  run_on_each([] {
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto results = ringo::make_chan<int>();
    // [after]
    const auto stop = ringo::after_func(ctx, [results] { results.close(); });
    // [after]
    cancel();
    EXPECT(!results.recv());
    EXPECT(!stop());

    const auto [other, unused] = ringo::with_cancel(ringo::background());
    std::atomic<bool> ran = false;
    const auto prevent = ringo::after_func(other, [&ran] { ran = true; });
    EXPECT(prevent());
    unused();
    let_others_run();
    EXPECT(!ran);
  });
}

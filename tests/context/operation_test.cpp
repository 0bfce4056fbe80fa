// Operations with a leading context: who is first wins, and nothing is lost.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::make_chan;
using ringo::with_cancel;

namespace {

// clang-format off
//                                                  plain  asan   tsan
constexpr auto rounds = sizes::pick<std::size_t>(   3'000, 1'000, 300);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;
const std::error_code closed = ringo::errc::closed;

context done_context() {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  return ctx;
}

}  // namespace

TEST_CASE("operations with a context: go on as without one while it is alive") {
  run_on_each([] {
    for (const context& ctx : {background(), with_cancel(background()).ctx}) {
      auto ch = make_chan<std::unique_ptr<int>>();
      auto sender = ringo::spawn([=] { return ch.send(ctx, std::make_unique<int>(5)); });
      const auto received = ch.recv(ctx);
      EXPECT(received && **received == 5);
      EXPECT(!sender.join());
      auto receiver = ringo::spawn([=] { return **ch.recv(ctx); });
      EXPECT(!ch.send(ctx, std::make_unique<int>(6)));
      EXPECT_EQ(receiver.join(), 6);
      auto late = go_until_parked(parked_in_recv, [=] { EXPECT(ch.recv(ctx).error() == closed); });
      ch.close();
      late.wait();
      EXPECT(ch.recv(ctx).error() == closed);
      EXPECT_EQ(panic_text([&] { (void)ch.send(ctx, nullptr); }),
                std::string("send on closed channel"));

      auto signals = make_chan<void>(1);
      EXPECT(!signals.send(ctx));
      EXPECT(!signals.recv(ctx));
      signals.close();
      EXPECT(signals.recv(ctx) == closed);
    }
  });
}

TEST_CASE("operations with a context: one that is done on entry wins") {
  const auto check = [] {
    const context ctx = done_context();
    auto ch = make_chan<int>(2);
    ch.send(1);
    EXPECT(ch.recv(ctx).error() == canceled);
    EXPECT(ch.send(ctx, 2) == canceled);
    EXPECT_EQ(ch.len(), std::size_t{1});
    ch.close();
    EXPECT(ch.recv(ctx).error() == canceled);
    EXPECT(ch.send(ctx, 2) == canceled);
    EXPECT(ringo::chan<int>().recv(ctx).error() == canceled);
    EXPECT(make_chan<void>(1).send(ctx) == canceled);
    EXPECT(ringo::sleep_for(ctx, 1h) == canceled);
    EXPECT(ringo::sleep_for(ctx, 0s) == canceled);
    EXPECT(ringo::sleep_until(ctx, {}) == canceled);
  };
  check();
  run_on_each([&] {
    check();
    auto task = ringo::spawn([] { return 1; });
    eventually([] { return ringo::test::live_fibers() == 1; });
    EXPECT(task.join(done_context()).error() == canceled);
    EXPECT_EQ(task.join(), 1);
  });
}

TEST_CASE("operations with a context: who waits gives up, and leaves the queue") {
  run_in_bubble_on_each([] {
    auto ch = make_chan<int>();
    const ringo::chan<int> nil;
    auto [ctx, cancel] = with_cancel(background());
    const auto give_up = [&](const char* reason, auto operation) {
      return go_until_parked(reason, [=] { EXPECT(operation() == canceled); });
    };
    const auto receiver = give_up(parked_in_recv, [=, ctx = ctx] { return ch.recv(ctx).error(); });
    const auto of_nil =
        give_up("chan send (nil chan)", [=, ctx = ctx] { return nil.send(ctx, 1); });
    const auto sleeper = give_up("sleep", [ctx = ctx] { return ringo::sleep_for(ctx, 1h); });
    cancel();
    receiver.wait();
    of_nil.wait();
    sleeper.wait();
    EXPECT(!ch.try_send(1));
    auto [second, cancel_second] = with_cancel(background());
    const auto sender = give_up(parked_in_send, [=, ctx = second] { return ch.send(ctx, 1); });
    const auto behind = go_until_parked(parked_in_send, [=] { ch.send(2); });
    cancel_second();
    sender.wait();
    EXPECT_EQ(ch.recv(), std::optional<int>(2));
    behind.wait();
    EXPECT(!ch.try_recv());
    const stopwatch watch;
    auto third = ringo::with_timeout(background(), 50ms);
    EXPECT(ch.recv(third.ctx).error() == ringo::errc::deadline_exceeded);
    EXPECT_EQ(watch.passed(), 50ms);
    EXPECT(!ch.try_send(1));
  });
}

// The cancellation comes before, while and after the waiter queues itself: each value is received
// once if its send says so, and never otherwise.
TEST_CASE("operations with a context: racing with cancel, nothing is lost and nothing doubled") {
  run_on_each([] {
    auto ch = make_chan<std::unique_ptr<std::size_t>>();
    for (std::size_t round = 0; round < rounds; ++round) {
      auto [of_sender, cancel_sender] = with_cancel(background());
      auto [of_receiver, cancel_receiver] = with_cancel(background());
      auto sender = ringo::spawn(
          [=, ctx = of_sender] { return ch.send(ctx, std::make_unique<std::size_t>(round)); });
      auto receiver = ringo::spawn([=, ctx = of_receiver] { return ch.recv(ctx); });
      auto first = ringo::spawn([cancel = cancel_sender] { cancel(); });
      if (round % 2 == 0) ringo::yield();
      if (round % 3 == 0) ringo::yield();
      cancel_receiver();
      first.join();
      const auto sent = sender.join();
      const auto received = receiver.join();
      EXPECT(sent ? sent == canceled && received.error() == canceled
                  : received && **received == round);
      EXPECT(!ch.try_recv());
    }
  });
}

// As without a context it would wait for ever: the handle it went in by is gone, and so is the
// channel. But it can still give up, without a look at that channel.
TEST_CASE("operations with a context: who waits gives up even if the channel is gone") {
  run_on_each([] {
    for (int round = 0; round < 20; ++round) {
      auto [ctx, cancel] = with_cancel(background());
      auto ch = std::make_unique<ringo::chan<int>>(make_chan<int>());
      auto full = std::make_unique<ringo::chan<int>>(make_chan<int>());
      const auto receiver = go_until_parked(
          parked_in_recv, [&ch, ctx = ctx] { EXPECT(ch->recv(ctx).error() == canceled); });
      const auto sender = go_until_parked(
          parked_in_send, [&full, ctx = ctx] { EXPECT(full->send(ctx, 1) == canceled); });
      ch.reset();
      full.reset();
      cancel();
      receiver.wait();
      sender.wait();
    }
  });
}

TEST_CASE("operations with a context: many share one") {
  run_on_each([] {
    auto ch = make_chan<int>();
    auto [ctx, cancel] = with_cancel(background());
    std::atomic<int> given_up{0};
    fiber_group fibers;
    for (int i = 0; i < 200; ++i) {
      fibers.go([&, ctx = ctx] {
        if (ch.recv(ctx).error() == canceled) ++given_up;
      });
    }
    for (int i = 0; i < 50; ++i) EXPECT(!ch.send(ctx, i));
    cancel();
    fibers.join();
    EXPECT_EQ(given_up.load(), 150);
  });
}

// The done channel is closed under the context's lock; who waits on that very channel with that
// very context must not wait for the one with the other in hand.
TEST_CASE("operations with a context: on its own done channel") {
  run_on_each([] {
    for (std::size_t round = 0; round < rounds / 10; ++round) {
      auto [ctx, cancel] = with_cancel(background());
      fiber_group fibers;
      for (int i = 0; i < 4; ++i) {
        fibers.go([ctx = ctx] {
          const auto error = ctx.done().recv(ctx);
          EXPECT(error == canceled || error == closed);
        });
      }
      if (round % 2 == 0) ringo::yield();
      cancel();
      fibers.join();
    }
  });
}

TEST_CASE("operations with a context: from plain threads") {
  run_on_each([] {
    auto ch = make_chan<int>();
    auto [ctx, cancel] = with_cancel(background());
    thread_group threads;
    threads.start([=, ctx = ctx] { EXPECT(ch.recv(ctx).error() == canceled); });
    threads.start([=, ctx = ctx] { EXPECT(ringo::sleep_for(ctx, 1h) == canceled); });
    auto task = ringo::spawn([] { return 1; });
    threads.wait_until_asleep();
    cancel();
    threads.join();
    EXPECT_EQ(task.join(), 1);
  });
}

TEST_CASE("sleep_for: with a context it is exactly as long as asked, or given up") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto [ctx, cancel] = with_cancel(background());
    EXPECT(!ringo::sleep_for(ctx, 300ms));
    EXPECT(!ringo::sleep_for(background(), 300ms));
    EXPECT_EQ(watch.passed(), 600ms);
    EXPECT(!ringo::sleep_until(ctx, watch.start() + 800ms));
    EXPECT_EQ(watch.passed(), 800ms);
    EXPECT(!ringo::sleep_for(ctx, -1s));
    EXPECT(!ringo::sleep_for(ctx, 0s));
    EXPECT_EQ(watch.passed(), 800ms);
    ringo::go([cancel = cancel] {
      ringo::sleep_for(100ms);
      cancel();
    });
    EXPECT(ringo::sleep_for(ctx, std::chrono::nanoseconds::max()) == canceled);
    EXPECT_EQ(watch.passed(), 900ms);
    const auto limited = ringo::with_timeout(background(), 100ms);
    EXPECT(ringo::sleep_for(limited.ctx, 1h) == ringo::errc::deadline_exceeded);
    EXPECT_EQ(watch.passed(), 1s);
  });
}

TEST_CASE("task: join with a context may give up, and be called again") {
  run_in_bubble_on_each([] {
    auto gate = make_chan<int>();
    auto task = ringo::spawn([=] { return *gate.recv(); });
    auto [ctx, cancel] = with_cancel(background());
    auto canceller = ringo::spawn([cancel = cancel] { cancel(); });
    EXPECT(task.join(ctx).error() == canceled);
    EXPECT(task.joinable());
    const stopwatch watch;
    EXPECT(task.join(ringo::with_timeout(background(), 50ms).ctx).error() ==
           ringo::errc::deadline_exceeded);
    EXPECT_EQ(watch.passed(), 50ms);
    gate.send(4);
    EXPECT_EQ(*task.join(with_cancel(background()).ctx), 4);
    EXPECT(!task.joinable());
    EXPECT_EQ(panic_text([&] { (void)task.join(background()); }), std::string("join called twice"));
    canceller.join();
    auto thrower = ringo::spawn([] { throw std::runtime_error("x"); });
    bool caught = false;
    try {
      (void)thrower.join(background());
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT(caught);
  });
}

TEST_CASE("task: join with a context, racing with the fiber's end") {
  run_on_each([] {
    for (std::size_t round = 0; round < rounds; ++round) {
      auto [ctx, cancel] = with_cancel(background());
      auto canceller = ringo::spawn([cancel = cancel] { cancel(); });
      auto task = ringo::spawn([=] {
        if (round % 2 == 0) ringo::yield();
        return round;
      });
      const auto joined = task.join(ctx);
      EXPECT(joined ? *joined == round : joined.error() == canceled);
      if (!joined) EXPECT_EQ(task.join(), round);
      canceller.join();
    }
  });
}

// What is left over at the end of a run must not be found in the queues by the next one.
TEST_CASE("operations with a context: left over at the end of a run, parked and woken") {
  for_each_worker_count([](std::size_t workers) {
    auto ch = make_chan<int>(1);
    auto full = make_chan<int>(1);
    full.send(0);
    const auto tree = with_cancel(background());
    const context& ctx = tree.ctx;  // clang 14 captures no structured binding
    const auto& cancel = tree.cancel;
    for (const bool woken : {false, true}) {
      run_on(
          workers,
          [&] {
            for (int i = 0; i < 3; ++i) {
              go_until_parked(parked_in_recv, [=, ctx = ctx] { (void)ch.recv(ctx); });
              go_until_parked(parked_in_send, [=, ctx = ctx] { (void)full.send(ctx, 1); });
              go_until_parked("sleep", [ctx = ctx] { (void)ringo::sleep_for(ctx, 1h); });
            }
            if (woken) {
              ch.send(1);
              cancel();
            }
          },
          leftovers::allowed);
    }
    cancel();
    while (ch.try_recv()) {
    }
    CHECK(full.try_recv());
    CHECK_FALSE(full.try_recv());
    CHECK(ch.try_send(1));
    CHECK_FALSE(ch.try_send(1));
  });
}

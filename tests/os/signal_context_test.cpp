// Contexts that a signal ends.

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/os/signal.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/testing/bubble.hpp>

#include "support/run_on.hpp"
#include "support/signals.hpp"

using namespace ringo::test;
namespace signal_ns = ringo::os::signal;

namespace {

std::error_code cause_of(int signal) {
  return {signal, signal_ns::category()};
}

}  // namespace

// After Go's TestNotifyContextNotifications.
TEST_CASE("NT-46: the first signal ends the context, further ones are taken until cancel") {
  const action_guard mine(SIGINT, &count_handled);
  run_freely_on_each([] {
    handled = 0;
    auto witness = ringo::make_chan<int>(1);
    auto made = signal_ns::notify_context(ringo::background(), {SIGINT, SIGUSR1});
    signal_ns::notify(witness, {SIGINT});
    EXPECT(!made.ctx.err());
    for (int i = 0; i < 10; ++i) {
      send_to_process(SIGINT);
      EXPECT_EQ(witness.recv().value_or(0), SIGINT);
    }
    EXPECT(!made.ctx.done().recv());
    EXPECT(made.ctx.err() == ringo::errc::canceled);
    EXPECT(ringo::cause(made.ctx) == cause_of(SIGINT));
    EXPECT_EQ(ringo::cause(made.ctx).message(), std::string("SIGINT signal received"));
    signal_ns::stop(witness);
    EXPECT(handler_of(SIGINT) != &count_handled);
    send_to_thread(SIGINT);
    EXPECT_EQ(handled.load(), 0);
    made.cancel();
    EXPECT(handler_of(SIGINT) == &count_handled);
    send_to_thread(SIGINT);
    EXPECT_EQ(handled.load(), 1);
    EXPECT(ringo::cause(made.ctx) == cause_of(SIGINT));
  });
}

// After Go's TestNotifyContextStop.
TEST_CASE("NT-46: cancel ends the context and the subscription, whoever calls it and how often") {
  run_freely_on_each([] {
    const auto before = handler_of(SIGUSR1);
    {
      const auto made = signal_ns::notify_context(ringo::background(), {SIGUSR1});
      const ringo::cancel_guard guard(made.cancel);
      EXPECT(handler_of(SIGUSR1) != before);
      const signal_ns::cancel_function copy = made.cancel;
      copy();
      EXPECT(made.ctx.err() == ringo::errc::canceled);
      EXPECT(ringo::cause(made.ctx) == ringo::errc::canceled);
      EXPECT(handler_of(SIGUSR1) == before);
    }
    signal_ns::cancel_function()();
  });
}

// After Go's TestNotifyContextCancelParent and TestNotifyContextPrematureCancelParent.
TEST_CASE("NT-46: the end of the parent ends the context") {
  run_freely_on_each([] {
    auto parent = ringo::with_cancel(ringo::background());
    const auto made = signal_ns::notify_context(parent.ctx, {SIGUSR1});
    parent.cancel();
    EXPECT(!made.ctx.done().recv());
    EXPECT(made.ctx.err() == ringo::errc::canceled);
    const auto late = signal_ns::notify_context(parent.ctx, {SIGUSR1});
    EXPECT(late.ctx.err() == ringo::errc::canceled);
    EXPECT(ringo::cause(late.ctx) == ringo::errc::canceled);
    late.cancel();
    made.cancel();
  });
}

// After Go's TestNotifyContextSimultaneousStop.
TEST_CASE("NT-46: many may cancel at once, while signals come") {
  const action_guard mine(SIGUSR1, &count_handled);
  run_freely_on_each([] {
    for (int round = 0; round < 20; ++round) {
      const auto made = signal_ns::notify_context(ringo::background(), {SIGUSR1});
      ringo::wait_group group;
      for (int i = 0; i < 10; ++i) {
        group.go([made, i] {
          if (i % 2 == 0) send_to_process(SIGUSR1);
          made.cancel();
        });
      }
      group.wait();
      EXPECT(made.ctx.err() == ringo::errc::canceled);
      EXPECT(handler_of(SIGUSR1) == &count_handled);
    }
  });
}

TEST_CASE("NT-46: works outside of runs, and tells whoever waits inside") {
  auto made = signal_ns::notify_context(ringo::background(), {SIGUSR1});
  ringo::run([&] {
    ringo::wait_group group;
    group.go([&] { EXPECT(!made.ctx.done().recv()); });
    ringo::yield();
    send_to_process(SIGUSR1);
    group.wait();
  });
  made.cancel();
  made = signal_ns::notify_context(ringo::background(), {SIGUSR2});
  send_to_process(SIGUSR2);
  CHECK_FALSE(made.ctx.done().recv());
  CHECK((ringo::cause(made.ctx) == cause_of(SIGUSR2)));
  made.cancel();
  failure_log::instance().report();
}

TEST_CASE("NT-46: a nil parent panics, and so does a bubble") {
  const auto before = handler_of(SIGUSR1);
  CHECK_THROWS_WITH_AS(static_cast<void>(signal_ns::notify_context({}, {SIGUSR1})),
                       "cannot create context from nil parent",
                       ringo::panic_error);
  ringo::run([] {
    ringo::testing::bubble([] {
      bool thrown = false;
      try {
        static_cast<void>(signal_ns::notify_context(ringo::background(), {SIGUSR1}));
      } catch (const ringo::panic_error&) {
        thrown = true;
      }
      EXPECT(thrown);
    });
  });
  failure_log::instance().report();
  CHECK((handler_of(SIGUSR1) == before));
}

// Signals through channels; what ends processes is in signal_default_test.cpp, contexts are in
// signal_context_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/error.hpp>
#include <ringo/os/signal.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/testing/bubble.hpp>

#include "support/run_on.hpp"
#include "support/signals.hpp"
#include "support/sizes.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
namespace signal_ns = ringo::os::signal;

// The witness subscribes last, so that the others have got their copies when it gets its own.
TEST_CASE("NT-43: each channel gets its own copy of a signal, and drops what does not fit") {
  run_freely_on_each([] {
    auto a = ringo::make_chan<int>(1);
    auto b = ringo::make_chan<int>(1);
    auto unbuffered = ringo::make_chan<int>();
    auto witness = ringo::make_chan<int>(3);
    signal_ns::notify(a, {SIGUSR1});
    signal_ns::notify(b, {SIGUSR1});
    signal_ns::notify(unbuffered, {SIGUSR1});
    signal_ns::notify(witness, {SIGUSR1});
    for (int i = 0; i < 3; ++i) {
      send_to_process(SIGUSR1);
      EXPECT_EQ(witness.recv().value_or(0), SIGUSR1);
    }
    EXPECT_EQ(a.len(), 1U);
    EXPECT_EQ(b.len(), 1U);
    EXPECT_EQ(a.recv().value_or(0), SIGUSR1);
    EXPECT_EQ(b.recv().value_or(0), SIGUSR1);
    for (const auto& ch : {a, b, unbuffered, witness}) signal_ns::stop(ch);
  });
}

TEST_CASE("NT-43: a receiver that waits gets the signal through an unbuffered channel") {
  const action_guard harmless(SIGUSR2, SIG_IGN);  // what is still under way at the end
  run_freely_on_each([] {
    auto ch = ringo::make_chan<int>();
    auto ready = ringo::make_chan<void>();
    auto got = ringo::make_chan<int>();
    signal_ns::notify(ch, {SIGUSR1, SIGUSR2});
    ringo::go([=] {
      ready.send();
      got.send(ch.recv().value_or(0));
    });
    ready.recv();
    // Sent again and again: the receiver may not be in the queue yet when the first one comes.
    std::optional<int> signal;
    eventually([&] {
      send_to_process(SIGUSR2);
      if (auto r = got.try_recv()) signal = *r;
      return signal.has_value();
    });
    EXPECT_EQ(*signal, SIGUSR2);
    signal_ns::stop(ch);
  });
}

TEST_CASE("NT-43: an empty list means all signals, but for those that cannot be had") {
  const int subscribed[] = {SIGHUP,   SIGINT,   SIGQUIT,   SIGABRT,     SIGUSR1,  SIGUSR2, SIGPIPE,
                            SIGALRM,  SIGTERM,  SIGCHLD,   SIGCONT,     SIGTSTP,  SIGTTIN, SIGTTOU,
                            SIGURG,   SIGXCPU,  SIGXFSZ,   SIGPROF,     SIGWINCH, SIGIO,   SIGPWR,
                            SIGRTMIN, SIGRTMAX, SIGVTALRM, SIGRTMIN + 5};
  std::vector<void (*)(int)> before;
  for (int signal = 1; signal <= SIGRTMAX; ++signal) before.push_back(handler_of(signal));
  run_freely_on_each([&] {
    auto ch = ringo::make_chan<int>(8);
    signal_ns::notify(ch);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
      if (signal == SIGSEGV) continue;  // run() has installed its own
      EXPECT(handler_of(signal) == before[static_cast<std::size_t>(signal - 1)]);
    }
    for (const int signal : subscribed) {
      send_to_process(signal);
      EXPECT_EQ(ch.recv().value_or(0), signal);
    }
    signal_ns::stop(ch);
  });
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    CAPTURE(signal);
    if (signal == SIGSEGV) continue;
    CHECK((handler_of(signal) == before[static_cast<std::size_t>(signal - 1)]));
  }
}

TEST_CASE("NT-43: a second notify of a channel adds to its signals") {
  run_freely_on_each([] {
    auto ch = ringo::make_chan<int>(2);
    signal_ns::notify(ch, {SIGUSR1});
    signal_ns::notify(ch, {SIGUSR2});
    const int more[] = {SIGUSR1, SIGRTMIN};
    signal_ns::notify(ch, more);
    for (const int signal : {SIGUSR1, SIGUSR2, SIGRTMIN}) {
      send_to_process(signal);
      EXPECT_EQ(ch.recv().value_or(0), signal);
    }
    EXPECT_EQ(ch.len(), 0U);
    signal_ns::stop(ch);
  });
}

TEST_CASE("NT-43: notify of a nil channel panics, and so does one of a bubble's") {
  CHECK_THROWS_WITH_AS(signal_ns::notify(ringo::chan<int>(), {SIGUSR1}),
                       "os/signal: Notify using nil channel",
                       ringo::panic_error);
  signal_ns::stop(ringo::chan<int>());
  const auto before = handler_of(SIGUSR1);
  ringo::run([] {
    ringo::testing::bubble([] {
      auto ch = ringo::make_chan<int>(1);
      bool thrown = false;
      try {
        signal_ns::notify(ch, {SIGUSR1});
      } catch (const ringo::panic_error& panic) {
        thrown = std::string(panic.what()) == "os/signal: Notify in a bubble";
      }
      EXPECT(thrown);
    });
  });
  failure_log::instance().report();
  CHECK((handler_of(SIGUSR1) == before));
}

TEST_CASE("NT-43: numbers that are no signals, or that nobody may catch, have no effect") {
  auto ch = ringo::make_chan<int>(1);
  signal_ns::notify(ch, {0, -1, 65, 1'000, 32, 33, SIGKILL, SIGSTOP, SIGSEGV});
  signal_ns::ignore({SIGSEGV, SIGKILL, -3});
  CHECK_FALSE(signal_ns::ignored(SIGSEGV));
  CHECK_FALSE(signal_ns::ignored(-1));
  CHECK_FALSE(signal_ns::ignored(1'000));
  signal_ns::stop(ch);
}

// After Go's TestStop.
TEST_CASE("NT-44: after stop nothing arrives, and others still get theirs") {
  run_freely_on_each([] {
    auto stopped = ringo::make_chan<int>(4);
    auto other = ringo::make_chan<int>(4);
    signal_ns::notify(stopped, {SIGUSR1, SIGUSR2});
    signal_ns::notify(other, {SIGUSR1});
    send_to_process(SIGUSR1);
    EXPECT_EQ(other.recv().value_or(0), SIGUSR1);
    signal_ns::stop(stopped);
    EXPECT_EQ(stopped.recv().value_or(0), SIGUSR1);
    send_to_process(SIGUSR1);
    EXPECT_EQ(other.recv().value_or(0), SIGUSR1);
    EXPECT_EQ(stopped.len(), 0U);
    signal_ns::stop(stopped);  // again: nothing
    signal_ns::stop(other);
  });
}

TEST_CASE("NT-44: the handler that was there before is put back, with its flags") {
  const action_guard mine(SIGUSR1, &count_handled, SA_NODEFER);
  run_freely_on_each([] {
    handled = 0;
    auto ch = ringo::make_chan<int>(1);
    signal_ns::notify(ch, {SIGUSR1});
    EXPECT(handler_of(SIGUSR1) != &count_handled);
    send_to_thread(SIGUSR1);
    EXPECT_EQ(ch.recv().value_or(0), SIGUSR1);
    EXPECT_EQ(handled.load(), 0);
    signal_ns::stop(ch);
    EXPECT(handler_of(SIGUSR1) == &count_handled);
    struct sigaction now {};
    ringo::detail::change_action(SIGUSR1, nullptr, &now);
    EXPECT((now.sa_flags & SA_NODEFER) != 0);
    send_to_thread(SIGUSR1);
    EXPECT_EQ(handled.load(), 1);
  });
}

namespace {

void (*chained)(int, siginfo_t*, void*) = nullptr;

RINGO_UNINSTRUMENTED void count_and_chain(int signal, siginfo_t* info, void* where) {
  handled.fetch_add(1);
  chained(signal, info, where);
}

}  // namespace

// A library that comes later, saves the handler it finds and calls it from its own.
TEST_CASE("NT-44: a handler that another library has installed since stays, and may chain") {
  const action_guard restore(SIGUSR1, SIG_IGN);
  handled = 0;
  auto ch = ringo::make_chan<int>(4);
  signal_ns::notify(ch, {SIGUSR1});
  struct sigaction before {};
  struct sigaction library {};
  library.sa_sigaction = &count_and_chain;
  library.sa_flags = SA_SIGINFO;
  ringo::detail::change_action(SIGUSR1, nullptr, &before);
  chained = before.sa_sigaction;
  ringo::detail::change_action(SIGUSR1, &library, nullptr);
  send_to_thread(SIGUSR1);
  CHECK(ch.recv() == SIGUSR1);
  CHECK(handled == 1);

  signal_ns::stop(ch);
  send_to_thread(SIGUSR1);  // chained to a handler that nobody wants any more
  CHECK(handled == 2);
  CHECK(ch.len() == 0);

  // Restored by the library after stop(): nobody wants it, so the signal has its default action.
  struct sigaction winch {};
  signal_ns::notify(ch, {SIGWINCH});
  ringo::detail::change_action(SIGWINCH, nullptr, &winch);
  signal_ns::stop(ch);
  ringo::detail::change_action(SIGWINCH, &winch, nullptr);
  send_to_thread(SIGWINCH);
  CHECK((handler_of(SIGWINCH) == SIG_DFL));
}

// After Go's TestIgnore and TestIgnored.
TEST_CASE("NT-44: ignore ignores, ends subscriptions, and ignored tells") {
  run_freely_on_each([] {
    auto ch = ringo::make_chan<int>(4);
    auto other = ringo::make_chan<int>(4);
    signal_ns::notify(ch, {SIGUSR1, SIGUSR2});
    signal_ns::notify(other, {SIGUSR1});
    EXPECT(!signal_ns::ignored(SIGUSR1));
    signal_ns::ignore({SIGUSR1});
    EXPECT(signal_ns::ignored(SIGUSR1));
    EXPECT(!signal_ns::ignored(SIGUSR2));
    send_to_process(SIGUSR1);
    send_to_process(SIGUSR2);
    EXPECT_EQ(ch.recv().value_or(0), SIGUSR2);
    EXPECT_EQ(ch.len(), 0U);
    EXPECT_EQ(other.len(), 0U);
    // A new subscription wins over ignore; its end does not bring ignore back.
    signal_ns::notify(other, {SIGUSR1});
    EXPECT(!signal_ns::ignored(SIGUSR1));
    send_to_process(SIGUSR1);
    EXPECT_EQ(other.recv().value_or(0), SIGUSR1);
    signal_ns::stop(other);
    EXPECT(handler_of(SIGUSR1) == SIG_DFL);
    signal_ns::stop(ch);
  });
}

// After Go's TestReset.
TEST_CASE("NT-44: reset ends subscriptions and takes ignore back") {
  const action_guard mine(SIGUSR1, &count_handled);
  run_freely_on_each([] {
    auto ch = ringo::make_chan<int>(4);
    signal_ns::notify(ch, {SIGUSR1, SIGUSR2});
    handled = 0;
    signal_ns::reset({SIGUSR1});
    send_to_thread(SIGUSR1);
    EXPECT_EQ(handled.load(), 1);
    send_to_process(SIGUSR2);
    EXPECT_EQ(ch.recv().value_or(0), SIGUSR2);
    signal_ns::ignore({SIGUSR1});
    EXPECT(handler_of(SIGUSR1) == SIG_IGN);
    signal_ns::reset({SIGUSR1});
    EXPECT(handler_of(SIGUSR1) == &count_handled);
    signal_ns::reset();
    EXPECT(handler_of(SIGUSR2) == SIG_DFL);
    EXPECT_EQ(ch.len(), 0U);
  });
}

TEST_CASE("NT-43: subscriptions work before, between and after runs, and from plain threads") {
  auto ch = ringo::make_chan<int>(4);
  signal_ns::notify(ch, {SIGUSR1});
  send_to_process(SIGUSR1);
  CHECK(ch.recv() == SIGUSR1);
  ringo::run([&] {
    send_to_process(SIGUSR1);
    EXPECT_EQ(ch.recv().value_or(0), SIGUSR1);
  });
  send_to_process(SIGUSR1);
  CHECK(ch.recv() == SIGUSR1);
  ringo::run([&] {
    thread_group threads;
    auto mine = ringo::make_chan<int>(1);
    threads.start([&] {
      signal_ns::notify(mine, {SIGUSR2});
      send_to_process(SIGUSR2);
      EXPECT_EQ(mine.recv().value_or(0), SIGUSR2);
      signal_ns::stop(mine);
    });
    threads.join();
  });
  signal_ns::stop(ch);
  failure_log::instance().report();
}

// Every signal is sent by a thread or fiber to its own thread, so the kernel merges none; the
// process's former handler counts those that come while nobody is subscribed. Whatever the
// moment of a stop() or notify(): the sum is exact.
TEST_CASE("NT-44: no signal is lost or doubled while subscriptions come and go") {
  const int real_time = SIGRTMIN + 1;
  const action_guard mine(real_time, &count_handled);
  for_each_worker_count([&](std::size_t workers) {
    handled = 0;
    constexpr int senders = 3;
    constexpr auto each = static_cast<int>(sizes::raised_signals);
    std::atomic<int> received{0};
    std::atomic<int> cycles{0};
    run_on(workers, [&] {
      thread_group threads;
      std::atomic<int> over{0};
      for (int i = 0; i < senders; ++i) {
        threads.start([&] {
          for (int k = 0; k < each; ++k) send_to_thread(real_time);
          ++over;
        });
      }
      ringo::wait_group fibers;
      for (int i = 0; i < 2; ++i) {
        fibers.go([&] {
          for (int k = 0; k < each; ++k) {
            send_to_thread(real_time);
            if (k % 16 == 0) ringo::yield();
          }
        });
      }
      while (over < senders || cycles < 20) {
        auto ch = ringo::make_chan<int>(senders * each + 2 * each);
        signal_ns::notify(ch, {real_time});
        ringo::yield();
        signal_ns::stop(ch);
        const std::size_t count = ch.len();
        ringo::yield();
        EXPECT_EQ(ch.len(), count);  // nothing after stop()
        received += static_cast<int>(count);
        ++cycles;
      }
      fibers.wait();
      threads.join();
    });
    CHECK(received + handled == (senders + 2) * each);
    CHECK((handler_of(real_time) == &count_handled));
  });
}

// After Go's TestStress: signals to the process while several fibers subscribe and stop.
TEST_CASE("NT-44: a storm of signals and of subscriptions ends with nobody subscribed") {
  const action_guard mine(SIGUSR1, &count_handled);
  run_freely_on_each([] {
    std::atomic<bool> over{false};
    thread_group threads;
    threads.start([&] {
      while (!over) {
        send_to_process(SIGUSR1);
        std::this_thread::yield();
      }
    });
    ringo::wait_group fibers;
    for (int i = 0; i < 4; ++i) {
      fibers.go([] {
        for (std::size_t k = 0; k < sizes::storm_subscriptions; ++k) {
          auto ch = ringo::make_chan<int>(1);
          signal_ns::notify(ch, {SIGUSR1});
          if (k % 4 == 0) EXPECT_EQ(ch.recv().value_or(0), SIGUSR1);
          signal_ns::stop(ch);
          const std::size_t left = ch.len();
          ringo::yield();
          EXPECT_EQ(ch.len(), left);
        }
      });
    }
    fibers.wait();
    over = true;
    threads.join();
    EXPECT(handler_of(SIGUSR1) == &count_handled);
  });
}

TEST_CASE("names: a signal's name as in signal(7), and what a cause says") {
  CHECK(signal_ns::name(SIGINT) == "SIGINT");
  CHECK(signal_ns::name(SIGRTMIN) == "SIGRTMIN");
  CHECK(signal_ns::name(SIGRTMIN + 3) == "SIGRTMIN+3");
  CHECK(signal_ns::name(99) == "signal 99");
  CHECK(std::error_code(SIGTERM, signal_ns::category()).message() == "SIGTERM signal received");
  CHECK(std::string(signal_ns::category().name()) == "signal");
}

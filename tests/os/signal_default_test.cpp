// What signals do to whole processes: default actions, and what is restored; deadlock reports.

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "support/run_program.hpp"
#include "support/signals.hpp"

using namespace ringo::test;

namespace {

program_result run(const char* mode, const char* workers, int signal = SIGINT) {
  return run_program({.name = "signal",
                      .arguments = {mode, std::to_string(signal)},
                      .environment = {std::string("RINGO_MAXPROCS=") + workers}});
}

constexpr const char* worker_texts[] = {"1", "2", "8"};

}  // namespace

// After Go's TestSignalExitStatus.
TEST_CASE("NT-45: a signal that nobody wants ends the process, and is its wait status") {
  for (const char* const workers : worker_texts) {
    for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1}) {
      CAPTURE(workers);
      CAPTURE(signal);
      const action_guard restored(signal, SIG_DFL);  // the child would inherit "ignored"
      const auto unwanted = run("default", workers, signal);
      CAPTURE(unwanted.output);
      CHECK(unwanted.killed_by(signal));
      const auto stopped = run("stopped", workers, signal);
      CAPTURE(stopped.output);
      CHECK(stopped.printed("received"));
      CHECK(stopped.killed_by(signal));
      const auto wanted = run("subscribed", workers, signal);
      CAPTURE(wanted.output);
      CHECK(wanted.exited_with(0));
      CHECK(wanted.printed("through"));
    }
  }
}

// After Go's TestAtomicStop. Which of the two happens is chance, so both are counted.
TEST_CASE("NT-44: a signal during stop is delivered or ends the process, never neither") {
  const action_guard restored(SIGINT, SIG_DFL);
  int killed = 0;
  std::size_t received = 0;
  for (int i = 0; i < 12; ++i) {
    const char* const workers = worker_texts[i % 3];
    const auto result = run("atomic_stop", workers);
    CAPTURE(workers);
    CAPTURE(result.output);
    CHECK((result.killed_by(SIGINT) || result.exited_with(0)));
    CHECK_FALSE(result.printed("lost"));
    killed += result.killed_by(SIGINT) ? 1 : 0;
    for (auto at = result.output.find("received"); at != std::string::npos; ++received) {
      at = result.output.find("received", at + 1);
    }
  }
  MESSAGE("ended by the signal: " << killed << ", delivered: " << received);
}

// After Go's TestNohup and TestDetectNohup.
TEST_CASE("NT-45: what is ignored at the start stays ignored, but while somebody subscribes") {
  for (const int signal : {SIGHUP, SIGINT}) {
    CAPTURE(signal);
    {
      const action_guard nohup(signal, SIG_IGN);
      const auto result = run("nohup", "2", signal);
      CAPTURE(result.output);
      CHECK(result.exited_with(0));
      CHECK(result.printed("ignored"));
      CHECK(result.printed("received"));
      CHECK(result.printed("through"));
    }
    const action_guard ordinary(signal, SIG_DFL);
    const auto result = run("nohup", "2", signal);
    CAPTURE(result.output);
    CHECK(result.killed_by(signal));
    CHECK_FALSE(result.printed("ignored"));
  }
}

// The signal comes from a timer of the kernel, long after every fiber has gone to sleep.
TEST_CASE("GR-15: no deadlock is reported while a subscription may bring a signal") {
  for (const char* const workers : worker_texts) {
    for (const char* const mode : {"wait", "wait_context"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(0));
      CHECK(result.printed("through"));
    }
  }
}

TEST_CASE("GR-14: when the last subscription has ended a deadlock is reported again") {
  for (const char* const workers : worker_texts) {
    for (const char* const mode : {"deadlock", "deadlock_reset", "deadlock_later"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      CHECK(result.printed("all fibers are asleep - deadlock!"));
    }
  }
}

TEST_CASE("NT-43: a signal for a closed channel ends the process as an uncaught panic") {
  const auto result = run("closed", "2");
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed("panic: send on closed channel"));
}

// After Go's TestStdPipe, by a file of ringo's for the descriptor.
TEST_CASE("NT-19: a broken pipe ends who writes to 1 or 2, unless SIGPIPE is subscribed to") {
  const action_guard by_default(SIGPIPE, SIG_DFL);
  for (const char* const fd : {"1", "2", "3"}) {
    for (const char* const mode : {"default", "notify", "ignore"}) {
      CAPTURE(fd);
      CAPTURE(mode);
      const auto result = run_program({.name = "broken_pipe", .arguments = {fd, mode}});
      CAPTURE(result.output);
      if (*fd != '3' && *mode == 'd') {
        CHECK(result.killed_by(SIGPIPE));
      } else {
        CHECK(result.exited_with(*mode == 'n' ? 11 : 10));  // EPIPE, and whether a signal came
      }
    }
  }
}

// ThreadSanitizer does not support threads in the child of a fork of a program with threads.
TEST_CASE("fork: the child has none of the subscriptions, and may have its own" *
          doctest::skip(RINGO_TSAN != 0)) {
  for (const char* const mode : {"fork", "fork_in_run", "fork_subscribes"}) {
    CAPTURE(mode);
    const auto result = run(mode, "2", SIGUSR1);
    CAPTURE(result.output);
    CHECK(result.exited_with(0));
    CHECK(result.printed("child as expected"));
    CHECK(result.printed("parent received"));
  }
}

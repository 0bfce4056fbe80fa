// How misused locks, waits that never end and exceptions that nobody catches end the process.

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

// Go's number of rounds is 200.                  plain  asan   tsan
constexpr auto group_rounds = sizes::pick<int>(200, 40, 20);

program_result run_operation(const std::string& operation,
                             const std::string& workers,
                             std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), operation);
  return run_program({.name = "sync_death",
                      .arguments = std::move(arguments),
                      .environment = {"RINGO_MAXPROCS=" + workers}});
}

struct expected {
  const char* operation;             // of tests/programs/sync_death.cpp
  std::vector<const char*> printed;  // all of these
};

void check_result(const program_result& result, const expected& row, bool destructors) {
  CAPTURE(row.operation);
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  for (const char* const text : row.printed) CHECK(result.printed(text));
  CHECK(result.printed("destructor ran") == destructors);
  CHECK_FALSE(result.printed("caught"));
  CHECK_FALSE(result.printed("released"));
  CHECK_FALSE(result.printed("unreachable"));
}

void expect_end(const expected& row, bool destructors = false) {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(workers);
    check_result(run_operation(row.operation, workers), row, destructors);
  }
}

const char* const unlocked = "fatal error: sync: unlock of unlocked mutex";
const char* const deadlock = "fatal error: all fibers are asleep - deadlock!";

}  // namespace

TEST_CASE("SY-2: unlock of an unlocked mutex is fatal and cannot be caught") {
  expect_end({"unlock_unlocked", {unlocked}});
  expect_end({"unlock_twice", {unlocked}});
  expect_end({"unlock_after_waiter", {unlocked}});
  expect_end({"unlock_in_thread", {unlocked}});
}

TEST_CASE("SY-2: unlock of an unlocked mutex is fatal outside of a run") {
  for (const char* const operation : {"unlock_unlocked", "unlock_twice", "unlock_in_thread"}) {
    check_result(run_operation(operation, "1", {"outside"}), {operation, {unlocked}}, false);
  }
}

TEST_CASE("SY-2: RINGO_TRACEBACK=crash turns the fatal error into an abort") {
  const auto result = run_program({.name = "sync_death",
                                   .arguments = {"unlock_unlocked"},
                                   .environment = {"RINGO_TRACEBACK=crash"}});
  CAPTURE(result.output);
  CHECK(result.killed_by(SIGABRT));
  CHECK(result.printed(unlocked));
}

TEST_CASE("SY-12: misuse of a shared_mutex is fatal and cannot be caught") {
  const char* const writer = "fatal error: sync: unlock of unlocked shared_mutex";
  const char* const reader = "fatal error: sync: unlock_shared of unlocked shared_mutex";
  expect_end({"rw_unlock_unlocked", {writer}});
  expect_end({"rw_unlock_twice", {writer}});
  expect_end({"rw_unlock_while_read_locked", {writer}});
  expect_end({"rw_unlock_shared_unlocked", {reader}});
  expect_end({"rw_unlock_shared_twice", {reader}});
  expect_end({"rw_unlock_shared_while_write_locked", {reader}});
}

TEST_CASE("SY-10: a reader that locks again behind a writer is reported as a deadlock") {
  expect_end({"rw_read_lock_again", {deadlock, "sync.RWMutex.RLock", "sync.RWMutex.Lock"}});
}

TEST_CASE("semaphore: an acquire that can never succeed is reported as a deadlock") {
  expect_end({"acquire_too_many", {deadlock, "semaphore.Acquire"}});
  expect_end({"acquire_all_twice", {deadlock, "semaphore.Acquire"}});
}

TEST_CASE("SY-25: a notification that nobody waits for is not remembered") {
  expect_end({"wait_for_no_notification", {deadlock, "sync.Cond.Wait"}});
}

TEST_CASE("SY-3: the holder that locks again is reported as a deadlock") {
  expect_end({"lock_own", {deadlock, "sync.Mutex.Lock"}});
}

TEST_CASE("mutex: two that are locked in opposite order are reported as a deadlock") {
  expect_end({"lock_crossed", {deadlock, "sync.Mutex.Lock"}});
}

TEST_CASE("SY-15: wait for nobody is reported as a deadlock") {
  expect_end({"wait_for_nobody", {deadlock, "sync.WaitGroup.Wait"}});
}

TEST_CASE("SY-21: a call from inside the function is reported as a deadlock") {
  expect_end({"once_in_itself", {deadlock, "sync.Once"}});
}

TEST_CASE("task: two that join each other are reported as a deadlock") {
  expect_end({"join_each_other", {deadlock, "task join", "chan receive"}});
}

TEST_CASE("SY-19: an exception out of go ends the process before wait is released") {
  const std::string workers[] = {"1", "2", "8"};
  for (int round = 0; round < group_rounds; ++round) {
    CAPTURE(round);
    check_result(run_operation("throw_in_group", workers[round % 3]),
                 {"throw_in_group", {"panic: out of a group", "created by"}},
                 true);
  }
}

TEST_CASE("task: an exception that nobody can ask for any more ends the process") {
  for (const char* const operation : {"throw_after_drop",
                                      "throw_before_drop",
                                      "throw_before_drop_in_thread",
                                      "throw_before_assignment"}) {
    expect_end({operation, {"panic: nobody listens", "created by"}}, true);
  }
}

// Programs in which every fiber is blocked on a channel for ever: reported, never left hanging.

#include <doctest/doctest.h>

#include <string>

#include "support/run_program.hpp"

using namespace ringo::test;

namespace {

struct test_case {
  const char* operation;  // of tests/programs/chan_deadlock.cpp
  const char* reason;     // in the dump; nullptr: another test says which
};

void expect_deadlock(const test_case& row) {
  for (const char* const workers : {"1", "2", "8"}) {
    CAPTURE(row.operation);
    CAPTURE(workers);
    const auto result = run_program({.name = "chan_deadlock",
                                     .arguments = {row.operation},
                                     .environment = {std::string("RINGO_MAXPROCS=") + workers}});
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK(result.printed("all fibers are asleep - deadlock!"));
    CHECK_FALSE(result.printed("destructor ran"));
    CHECK_FALSE(result.printed("unreachable"));
    if (row.reason != nullptr) CHECK(result.printed(row.reason));
  }
}

}  // namespace

TEST_CASE("CH-1: nobody but a fiber on a nil channel is a deadlock") {
  expect_deadlock({"nil_send", "chan send (nil chan)"});
  expect_deadlock({"nil_recv", "chan receive (nil chan)"});
}

TEST_CASE("CH-2: nobody but a range loop over a nil channel is a deadlock") {
  expect_deadlock({"nil_range", "chan receive (nil chan)"});
}

TEST_CASE("CH-6: nobody but receivers is a deadlock") {
  expect_deadlock({"recv", "chan receive"});
  expect_deadlock({"many", "chan receive"});
}

TEST_CASE("CH-7: nobody but senders is a deadlock") {
  expect_deadlock({"send", "chan send"});
  expect_deadlock({"full", "chan send"});
}

TEST_CASE("SE-5: nobody but a select without cases is a deadlock") {
  expect_deadlock({"select_none", "select (no cases)"});
  expect_deadlock({"select_empty_set", "select (no cases)"});
}

TEST_CASE("SE-6: nobody but a select of nil channels is a deadlock") {
  expect_deadlock({"select_nil", nullptr});
}

TEST_CASE("SE-16: nobody but a select that names itself is a deadlock") {
  expect_deadlock({"select_self", "select"});
}

// After Go's TestSimpleDeadlock and its kin: the panic is not caught, so it ends the process.
TEST_CASE("CH-22: a channel panic that leaves a fiber ends the process") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const operation : {"send_on_closed", "close_of_nil", "close_of_closed"}) {
      CAPTURE(workers);
      CAPTURE(operation);
      const auto result = run_program({.name = "chan_panic",
                                       .arguments = {operation},
                                       .environment = {std::string("RINGO_MAXPROCS=") + workers}});
      CAPTURE(result.output);
      CHECK(result.exited_with(2));
      std::string text = operation;
      for (char& c : text) c = c == '_' ? ' ' : c;
      CHECK(result.printed(text + " channel"));
      CHECK(result.printed("destructor ran"));
      CHECK_FALSE(result.printed("unreachable"));
    }
  }
}

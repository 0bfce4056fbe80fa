// That ThreadSanitizer sees fibers as threads: what it must report, and what not.

#include <doctest/doctest.h>

#include <string>

#include "support/run_program.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;

namespace {

program_result run(const char* mode, const char* workers) {
  return run_program(
      {.name = "race",
       .arguments = {mode},
       .environment = {std::string("RINGO_MAXPROCS=") + workers, "TSAN_OPTIONS=exitcode=66"}});
}

}  // namespace

// The switch of a worker from one fiber to the next orders nothing; if ThreadSanitizer took it for
// a synchronization, it would stay silent here, and in every test of one worker.
TEST_CASE("GR-3: a race of two fibers is reported, even on one worker" *
          doctest::skip(!RINGO_TSAN)) {
  for (const char* const workers : {"1", "2"}) {
    for (const char* const mode : {"race", "race_of_reader"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(66));
      CHECK(result.printed("WARNING: ThreadSanitizer: data race"));
    }
  }
}

TEST_CASE("GR-3: what channels, locks and joins order is no race") {
  for (const char* const workers : {"1", "2", "8"}) {
    for (const char* const mode : {"channel", "buffered_channel", "mutex", "join"}) {
      CAPTURE(workers);
      CAPTURE(mode);
      const auto result = run(mode, workers);
      CAPTURE(result.output);
      CHECK(result.exited_with(0));
      CHECK(result.printed("through"));
      CHECK_FALSE(result.printed("ThreadSanitizer"));
    }
  }
}

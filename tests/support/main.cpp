// The main function of every test program. A listener bounds each test case: one that hangs is
// named, and SIGQUIT ends the process, with ringo's dump of all fibers where that is installed.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sizes.hpp"

namespace {

// Fixed storage, written between tests only: the signal handler may read nothing else safely.
char current_test[256] = "?";

void print(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) ::_exit(2);
}

void on_alarm(int) {
  print("\ntest case takes too long: ");
  print(current_test);
  print("\n");
  ::kill(::getpid(), SIGQUIT);
}

class time_limit : public doctest::IReporter {
 public:
  explicit time_limit(const doctest::ContextOptions&) {
    struct sigaction action = {};
    action.sa_handler = on_alarm;
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    ::sigaction(SIGALRM, &action, nullptr);
  }

  void test_case_start(const doctest::TestCaseData& test) override {
    std::snprintf(current_test, sizeof current_test, "%s", test.m_name);
    if (std::getenv("RINGO_TEST_TRACE") != nullptr) std::fprintf(stderr, "%s\n", current_test);
    ::alarm(ringo::test::sizes::test_case_seconds_max);
  }
  void test_case_end(const doctest::CurrentTestCaseStats&) override { ::alarm(0); }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("time_limit", 1, time_limit);

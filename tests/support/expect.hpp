#pragma once

// Checks for code that runs in fibers and threads. doctest's own asserts stay on the test's thread:
// their context is thread-local and REQUIRE throws. So EXPECT records, and `run_on` reports what
// was recorded once the runtime has ended.

#include <doctest/doctest.h>

#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace ringo::test {

struct failure {
  std::string text;
  const char* file;
  int line;
};

class failure_log {
 public:
  static failure_log& instance() {
    static failure_log log;
    return log;
  }

  void add(failure entry) {
    const std::lock_guard<std::mutex> guard(lock_);
    ++count_;
    if (entries_.size() < entries_max) entries_.push_back(std::move(entry));
  }

  bool any() {
    const std::lock_guard<std::mutex> guard(lock_);
    return count_ != 0;
  }

  /// Hands everything recorded so far to doctest. Call it on the test's thread only.
  void report() {
    const std::lock_guard<std::mutex> guard(lock_);
    for (const failure& entry : entries_) {
      ADD_FAIL_CHECK_AT(entry.file, entry.line, entry.text);
    }
    if (count_ > entries_.size()) {
      FAIL_CHECK("and " << count_ - entries_.size() << " more failures");
    }
    entries_.clear();
    count_ = 0;
  }

 private:
  static constexpr std::size_t entries_max = 20;

  std::mutex lock_;
  std::vector<failure> entries_;  // guarded by lock_
  std::size_t count_ = 0;         // guarded by lock_
};

inline void expect(bool holds, const char* expression, const char* file, int line) {
  if (!holds) failure_log::instance().add({std::string(expression) + " is false", file, line});
}

template <class Actual, class Expected>
void expect_equal(const Actual& actual,
                  const Expected& expected,
                  const char* expression,
                  const char* file,
                  int line) {
  if (actual == expected) return;
  std::string text = expression;
  text += ": got ";
  text += doctest::toString(actual).c_str();
  text += ", want ";
  text += doctest::toString(expected).c_str();
  failure_log::instance().add({std::move(text), file, line});
}

}  // namespace ringo::test

/// Records a failure unless the condition holds. Usable in any fiber and thread; never throws.
#define EXPECT(...) \
  ::ringo::test::expect(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

/// The same for equality, with both values in the message.
#define EXPECT_EQ(actual, ...) \
  ::ringo::test::expect_equal( \
      (actual), (__VA_ARGS__), #actual " == " #__VA_ARGS__, __FILE__, __LINE__)

#include <ringo/error.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

#include "base/print.hpp"

namespace ringo {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ringo"; }

  std::string message(int code) const override {
    switch (static_cast<errc>(code)) {
      case errc::eof: return "end of stream";
      case errc::canceled: return "context canceled";
      case errc::deadline_exceeded: return "context deadline exceeded";
      case errc::closed: return "closed";
      case errc::unexpected_eof: return "unexpected end of stream";
      case errc::no_progress: return "reads return no data and no error";
    }
    return "unknown ringo error";
  }

  std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<errc>(code)) {
      case errc::canceled: return std::errc::operation_canceled;
      case errc::deadline_exceeded: return std::errc::timed_out;
      default: return {code, *this};
    }
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  // Never destroyed: an error may be compared while static destructors run.
  static const auto& instance = *new category;
  return instance;
}

namespace detail {

void panic(const char* text) {
  throw panic_error(text);
}
void panic(const std::string& text) {
  throw panic_error(text);
}

namespace {

std::atomic<std::int32_t> reporter{0};  // atomic: the thread that has begun the last report; or 0

std::array<char, 128> last_words{};

}  // namespace

void begin_last_report() noexcept {
  const auto self = static_cast<std::int32_t>(::syscall(SYS_gettid));
  std::int32_t before = 0;
  if (reporter.compare_exchange_strong(before, self) || before == self) return;
  for (;;) ::pause();
}

bool last_report_begun() noexcept {
  return reporter.load() != 0;
}

void fatal(const char* text) noexcept {
  begin_last_report();
  print_error("fatal error: %s\n", text);
  end_process();
}

void set_last_words(const char* text) noexcept {
  std::snprintf(last_words.data(), last_words.size(), "%s", text);
}

void end_process() noexcept {
  print_error("%s", last_words.data());
  const char* traceback = std::getenv("RINGO_TRACEBACK");  // NOLINT(concurrency-mt-unsafe)
  if (traceback != nullptr && std::strcmp(traceback, "crash") == 0) std::abort();
  // No destructor and no atexit handler may run: other threads still use what those would destroy.
  _exit(2);
}

void invariant_broken(const char* condition, const char* file, int line) noexcept {
  print_error("%s", last_words.data());
  print_error("ringo: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace detail
}  // namespace ringo

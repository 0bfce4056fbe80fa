#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace ringo {

/// What the world can say no with, beside the system's own codes (which stay in
/// std::system_category). `canceled` equals std::errc::operation_canceled and `deadline_exceeded`
/// equals std::errc::timed_out when compared as conditions.
enum class errc {
  eof = 1,            ///< the stream has ended
  canceled,           ///< the context was cancelled
  deadline_exceeded,  ///< the context's deadline has passed
  closed,             ///< the channel or connection is closed
  unexpected_eof,     ///< the stream has ended in the middle of what was to be read
  no_progress,        ///< a reader has returned no bytes, and no error, many times in a row
};

/// The category of ringo::errc; one object for the whole process.
const std::error_category& error_category() noexcept;

/// Lets a ringo::errc become a std::error_code by itself.
inline std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

/// The caller broke a contract: Go's panic. Thrown on the calling fiber or thread; what() is the
/// text, in Go's words where Go has it. It unwinds, so destructors run; a program may catch it and
/// go on. One that leaves a fiber started by go() ends the process.
class panic_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {

/// Throws panic_error(text). Out of line, so that callers stay small.
[[noreturn]] void panic(const char* text);
[[noreturn]] void panic(const std::string& text);

/// Prints "fatal error: text", and ends the process with status 2 (SIGABRT when
/// RINGO_TRACEBACK=crash). No destructor runs.
[[noreturn]] void fatal(const char* text) noexcept;

/// Before a report that the process ends with: of several threads that come here only the first
/// returns, so that reports do not mix, and run() does not return any more.
void begin_last_report() noexcept;
bool last_report_begun() noexcept;
/// What end_process() and a broken invariant print last; copied. Not thread-safe.
void set_last_words(const char* text) noexcept;
/// Ends the process as every fatal does; for callers that have printed already.
[[noreturn]] void end_process() noexcept;

}  // namespace detail
}  // namespace ringo

template <>
struct std::is_error_code_enum<ringo::errc> : std::true_type {};

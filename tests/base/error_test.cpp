#include <doctest/doctest.h>

#include <ostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

#include <ringo/error.hpp>

TEST_CASE("error: codes compare with std's conditions") {
  CHECK(std::error_code(ringo::errc::canceled) == std::errc::operation_canceled);
  CHECK(std::error_code(ringo::errc::deadline_exceeded) == std::errc::timed_out);
  CHECK(std::error_code(ringo::errc::closed) != std::errc::operation_canceled);
  CHECK(std::error_code(ringo::errc::eof) == ringo::errc::eof);
  CHECK(std::error_code(ringo::errc::eof) != ringo::errc::closed);
}

TEST_CASE("error: each code has its own text, and the category is one object") {
  CHECK(std::error_code(ringo::errc::eof).message() == "end of stream");
  CHECK(std::error_code(ringo::errc::canceled).message() == "context canceled");
  CHECK(std::error_code(ringo::errc::deadline_exceeded).message() == "context deadline exceeded");
  CHECK(std::error_code(ringo::errc::closed).message() == "closed");
  CHECK(std::error_code(ringo::errc::unexpected_eof).message() == "unexpected end of stream");
  CHECK(std::error_code(ringo::errc::no_progress).message() == "reads return no data and no error");
  CHECK(&std::error_code(ringo::errc::eof).category() == &ringo::error_category());
  CHECK(ringo::error_category().message(999) == "unknown ringo error");
}

TEST_CASE("error: conditions equal std's in both directions, and only theirs") {
  using ringo::errc;
  for (const auto code : {errc::eof,
                          errc::canceled,
                          errc::deadline_exceeded,
                          errc::closed,
                          errc::unexpected_eof,
                          errc::no_progress}) {
    const std::error_code error = code;
    CAPTURE(error.message());
    CHECK(error);
    CHECK((error == std::errc::operation_canceled) == (code == errc::canceled));
    CHECK((error == std::errc::timed_out) == (code == errc::deadline_exceeded));
    CHECK(error == code);
    CHECK(error != std::errc::broken_pipe);
    CHECK(error != std::error_code());
  }
  CHECK(std::error_code(errc::eof).category().name() == std::string("ringo"));
  // A system error that means the same is equal as a condition, not as a code.
  const auto system = std::make_error_code(std::errc::timed_out);
  CHECK(system == std::errc::timed_out);
  CHECK(system != std::error_code(errc::deadline_exceeded));
}

TEST_CASE("error: a panic is a logic_error with Go's text") {
  static_assert(std::is_base_of_v<std::logic_error, ringo::panic_error>);
  CHECK_THROWS_WITH_AS(
      ringo::detail::panic("send on closed channel"), "send on closed channel", ringo::panic_error);
}

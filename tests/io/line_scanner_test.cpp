#include <ringo/io/line_scanner.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/buffered_reader.hpp>

#include "support/scripted_stream.hpp"

using namespace ringo::test;
using ringo::errc;
using ringo::io::buffered_reader;

namespace {

const std::error_code reset = make_error_code(std::errc::connection_reset);
using strings = std::vector<std::string>;

template <class R>
strings rest_of(buffered_reader<R>& in, std::error_code expected) {
  strings all;
  auto lines = in.lines();
  for (const std::string_view line : lines) all.emplace_back(line);
  CHECK(lines.error() == expected);
  return all;
}

std::error_code count_words(scripted_reader& conn, int& words) {
  //! [lines]
  ringo::io::buffered_reader<scripted_reader&> in(conn);
  auto lines = in.lines();
  for (std::string_view line : lines) {
    if (!line.empty()) ++words;
  }
  if (const auto error = lines.error()) return error;  // not the end, but too early
  //! [lines]
  return {};
}

}  // namespace

TEST_CASE("line_scanner: gives each line, and tells the end from an error") {
  buffered_reader whole(scripted_reader{"a\r\n", "\nb", "c\nlast"});
  CHECK(rest_of(whole, {}) == strings{"a", "", "bc", "last"});
  CHECK(rest_of(whole, {}).empty());

  buffered_reader nothing(scripted_reader{});
  CHECK(rest_of(nothing, {}).empty());

  buffered_reader torn(scripted_reader{"a\nb", reset, "c\nd"});
  CHECK(rest_of(torn, reset) == strings{"a"});
  CHECK(rest_of(torn, {}) == strings{"bc", "d"});  // goes on where it stopped

  buffered_reader narrow(scripted_reader{"abc\nabcd\n"}, {.size_max = 4});
  CHECK(rest_of(narrow, make_error_code(std::errc::message_size)) == strings{"abc"});
}

TEST_CASE("line_scanner: may be left early, and asked one by one") {
  buffered_reader in(scripted_reader{"head\nbody\nmore\n"});
  {
    auto lines = in.lines();
    for (const std::string_view line : lines) {
      CHECK(line == "head");
      break;
    }
  }
  CHECK(in.read_line().value_or("") == "body");
  auto lines = in.lines(ringo::background());
  CHECK(lines.next() == std::optional<std::string_view>("more"));
  CHECK(!lines.next());
  CHECK(!lines.error());
}

TEST_CASE("line_scanner: gives up with its context") {
  auto [ctx, cancel] = ringo::with_cancel(ringo::background());
  buffered_reader in(scripted_reader{"a\n", "b\n"});
  auto lines = in.lines(ctx);
  CHECK(lines.next() == std::optional<std::string_view>("a"));
  cancel();
  CHECK(!lines.next());
  CHECK(lines.error() == errc::canceled);
  CHECK(in.read_line().value_or("") == "b");
}

TEST_CASE("line_scanner: the loop of its description") {
  int words = 0;
  scripted_reader good{"a\n\nb\n"};
  CHECK(!count_words(good, words));
  CHECK(words == 2);
  scripted_reader bad{"c\n", reset};
  CHECK(count_words(bad, words) == reset);
}

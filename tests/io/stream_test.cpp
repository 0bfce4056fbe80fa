#include <ringo/io/stream.hpp>

#include <doctest/doctest.h>

#include <array>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>

#include "support/fibers.hpp"
#include "support/scripted_stream.hpp"

using namespace ringo::test;
using ringo::errc;
using ringo::io::transfer;

namespace {

const std::error_code reset = make_error_code(std::errc::connection_reset);
const std::error_code no_room = make_error_code(std::errc::no_buffer_space);
const std::error_code too_long = make_error_code(std::errc::message_size);

struct plain_reader {
  ringo::result<std::size_t> read(ringo::io::buffer) { return 1U; }
};
struct plain_writer {
  std::error_code write(ringo::io::const_buffer) { return {}; }
};
struct wrong_reader {
  std::size_t read(ringo::io::buffer) { return 1; }
};

struct lying_reader {
  ringo::result<std::size_t> read(ringo::io::buffer into) { return into.size() + 1; }
};

}  // namespace

TEST_CASE("reader and writer: a context's form is asked for only by those who use it") {
  using namespace ringo::io;
  static_assert(reader<scripted_reader> && cancellable_reader<scripted_reader&>);
  static_assert(reader<plain_reader> && !cancellable_reader<plain_reader>);
  static_assert(!reader<wrong_reader> && !reader<recording_writer> && !reader<int>);
  static_assert(writer<recording_writer> && cancellable_writer<recording_writer&>);
  static_assert(writer<plain_writer> && !cancellable_writer<plain_writer>);
  static_assert(!writer<scripted_reader>);
  CHECK(true);
}

TEST_CASE("NT-34: read_full reads all, or tells how the stream ended") {
  struct row {
    const char* what;
    std::vector<read_step> steps;
    std::size_t size;
    std::uint64_t bytes;
    std::error_code error;
    std::string text;
  };
  const std::vector<row> rows = {
      {"at once", {"abcde"}, 5, 5, {}, "abcde"},
      {"in pieces", {"a", "bc", "de"}, 5, 5, {}, "abcde"},
      {"no more than fits", {"abc", "defgh"}, 5, 5, {}, "abcde"},
      {"nothing", {}, 5, 0, errc::eof, ""},
      {"short", {"ab", "c"}, 5, 3, errc::unexpected_eof, "abc"},
      {"full, then the end", {"abcde", errc::eof}, 5, 5, {}, "abcde"},
      {"an error first", {reset, "abcde"}, 5, 0, reset, ""},
      {"an error in the middle", {"ab", reset}, 5, 2, reset, "ab"},
      {"an error behind", {"abcde", reset}, 5, 5, {}, "abcde"},
      {"empty packets between", {"", "ab", "", "", "cde"}, 5, 5, {}, "abcde"},
      {"nothing wanted", {"abc"}, 0, 0, {}, ""},
      {"nothing wanted of nothing", {}, 0, 0, {}, ""},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    for (const bool with_context : {false, true}) {
      scripted_reader from(r.steps);
      std::string into(r.size, '?');
      const transfer read = with_context ? ringo::io::read_full(ringo::background(), from, into)
                                         : ringo::io::read_full(from, into);
      CHECK(read == transfer{r.bytes, r.error});
      CHECK(into == r.text + std::string(r.size - r.bytes, '?'));
    }
  }
}

TEST_CASE("NT-34: read_at_least stops as soon as there is enough") {
  struct row {
    const char* what;
    std::vector<read_step> steps;
    std::size_t size;
    std::size_t least;
    std::uint64_t bytes;
    std::error_code error;
    std::size_t reads;
  };
  const std::vector<row> rows = {
      {"enough at once", {"abc", "def"}, 8, 2, 3, {}, 1},
      {"exactly", {"ab", "cd", "ef"}, 8, 4, 4, {}, 2},
      {"no room", {"abc"}, 2, 4, 0, no_room, 0},
      {"short", {"abc"}, 8, 4, 3, errc::unexpected_eof, 2},
      {"short by an error", {"abc", reset}, 8, 4, 3, reset, 2},
      {"nothing", {}, 8, 4, 0, errc::eof, 1},
      {"none wanted", {"abc"}, 8, 0, 0, {}, 0},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    scripted_reader from(r.steps);
    std::vector<std::byte> into(r.size);
    CHECK(ringo::io::read_at_least(from, into, r.least) == transfer{r.bytes, r.error});
    CHECK(from.reads() == r.reads);
  }
}

TEST_CASE("NT-34: read_all takes the end of the stream for success") {
  const std::string big(100'000, 'x');
  struct row {
    const char* what;
    std::vector<read_step> steps;
    std::size_t limit;
    std::string text;
    std::error_code error;
  };
  constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  const std::vector<row> rows = {
      {"nothing", {}, none, "", {}},
      {"pieces", {"ab", "", "cd"}, none, "abcd", {}},
      {"large", {big, "y"}, none, big + "y", {}},
      {"an error", {"ab", reset}, none, "", reset},
      {"exactly the limit", {"ab", "cd"}, 4, "abcd", {}},
      {"over the limit", {"ab", "cd", "e"}, 4, "", too_long},
      {"large, at the limit", {big}, big.size(), big, {}},
      {"large, over the limit", {big}, big.size() - 1, "", too_long},
      {"limit 0 of nothing", {}, 0, "", {}},
      {"limit 0 of something", {"a"}, 0, "", too_long},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    for (const bool with_context : {false, true}) {
      scripted_reader from(r.steps);
      const auto all = with_context ? ringo::io::read_all(ringo::background(), from, r.limit)
                                    : ringo::io::read_all(from, r.limit);
      CHECK(all.error() == r.error);
      CHECK(all.value_or("") == r.text);
    }
  }
}

TEST_CASE("read_all: reads at most one byte beyond the limit") {
  scripted_reader from({std::string(1000, 'x'), std::string(1000, 'y')});
  CHECK(ringo::io::read_all(from, 999).error() == too_long);
  CHECK(from.left() == 1);
  CHECK(from.largest() <= 1000);
}

TEST_CASE("read_full, read_all: a context that is done ends them") {
  scripted_reader from({"abc"});
  std::string into(3, '?');
  CHECK(ringo::io::read_full(done_context(), from, into) == transfer{0, errc::canceled});
  CHECK(ringo::io::read_all(done_context(), from).error() == errc::canceled);
  CHECK(ringo::io::read_at_least(done_context(), from, into, 1) == transfer{0, errc::canceled});
  CHECK(from.reads() == 0);
}

TEST_CASE("reader: one that makes no progress is given up after 100 reads") {
  for (const std::size_t empty_reads : {99U, 100U}) {
    CAPTURE(empty_reads);
    std::vector<read_step> steps(empty_reads, read_step(""));
    steps.emplace_back("a");
    scripted_reader from(steps);
    std::string into(1, '?');
    const transfer expected = empty_reads < 100 ? transfer{1, {}} : transfer{0, errc::no_progress};
    CHECK(ringo::io::read_full(from, into) == expected);
  }
}

TEST_CASE("reader: one that returns more than it had room for panics") {
  lying_reader from;
  std::string into(4, '?');
  CHECK(panic_text([&] { (void)ringo::io::read_full(from, into); }) ==
        "io: a reader returned more bytes than it had room for");
}

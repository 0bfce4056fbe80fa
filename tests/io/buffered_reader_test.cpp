#include <ringo/io/buffered_reader.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/memory_pipe.hpp>
#include <ringo/task.hpp>

#include "support/run_on.hpp"
#include "support/scripted_stream.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace ringo::io;
using namespace std::chrono_literals;
using ringo::errc;

namespace {

const std::error_code reset = make_error_code(std::errc::connection_reset);
const std::error_code too_long = make_error_code(std::errc::message_size);

std::string text_of(const_buffer bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::string text_of(const ringo::result<const_buffer>& bytes) {
  return bytes ? text_of(*bytes) : bytes.error().message();
}
std::string text_of(const ringo::result<std::string_view>& text) {
  return text ? std::string(*text) : "[" + text.error().message() + "]";
}
std::string text_of(errc code) {
  return "[" + std::error_code(code).message() + "]";
}

/// All lines, then how it ended.
template <class R>
std::vector<std::string> all_lines(buffered_reader<R>& in) {
  std::vector<std::string> lines;
  for (;;) {
    lines.push_back(text_of(in.read_line()));
    if (lines.back().starts_with("[")) return lines;
  }
}

}  // namespace

TEST_CASE("buffered_reader: lines end in \\n or \\r\\n, and the last one need not") {
  struct row {
    const char* what;
    std::vector<read_step> steps;
    std::vector<std::string> lines;
  };
  const std::string end = text_of(errc::eof);
  const std::string big(5000, 'x');
  const std::vector<row> rows = {
      {"nothing", {}, {end}},
      {"one", {"abc\n"}, {"abc", end}},
      {"without an end", {"abc"}, {"abc", end}},
      {"several at once", {"a\nb\n\nc"}, {"a", "b", "", "c", end}},
      {"\\r\\n", {"a\r\nb\r\n\r\n"}, {"a", "b", "", end}},
      {"\\r\\n torn apart", {"a\r", "\nb"}, {"a", "b", end}},
      {"\\r in the middle stays", {"a\rb\r\r\n"}, {"a\rb\r", end}},
      {"\\r at the end of the stream", {"a\r"}, {"a", end}},
      {"in pieces", {"a", "b", "c\nd", "e\n"}, {"abc", "de", end}},
      {"empty ones only", {"\n", "\n"}, {"", "", end}},
      {"a zero byte", {std::string("a\0b\n", 4)}, {std::string("a\0b", 3), end}},
      {"the buffer grows", {"a\n", big, "y\n", "z"}, {"a", big + "y", "z", end}},
      {"an error keeps the line", {"ab", reset, "c\n"}, {"[" + reset.message() + "]"}},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    for (const std::size_t initial_size : {1U, 3U, 4096U}) {
      buffered_reader in(scripted_reader(r.steps), {.initial_size = initial_size});
      CHECK(all_lines(in) == r.lines);
    }
  }
}

TEST_CASE("buffered_reader: an error loses nothing, and the same call goes on") {
  buffered_reader in(scripted_reader{"ab", reset, "c\nd", reset, errc::eof, "e"});
  CHECK(in.read_line().error() == reset);
  CHECK(text_of(in.buffered()) == "ab");
  CHECK(text_of(in.read_line()) == "abc");
  CHECK(in.peek(2).error() == reset);
  CHECK(text_of(in.read_until(';')) == "d");  // the last piece, since the stream has ended
  CHECK(text_of(in.read_line()) == "e");
}

TEST_CASE("buffered_reader: a line that is too long is an error, and stays to be read") {
  struct row {
    std::size_t length;  // without "\n"
    bool fits;
  };
  for (const row& r : {row{14, true}, row{15, true}, row{16, false}, row{100, false}}) {
    CAPTURE(r.length);
    const std::string line(r.length, 'x');
    scripted_reader from{line + "\n", "next\n"};
    buffered_reader<scripted_reader&> in(from, {.initial_size = 4, .size_max = 16});
    if (r.fits) {
      CHECK(text_of(in.read_line()) == line);
    } else {
      CHECK(in.read_line().error() == too_long);
      CHECK(in.read_line().error() == too_long);
      CHECK(in.buffered().size() == 16);
      CHECK(in.discard(r.length + 1) == transfer{r.length + 1, {}});
    }
    CHECK(text_of(in.read_line()) == "next");
  }
  // Go's limit, when nobody has said anything else.
  for (const std::size_t length : {65'535U, 65'536U}) {
    buffered_reader in(scripted_reader{std::string(length, 'x') + "\n"});
    CHECK(in.read_line().error() == (length < 65'536 ? std::error_code() : too_long));
  }
}

TEST_CASE("buffered_reader: read_until gives the delimiter too") {
  buffered_reader in(scripted_reader{"a;b", ";;c"});
  CHECK(text_of(in.read_until(';')) == "a;");
  CHECK(text_of(in.read_until(ringo::background(), ';')) == "b;");
  CHECK(text_of(in.read_until(';')) == ";");
  CHECK(text_of(in.read_until(';')) == "c");
  CHECK(text_of(in.read_until(';')) == text_of(errc::eof));
  buffered_reader high(
      scripted_reader{"a\xff"
                      "b"});
  CHECK(text_of(high.read_until('\xff')) == "a\xff");
}

TEST_CASE("buffered_reader: peek shows bytes and leaves them") {
  buffered_reader in(scripted_reader{"abc", "def"}, {.initial_size = 2, .size_max = 5});
  CHECK(text_of(in.peek(0)).empty());
  CHECK(text_of(in.peek(1)) == "a");
  CHECK(text_of(in.peek(5)) == "abcde");
  CHECK(in.peek(6).error() == too_long);
  CHECK(text_of(in.read_until('d')) == "abcd");
  CHECK(text_of(in.peek(ringo::background(), 2)) == "ef");
  CHECK(in.peek(3).error() == errc::unexpected_eof);
  CHECK(text_of(in.buffered()) == "ef");
  CHECK(in.discard(2) == transfer{2, {}});
  CHECK(in.peek(1).error() == errc::eof);
}

TEST_CASE("buffered_reader: read gives what is buffered, and large reads pass the buffer by") {
  scripted_reader from{"abcdef", "ghi", std::string(100, 'x'), reset};
  buffered_reader<scripted_reader&> in(from, {.initial_size = 8});
  std::string two(2, '?');
  std::string large(50, '?');
  CHECK(in.read(buffer()).value_or(9) == 0);
  CHECK(from.reads() == 0);
  CHECK(in.read(two).value_or(0) == 2);
  CHECK(two == "ab");
  CHECK(in.read(large).value_or(0) == 4);  // no second call while there is something
  CHECK(large.substr(0, 4) == "cdef");
  CHECK(from.reads() == 1);
  CHECK(in.read(large).value_or(0) == 3);
  CHECK(from.largest() == 50);
  CHECK(in.read(ringo::background(), large).value_or(0) == 50);
  CHECK(in.read(two).value_or(0) == 2);
  CHECK(in.discard(48) == transfer{48, {}});
  CHECK(in.read(two).error() == reset);
  CHECK(in.read(two).error() == errc::eof);
}

TEST_CASE("buffered_reader: reads bytes, and discards them") {
  buffered_reader in(scripted_reader{"ab", reset, "cdef"});
  CHECK(in.read_byte().value_or(std::byte{}) == std::byte{'a'});
  CHECK(in.read_byte(ringo::background()).value_or(std::byte{}) == std::byte{'b'});
  CHECK(in.read_byte().error() == reset);
  CHECK(in.discard(0) == transfer{0, {}});
  CHECK(in.discard(ringo::background(), 3) == transfer{3, {}});
  CHECK(in.discard(3) == transfer{1, errc::eof});
  CHECK(in.read_byte().error() == errc::eof);
}

TEST_CASE("buffered_reader: what is buffered needs no context") {
  buffered_reader in(scripted_reader{"a\nb", "c\n"});
  CHECK(in.read_line(done_context()).error() == errc::canceled);
  CHECK(text_of(in.read_line()) == "a");
  CHECK(text_of(in.peek(done_context(), 1)) == "b");
  CHECK(in.read_line(done_context()).error() == errc::canceled);
  CHECK(text_of(in.read_line(ringo::background())) == "bc");
}

TEST_CASE("buffered_reader: copy takes what is buffered first, and then the reader's own way") {
  for (const bool with_context : {false, true}) {
    scripted_reader from{"head\nbo", "dy"};
    buffered_reader<scripted_reader&> in(from);
    CHECK(text_of(in.read_line()) == "head");
    recording_writer to;
    const transfer copied = with_context ? copy(ringo::background(), to, in) : copy(to, in);
    CHECK(copied == transfer{4, {}});
    CHECK(to.writes() == std::vector<std::string>{"bo", "dy"});
  }
  buffered_reader in(scripted_reader{"abcd", "efgh"});
  recording_writer to;
  CHECK(text_of(in.peek(1)) == "a");
  CHECK(copy_n(to, in, 2) == transfer{2, {}});
  CHECK(copy_n(to, in, 4) == transfer{4, {}});
  CHECK(to.text() == "abcdef");
  recording_writer full(0);
  buffered_reader other(scripted_reader{"abcd"});
  CHECK(other.peek(1));
  CHECK(copy(full, other) == transfer{0, make_error_code(std::errc::broken_pipe)});
}

TEST_CASE("buffered_reader: keeps a copy of a handle, or a reference when it is told so") {
  scripted_reader from{"abc"};
  buffered_reader copy(from);
  static_assert(std::is_same_v<decltype(copy), buffered_reader<scripted_reader>>);
  CHECK(text_of(copy.read_line()) == "abc");
  CHECK(from.reads() == 0);
  buffered_reader moved = std::move(copy);
  CHECK(moved.read_line().error() == errc::eof);
}

TEST_CASE("buffered_reader: a deadline in the middle of a line keeps what has come") {
  run_in_bubble_on_each([] {
    auto [client, server] = memory_pipe();
    auto peer = ringo::spawn([conn = server] {
      EXPECT(!conn.write("GET /"));
      ringo::sleep_for(2s);
      EXPECT(!conn.write(" HTTP/1.0\r\n"));
    });
    buffered_reader in(client);
    (void)client.set_read_deadline(ringo::now() + 1s);
    EXPECT_EQ(in.read_line().error(), std::error_code(errc::deadline_exceeded));
    (void)client.set_read_deadline(std::chrono::steady_clock::time_point::max());
    EXPECT_EQ(text_of(in.read_line()), "GET / HTTP/1.0");
    peer.join();
  });
}

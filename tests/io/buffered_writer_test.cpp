#include <ringo/io/buffered_writer.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/buffered_reader.hpp>
#include <ringo/io/copy.hpp>
#include <ringo/io/memory_pipe.hpp>
#include <ringo/task.hpp>

#include "support/run_on.hpp"
#include "support/scripted_stream.hpp"

using namespace ringo::test;
using namespace ringo::io;
using ringo::errc;

namespace {

const std::error_code none;
const std::error_code broken = make_error_code(std::errc::broken_pipe);
using strings = std::vector<std::string>;

/// Takes several pieces at once, and keeps them as one.
class vectored_recorder : public recording_writer {
 public:
  using recording_writer::recording_writer;
  using recording_writer::write;
  std::error_code write(std::span<const const_buffer> pieces) {
    std::string all;
    for (const const_buffer& piece : pieces) {
      all.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return write(const_buffer(all));
  }
  std::error_code write(const ringo::context& ctx, std::span<const const_buffer> pieces) {
    if (const auto given_up = ctx.err()) return given_up;
    return write(pieces);
  }
};
static_assert(cancellable_vectored_writer<vectored_recorder&>);
static_assert(cancellable_vectored_writer<const memory_conn>);
static_assert(writer<recording_writer> && !vectored_writer<recording_writer>);

template <class W>
strings writes_of(const strings& pieces, bool with_context) {
  W to;
  buffered_writer<W&> out(to, {.size = 4});
  for (const std::string& piece : pieces) {
    CHECK(!(with_context ? out.write(ringo::background(), piece) : out.write(piece)));
  }
  CHECK(!(with_context ? out.flush(ringo::background()) : out.flush()));
  CHECK(out.buffered() == 0);
  return to.writes();
}

}  // namespace

TEST_CASE("buffered_writer: writes whole buffers, and large pieces past them") {
  struct row {
    const char* what;
    strings pieces;
    strings writes;
    strings vectored_writes;
  };
  const std::vector<row> rows = {
      {"nothing", {}, {}, {}},
      {"empty", {"", ""}, {}, {}},
      {"fits", {"ab", "c"}, {"abc"}, {"abc"}},
      {"fits exactly", {"ab", "cd"}, {"abcd"}, {"abcd"}},
      {"over", {"abc", "def"}, {"abcd", "ef"}, {"abcd", "ef"}},
      {"just full, then more", {"abcd", "e"}, {"abcd", "e"}, {"abcd", "e"}},
      {"large alone", {"abcdefgh"}, {"abcdefgh"}, {"abcdefgh"}},
      {"large behind small", {"ab", "cdefgh", "i"}, {"ab", "cdefgh", "i"}, {"abcdefgh", "i"}},
      {"of the buffer's size", {"a", "bcde"}, {"a", "bcde"}, {"abcde"}},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    for (const bool with_context : {false, true}) {
      CHECK(writes_of<recording_writer>(r.pieces, with_context) == r.writes);
      CHECK(writes_of<vectored_recorder>(r.pieces, with_context) == r.vectored_writes);
    }
  }
}

TEST_CASE("buffered_writer: the first error stays") {
  struct row {
    const char* what;
    std::size_t room;
    strings pieces;
    std::size_t good;  // writes before the error
  };
  for (const row& r : std::vector<row>{{"when it is full", 3, {"abc", "def"}, 1},
                                       {"when a large one passes", 5, {"ab", "cdefgh"}, 1},
                                       {"when it is flushed", 2, {"abc"}, 1}}) {
    CAPTURE(r.what);
    recording_writer to(r.room);
    buffered_writer<recording_writer&> out(to, {.size = 4});
    for (std::size_t i = 0; i < r.pieces.size(); ++i) {
      CHECK(out.write(r.pieces[i]) == (i < r.good ? none : broken));
    }
    CHECK(out.flush() == broken);
    to.make_room(100);
    const std::size_t before = to.writes().size();
    CHECK(out.write("x") == broken);
    CHECK(out.write_byte(std::byte{'x'}) == broken);
    CHECK(out.flush(ringo::background()) == broken);
    CHECK(out.error() == broken);
    CHECK(to.writes().size() == before);
  }
}

TEST_CASE("buffered_writer: a context that is done ends it for good") {
  recording_writer to;
  buffered_writer<recording_writer&> out(to);
  CHECK(!out.write(done_context(), "abc"));  // into the buffer: nothing to wait for
  CHECK(out.flush(done_context()) == errc::canceled);
  CHECK(out.flush() == errc::canceled);
  CHECK(to.writes().empty());
}

TEST_CASE("buffered_writer: the destructor does not flush") {
  recording_writer to;
  {
    buffered_writer<recording_writer&> out(to);
    CHECK(!out.write("lost"));
    CHECK(!out.write_byte(std::byte{'!'}));
    CHECK(!out.write_byte(ringo::background(), std::byte{'!'}));
    CHECK(out.buffered() == 6);
    CHECK(out.available() == 4090);
  }
  CHECK(to.writes().empty());
}

TEST_CASE("buffered_writer: copy into it") {
  recording_writer to;
  buffered_writer<recording_writer&> out(to, {.size = 8});
  scripted_reader from{"abc", "defghijklmnop", "q"};
  CHECK(copy(out, from) == transfer{17, {}});
  CHECK(!out.flush());
  CHECK(to.text() == "abcdefghijklmnopq");
  buffered_writer copy_of(to);
  static_assert(std::is_same_v<decltype(copy_of), buffered_writer<recording_writer>>);
}

TEST_CASE("buffered streams: a conversation by lines over a connection") {
  run_on_each([] {
    auto [client, server] = memory_pipe();
    auto echo = ringo::spawn([conn = server] {
      buffered_reader in(conn);
      buffered_writer out(conn);
      auto lines = in.lines();
      for (const std::string_view line : lines) {
        EXPECT(!out.write("you said "));
        EXPECT(!out.write(line));
        EXPECT(!out.write("\n"));
        EXPECT(!out.flush());
      }
      EXPECT(!lines.error());
    });
    buffered_reader in(client);
    for (int i = 0; i < 100; ++i) {
      const std::string number = std::to_string(i);
      EXPECT(!client.write(number + "\r\n"));
      EXPECT_EQ(std::string(in.read_line().value_or("")), "you said " + number);
    }
    EXPECT(!client.close_write());
    echo.join();
  });
}

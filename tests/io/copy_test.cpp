#include <ringo/io/copy.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>

#include "support/scripted_stream.hpp"

using namespace ringo::test;
using namespace ringo::io;
using ringo::errc;

namespace {

const std::error_code reset = make_error_code(std::errc::connection_reset);
const std::error_code broken = make_error_code(std::errc::broken_pipe);

/// Writes three bytes at a time, and tells how many.
class slow_writer {
 public:
  explicit slow_writer(std::size_t room) : room_(room) {}
  std::error_code write(const_buffer) { return std::make_error_code(std::errc::not_supported); }
  ringo::result<std::size_t> write_some(const_buffer bytes) {
    if (room_ == 0) return broken;
    const std::size_t count = std::min({std::size_t{3}, bytes.size(), room_});
    room_ -= count;
    text_.append(reinterpret_cast<const char*>(bytes.data()), count);
    return count;
  }
  const std::string& text() const { return text_; }

 private:
  std::size_t room_;
  std::string text_;
};

/// Offers to copy by itself, from a scripted_reader alone, and does so if `able`.
class clever_writer : public recording_writer {
 public:
  explicit clever_writer(bool able) : able_(able) {}
  std::optional<transfer> copy_from(scripted_reader&, std::uint64_t limit) {
    return copied(limit, {});
  }
  std::optional<transfer> copy_from(const ringo::context& ctx,
                                    scripted_reader&,
                                    std::uint64_t limit) {
    return copied(limit, ctx.err());
  }
  std::vector<std::uint64_t> limits() const { return limits_; }

 private:
  bool able_;
  std::vector<std::uint64_t> limits_;

  std::optional<transfer> copied(std::uint64_t limit, std::error_code error) {
    limits_.push_back(limit);
    if (!able_) return std::nullopt;
    return transfer{std::min<std::uint64_t>(limit, 1000), error};
  }
};

/// Offers to copy to any writer.
class clever_reader : public scripted_reader {
 public:
  using scripted_reader::scripted_reader;
  template <writer W>
  std::optional<transfer> copy_to(W&, std::uint64_t) {
    return transfer{77, {}};
  }
};

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("NT-34: copy takes the end of the stream for success, and counts what arrived") {
  const std::string big(100'000, 'x');
  struct row {
    const char* what;
    std::vector<read_step> steps;
    std::size_t room;
    std::uint64_t bytes;
    std::error_code error;
    std::string text;
  };
  const std::vector<row> rows = {
      {"nothing", {}, 100, 0, {}, ""},
      {"pieces", {"ab", "cde", "", "f"}, 100, 6, {}, "abcdef"},
      {"large", {big, "y"}, 200'000, 100'001, {}, big + "y"},
      {"the reader fails", {"ab", reset, "cd"}, 100, 2, reset, "ab"},
      {"the writer fails", {"ab", "cd", "ef"}, 3, 2, broken, "abc"},
      {"the writer fails at once", {"ab"}, 0, 0, broken, ""},
      {"data, then both fail: the first wins", {"ab", "cd", reset}, 2, 2, broken, "ab"},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    for (const bool with_context : {false, true}) {
      scripted_reader from(r.steps);
      recording_writer to(r.room);
      const transfer copied = with_context ? copy(ringo::background(), to, from) : copy(to, from);
      CHECK(copied == transfer{r.bytes, r.error});
      CHECK(to.text() == r.text);
      CHECK(from.largest() <= 32 * 1024);
    }
  }
}

TEST_CASE("copy: counts exactly when the writer can tell") {
  scripted_reader from({"abcd", "efgh"});
  slow_writer to(7);
  CHECK(copy(to, from) == transfer{7, broken});
  CHECK(to.text() == "abcdefg");
}

TEST_CASE("copy: a context that is done ends it, on either side") {
  scripted_reader from({"abc"});
  recording_writer to;
  CHECK(copy(done_context(), to, from) == transfer{0, errc::canceled});
  CHECK(from.reads() == 0);
  CHECK(copy(done_context(), discard, from) == transfer{0, errc::canceled});
  CHECK(discard.write(done_context(), "x") == errc::canceled);
}

TEST_CASE("copy_n: copies so many bytes, and reads no more") {
  struct row {
    const char* what;
    std::vector<read_step> steps;
    std::uint64_t count;
    std::uint64_t bytes;
    std::error_code error;
    std::size_t left;
  };
  const std::vector<row> rows = {
      {"a part", {"abc", "def", "ghi"}, 4, 4, {}, 2},
      {"all", {"abc", "def"}, 6, 6, {}, 0},
      {"too short", {"abc"}, 4, 3, errc::eof, 0},
      {"nothing there", {}, 4, 0, errc::eof, 0},
      {"nothing wanted", {"abc"}, 0, 0, {}, 1},
      {"an error", {"abc", reset}, 4, 3, reset, 0},
      {"an error behind", {"abcd", reset}, 4, 4, {}, 1},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    for (const bool with_context : {false, true}) {
      scripted_reader from(r.steps);
      recording_writer to;
      const transfer copied =
          with_context ? copy_n(ringo::background(), to, from, r.count) : copy_n(to, from, r.count);
      CHECK(copied == transfer{r.bytes, r.error});
      CHECK(to.text().size() == r.bytes);
      CHECK(from.left() == r.left);
    }
  }
}

TEST_CASE("copy: finds what a pair of streams offers, and else goes through a buffer") {
  scripted_reader from({"abc"});
  clever_writer clever(true);
  CHECK(copy(clever, from) == transfer{1000, {}});
  CHECK(copy_n(clever, from, 5) == transfer{5, {}});
  CHECK(copy_n(clever, from, 1001) == transfer{1000, errc::eof});
  CHECK(copy(done_context(), clever, from) == transfer{1000, errc::canceled});
  CHECK(clever.limits() == std::vector<std::uint64_t>{no_limit, 5, 1001, no_limit});
  CHECK(from.reads() == 0);

  clever_writer unable(false);
  CHECK(copy(unable, from) == transfer{3, {}});
  CHECK(unable.text() == "abc");
  CHECK(unable.limits() == std::vector<std::uint64_t>{no_limit});

  clever_reader source{"abc"};
  CHECK(copy(clever, source) == transfer{77, {}});
  CHECK(copy(ringo::background(), discard, source) == transfer{3, {}});  // offers none with one
}

TEST_CASE("limited_reader: ends at the limit, or with the stream") {
  scripted_reader from({"abc", "def", "ghi"});
  limited_reader<scripted_reader&> first(from, 5);
  CHECK(read_all(first).value_or("") == "abcde");
  CHECK(first.left() == 0);
  std::string one(1, '?');
  CHECK(first.read(one).error() == errc::eof);
  CHECK(first.read(ringo::background(), one).error() == errc::eof);
  CHECK(first.read(buffer()).value_or(7) == 0);

  limited_reader<scripted_reader&> rest(from, 100);
  CHECK(read_all(ringo::background(), rest).value_or("") == "fghi");
  CHECK(rest.left() == 96);

  limited_reader owner(scripted_reader({"abc"}), 2);
  static_assert(std::is_same_v<decltype(owner), limited_reader<scripted_reader>>);
  CHECK(read_all(owner).value_or("") == "ab");
}

TEST_CASE("limited_reader: takes what its reader offers copy, up to the limit") {
  scripted_reader from({"abc", "def"});
  clever_writer clever(true);
  limited_reader<scripted_reader&> limited(from, 600);
  CHECK(copy_n(clever, limited, 200) == transfer{200, {}});
  CHECK(copy(clever, limited) == transfer{400, {}});
  CHECK(limited.left() == 0);
  CHECK(clever.limits() == std::vector<std::uint64_t>{200, 400});

  limited_reader<scripted_reader&> plain(from, 4);
  recording_writer broken_one(1);
  CHECK(copy(broken_one, plain) == transfer{0, broken});
  CHECK(plain.left() == 1);  // what was read counts, though it was not written
}

TEST_CASE("discard: takes everything") {
  scripted_reader from({"abc", std::string(100'000, 'x')});
  CHECK(copy(discard, from) == transfer{100'003, {}});
}

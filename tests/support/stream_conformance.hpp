#pragma once

// What every connection does, whatever it is made of: the eleven checks of golang.org/x/net/nettest
// (NT-12, NT-13, NT-16), and what ringo adds to them, contexts and closing. For connections that
// have read, write (with and without a context), set_deadline, set_read_deadline,
// set_write_deadline and close.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/detail/inspect.hpp>
#include <ringo/error.hpp>
#include <ringo/io/stream.hpp>
#include <ringo/time/now.hpp>

#include "eventually.hpp"
#include "expect.hpp"
#include "fibers.hpp"
#include "seed.hpp"
#include "sizes.hpp"

namespace ringo::test::conformance {

using time_point = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

// clang-format off
//                                                     plain    asan     tsan
inline constexpr auto stream_bytes = sizes::pick<std::size_t>(1 << 20, 1 << 20, 1 << 18);
inline constexpr auto racy_rounds  = sizes::pick<std::size_t>(100,     50,      20);
inline constexpr auto racy_fibers  = sizes::pick<std::size_t>(10,      10,      10);
inline constexpr auto callers      = sizes::pick<std::size_t>(100,     50,      20);
inline constexpr auto last_ping    = sizes::pick<std::uint64_t>(1'000, 1'000,   500);
// clang-format on
inline constexpr std::size_t chunk = 1024;  // the largest write: a packet for unixpacket
inline constexpr time_point never = time_point::max();
inline constexpr char resync_mark = '\xff';

inline time_point long_ago() {
  return ringo::now() - std::chrono::seconds(1);
}

inline std::string zeros() {
  return std::string(chunk, '\0');
}

inline void expect_deadline_exceeded(std::error_code error,
                                     const char* file = __builtin_FILE(),
                                     int line = __builtin_LINE()) {
  expect_equal(
      error, std::error_code(errc::deadline_exceeded), "error == deadline_exceeded", file, line);
}

/// Until the stream ends, or something fails; the end is no error. Never by a shortcut of copy().
template <class To, class From>
std::error_code copy_in_chunks(const To& to, From& from) {
  std::string bytes = zeros();
  for (;;) {
    const auto count = from.read(bytes);
    if (!count) return count.error() == errc::eof ? std::error_code{} : count.error();
    if (const auto error = to.write(io::const_buffer(bytes.data(), *count))) return error;
  }
}

/// Until something fails.
template <class Conn>
std::error_code read_for_ever(const Conn& conn) {
  std::string into = zeros();
  for (;;) {
    const auto count = conn.read(into);
    if (!count) return count.error();
  }
}
template <class Conn>
std::error_code write_for_ever(const Conn& conn) {
  const std::string bytes = zeros();
  for (;;) {
    if (const auto error = conn.write(bytes)) return error;
  }
}

/// Fibers of which one can tell that they are blocked. Joined at the end.
class blocked_fibers {
 public:
  template <class F>
  void go(F fn) {
    auto id = std::make_shared<std::atomic<std::uint64_t>>(0);
    ids_.push_back(id);
    fibers_.go([id, fn = std::move(fn)]() mutable {
      *id = ringo::this_fiber::id();
      fn();
    });
  }
  /// Each was seen blocked once.
  void wait_until_blocked() const {
    for (const auto& id : ids_) {
      eventually([&] { return *id != 0 && ringo::detail::wait_reason_of(*id) != nullptr; },
                 "a fiber to block on a connection");
    }
  }
  void join() { fibers_.join(); }

 private:
  std::vector<std::shared_ptr<std::atomic<std::uint64_t>>> ids_;
  fiber_group fibers_;
};

/// Both ends, and fibers that help; closes the ends, then joins them.
template <class Pair>
struct stage {
  Pair pair;
  fiber_group helpers;

  auto& c1() { return pair.first; }
  auto& c2() { return pair.second; }

  /// What is written to c1 comes back.
  void echo_at_c2() {
    helpers.go([conn = c2()] { (void)copy_in_chunks(conn, conn); });
  }
  void sink_at_c2() {
    helpers.go([conn = c2()] { (void)read_for_ever(conn); });
  }
  void source_at_c2() {
    helpers.go([conn = c2()] { (void)write_for_ever(conn); });
  }
  void end() {
    (void)c1().close();
    (void)c2().close();
    helpers.join();
  }
};

template <class Conn>
void expect_round_trip(const Conn& conn) {
  (void)conn.set_deadline(never);
  const std::string sent = "Hello, world!";
  std::string back(sent.size(), '?');
  EXPECT_EQ(conn.write(sent), std::error_code());
  EXPECT_EQ(io::read_full(conn, back).error, std::error_code());
  EXPECT_EQ(back, sent);
}

/// Reads away what writes that failed have left on the wire, given an echo at the other end.
template <class Conn>
void resynchronize(const Conn& conn) {
  (void)conn.set_deadline(never);
  auto mark = ringo::spawn([conn] { return conn.write(std::string(1, resync_mark)); });
  std::string into = zeros();
  for (;;) {
    const auto count = conn.read(into);
    EXPECT_EQ(count.error(), std::error_code());
    if (!count || into[*count - 1] == resync_mark) break;
  }
  EXPECT_EQ(mark.join(), std::error_code());
}

template <class Stage>
void basic_io(Stage& s) {
  auto random = generator(0);
  std::string sent(stream_bytes, '\0');
  for (char& c : sent) c = static_cast<char>(random());
  s.helpers.go([&sent, conn = s.c1()] {
    for (std::size_t at = 0; at < sent.size(); at += chunk) {
      const std::size_t size = std::min(chunk, sent.size() - at);
      EXPECT_EQ(conn.write(io::const_buffer(sent.data() + at, size)), std::error_code());
    }
    EXPECT_EQ(std::error_code(conn.close()), std::error_code());
  });
  const auto received = io::read_all(s.c2());
  EXPECT_EQ(received.error(), std::error_code());
  EXPECT(received && *received == sent);
  EXPECT_EQ(std::error_code(s.c2().close()), std::error_code());
}

template <class Stage>
void ping_pong(Stage& s) {
  const auto play = [](auto conn) {
    std::string bytes(sizeof(std::uint64_t), '\0');
    for (std::uint64_t previous = 0, value = 0;; previous = value) {
      const auto read = io::read_full(conn, bytes);
      if (read.error == errc::eof) break;
      EXPECT_EQ(read.error, std::error_code());
      if (read.error) break;
      std::memcpy(&value, bytes.data(), sizeof value);
      const std::uint64_t next = value + 1;
      std::memcpy(bytes.data(), &next, sizeof next);
      if (previous != 0) EXPECT_EQ(value, previous + 2);
      if (value == last_ping) break;
      const std::error_code written = conn.write(bytes);
      EXPECT_EQ(written, std::error_code());
      if (written) break;
    }
    EXPECT_EQ(std::error_code(conn.close()), std::error_code());
  };
  fiber_group players;
  players.go([play, conn = s.c1()] { play(conn); });
  players.go([play, conn = s.c2()] { play(conn); });
  EXPECT_EQ(s.c1().write(std::string(sizeof(std::uint64_t), '\0')), std::error_code());
  players.join();
}

/// `move_bytes` is done with the memory when it returns: writing to it then is no race.
template <class Conn, class MoveBytes, class SetDeadline>
void expect_memory_is_free_after(const Conn& conn, MoveBytes move_bytes, SetDeadline set_deadline) {
  const auto soon = [=] { set_deadline(conn, ringo::now() + milliseconds(1)); };
  soon();
  fiber_group racers;
  for (std::size_t i = 0; i < racy_fibers; ++i) {
    racers.go([=] {
      for (std::size_t round = 0; round < racy_rounds; ++round) {
        auto bytes = std::make_unique<std::string>(chunk, '\0');  // freed at once, for ASan
        const std::error_code error = move_bytes(conn, *bytes);
        bytes->assign(chunk, '\0');
        if (!error) continue;
        expect_deadline_exceeded(error);
        soon();
      }
    });
  }
  racers.join();
}

template <class Stage>
void racy_read(Stage& s) {
  s.source_at_c2();
  expect_memory_is_free_after(
      s.c1(),
      [](const auto& conn, std::string& bytes) { return conn.read(bytes).error(); },
      [](const auto& conn, time_point at) { (void)conn.set_read_deadline(at); });
}

template <class Stage>
void racy_write(Stage& s) {
  s.sink_at_c2();
  expect_memory_is_free_after(
      s.c1(),
      [](const auto& conn, std::string& bytes) { return conn.write(bytes); },
      [](const auto& conn, time_point at) { (void)conn.set_write_deadline(at); });
}

template <class Stage>
void read_timeout(Stage& s) {
  s.sink_at_c2();
  (void)s.c1().set_read_deadline(long_ago());
  std::string into = zeros();
  expect_deadline_exceeded(s.c1().read(into).error());
  EXPECT_EQ(s.c1().write(zeros()), std::error_code());
}

template <class Stage>
void write_timeout(Stage& s) {
  s.source_at_c2();
  (void)s.c1().set_write_deadline(long_ago());
  expect_deadline_exceeded(s.c1().write(zeros()));
  std::string into = zeros();
  EXPECT(s.c1().read(into).value_or(0) > 0);
}

template <class Stage>
void past_timeout(Stage& s) {
  s.echo_at_c2();
  expect_round_trip(s.c1());
  (void)s.c1().set_deadline(long_ago());
  expect_deadline_exceeded(s.c1().write(zeros()));
  std::string into = zeros();
  expect_deadline_exceeded(s.c1().read(into).error());
  expect_round_trip(s.c1());  // nothing of that was written
}

template <class Stage>
void present_timeout(Stage& s) {
  std::atomic<bool> deadline_set{false};
  blocked_fibers blocked;
  blocked.go([&, conn = s.c1()] {
    std::string into = zeros();
    expect_deadline_exceeded(conn.read(into).error());
    EXPECT(deadline_set.load());
  });
  blocked.go([&, conn = s.c1()] {
    expect_deadline_exceeded(write_for_ever(conn));
    EXPECT(deadline_set.load());
  });
  blocked.wait_until_blocked();
  deadline_set = true;
  (void)s.c1().set_read_deadline(long_ago());
  (void)s.c1().set_write_deadline(long_ago());
  blocked.join();
}

template <class Stage>
void future_timeout(Stage& s) {
  const time_point at = ringo::now() + milliseconds(50);
  (void)s.c1().set_deadline(at);
  fiber_group blocked;
  blocked.go([=, conn = s.c1()] {
    std::string into = zeros();
    expect_deadline_exceeded(conn.read(into).error());
    EXPECT(ringo::now() >= at);
  });
  blocked.go([=, conn = s.c1()] {
    expect_deadline_exceeded(write_for_ever(conn));
    EXPECT(ringo::now() >= at);
  });
  blocked.join();
  s.echo_at_c2();
  resynchronize(s.c1());
  expect_round_trip(s.c1());
}

template <class Stage>
void close_timeout(Stage& s) {
  s.echo_at_c2();
  (void)s.c1().set_deadline(never);
  fiber_group busy;
  busy.go([conn = s.c1()] { EXPECT_EQ(read_for_ever(conn), std::error_code(errc::closed)); });
  busy.go([conn = s.c1()] { EXPECT_EQ(write_for_ever(conn), std::error_code(errc::closed)); });
  let_others_run();
  EXPECT_EQ(std::error_code(s.c1().close()), std::error_code());
  busy.join();
}

/// Closing wakes those who are surely blocked: nobody reads, and nobody writes, at the other end.
template <class Stage>
void close_while_blocked(Stage& s) {
  blocked_fibers blocked;
  for (int i = 0; i < 3; ++i) {
    blocked.go([conn = s.c1()] { EXPECT_EQ(read_for_ever(conn), std::error_code(errc::closed)); });
    blocked.go([conn = s.c1()] { EXPECT_EQ(write_for_ever(conn), std::error_code(errc::closed)); });
  }
  blocked.wait_until_blocked();
  EXPECT_EQ(std::error_code(s.c1().close()), std::error_code());
  blocked.join();
  std::string into = zeros();
  EXPECT_EQ(s.c1().read(into).error(), std::error_code(errc::closed));
  EXPECT_EQ(s.c1().write(zeros()), std::error_code(errc::closed));
  EXPECT_EQ(std::error_code(s.c1().close()), std::error_code(errc::closed));
}

template <class Stage>
void concurrent_methods(Stage& s) {
  s.echo_at_c2();
  fiber_group group;
  for (std::size_t i = 0; i < callers; ++i) {
    group.go([conn = s.c1()] {
      std::string into = zeros();
      (void)conn.read(into);
    });
    group.go([conn = s.c1()] { (void)conn.write(zeros()); });
    group.go([conn = s.c1()] { (void)conn.set_deadline(ringo::now() + milliseconds(10)); });
    group.go([conn = s.c1()] { (void)conn.set_read_deadline(long_ago()); });
    group.go([conn = s.c1()] { (void)conn.set_write_deadline(long_ago()); });
  }
  group.join();  // at worst the deadline is 10 ms ahead
  resynchronize(s.c1());
  expect_round_trip(s.c1());
}

/// A context ends what is blocked, and a done one what could go on; the connection stays usable.
template <class Stage>
void contexts(Stage& s) {
  const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
  blocked_fibers blocked;
  blocked.go([ctx = ctx, conn = s.c1()] {
    std::string into = zeros();
    EXPECT_EQ(conn.read(ctx, into).error(), std::error_code(errc::canceled));
  });
  blocked.go([ctx = ctx, conn = s.c1()] {
    const std::string bytes = zeros();
    std::error_code error;
    while (!error) error = conn.write(ctx, bytes);
    EXPECT_EQ(error, std::error_code(errc::canceled));
  });
  blocked.wait_until_blocked();
  cancel();
  blocked.join();
  s.echo_at_c2();
  resynchronize(s.c1());
  EXPECT_EQ(s.c1().write(ctx, "x"), std::error_code(errc::canceled));
  std::string into = zeros();
  EXPECT_EQ(s.c1().read(ctx, into).error(), std::error_code(errc::canceled));
  expect_round_trip(s.c1());
}

/// Runs every check by `run(body)`, which calls `body` once or many times, each time in a runtime.
/// `make()` gives two connected ends, as members `first` and `second`.
template <class Make, class Run>
void check_connections(Make make, Run run) {
  using this_stage = stage<decltype(make())>;
  struct check {
    const char* name;
    void (*body)(this_stage&);
  };
  constexpr check checks[] = {
      {"basic I/O", &basic_io<this_stage>},
      {"ping-pong", &ping_pong<this_stage>},
      {"racy read", &racy_read<this_stage>},
      {"racy write", &racy_write<this_stage>},
      {"read timeout", &read_timeout<this_stage>},
      {"write timeout", &write_timeout<this_stage>},
      {"past timeout", &past_timeout<this_stage>},
      {"present timeout", &present_timeout<this_stage>},
      {"future timeout", &future_timeout<this_stage>},
      {"close timeout", &close_timeout<this_stage>},
      {"close while blocked", &close_while_blocked<this_stage>},
      {"concurrent methods", &concurrent_methods<this_stage>},
      {"contexts", &contexts<this_stage>},
  };
  for (const check& one : checks) {
    const std::string name = one.name;
    CAPTURE(name);
    run([&] {
      this_stage s{make(), {}};
      one.body(s);
      s.end();
    });
  }
}

}  // namespace ringo::test::conformance

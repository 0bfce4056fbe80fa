// Traces: debug::set_trace(), debug::trace_for(), RINGO_TRACE. check_trace.py reads them.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/debug/trace.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/wait_group.hpp>

#include "sched/trace_ring.hpp"
#include "sched/trace_text.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/temporary_directory.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::debug::set_trace;
using ringo::detail::trace_event;
using ringo::detail::trace_kind;
using ringo::detail::trace_ring;
using ringo::detail::trace_text;

namespace {

/// A file that is gone afterwards.
class scratch_file {
 public:
  const std::string& path() const { return path_; }

 private:
  temporary_directory directory_;
  std::string path_ = directory_.path("trace.json");
};

struct verdict {
  bool good;
  std::string said;
};

/// `wanted`: what slices must say, each in quotes.
verdict check(const scratch_file& trace, const std::string& wanted = "") {
  const std::string command =
      RINGO_PYTHON " " RINGO_CHECK_TRACE " " + trace.path() + " " + wanted + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");  // NOLINT(cert-env33-c): fixed but for the file
  REQUIRE(pipe != nullptr);
  verdict result{false, {}};
  std::array<char, 256> part;
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) result.said += part.data();
  result.good = ::pclose(pipe) == 0;
  return result;
}

std::size_t number_behind(const std::string& word, const std::string& text) {
  const auto at = text.find(word + " ");
  return at != std::string::npos ? std::stoul(text.substr(at + word.size() + 1)) : 0;
}

/// Fibers that wake each other in all ways.
void busy_program() {
  auto ping = ringo::make_chan<int>();
  auto pong = ringo::make_chan<int>();
  ringo::mutex lock;
  ringo::wait_group done;
  ringo::go({.name = "answerer"}, [ping, pong]() mutable {
    while (auto number = ping.recv()) pong.send(*number + 1);
    pong.close();
  });
  for (int i = 0; i < 4; ++i) {
    done.go([&] {
      for (int n = 0; n < 100; ++n) {
        lock.lock();
        ringo::yield();
        lock.unlock();
      }
    });
  }
  done.go([] { ringo::blocking([] { std::this_thread::yield(); }); });
  for (int n = 0; n < 500; ++n) {
    ping.send(n);
    EXPECT(pong.recv() == n + 1);
  }
  ringo::sleep_for(1ms);  // tidy: real time: a sleep is one of the ways
  ping.close();
  EXPECT(!pong.recv().has_value());
  done.wait();
}

}  // namespace

TEST_CASE("DG-12: a trace parses, its slices nest, and every arrow has both ends") {
  for_each_worker_count([](std::size_t workers) {
    const scratch_file file;
    run_on(workers, [&] {
      EXPECT(!set_trace(file.path()));
      busy_program();
      EXPECT(!set_trace(""));
    });
    const verdict seen = check(file, "answerer main 'chan receive' yield end sleep blocking");
    CHECK_MESSAGE(seen.good, seen.said);
    CHECK(number_behind("runs", seen.said) > 900);
    CHECK(number_behind("arrows", seen.said) > 500);
    CHECK(number_behind("lost", seen.said) == 0);
  });
}

TEST_CASE("DG-12: traces begin and end under load") {
  run_freely_on_each([] {
    std::atomic<bool> over{false};
    ringo::wait_group done;
    for (int i = 0; i < 4; ++i) {
      done.go([&] {
        while (!over) busy_program();
      });
    }
    for (int i = 0; i < 5; ++i) {
      const auto text = ringo::debug::trace_for(10ms);
      EXPECT(text.has_value());
      EXPECT(text->starts_with("[\n"));
      EXPECT(text->ends_with("]\n"));
    }
    over = true;
    done.wait();
  });
}

TEST_CASE("DG-12: a trace is an error while another one is written") {
  const scratch_file file;
  const scratch_file other;
  run_on(2, [&] {
    EXPECT(!set_trace(file.path()));
    EXPECT(set_trace(other.path()) == std::errc::device_or_resource_busy);
    EXPECT(ringo::debug::trace_for(1ms).error() == std::errc::device_or_resource_busy);
    EXPECT(!set_trace(""));
    EXPECT(!set_trace(""));  // there is none
    EXPECT(ringo::debug::trace_for(1ms).has_value());
  });
  CHECK(check(file).good);
}

TEST_CASE("set_trace: a file that cannot be is an error") {
  run_on(1, [] {
    EXPECT(set_trace("/nowhere/at/all") == std::errc::no_such_file_or_directory);
    EXPECT(!set_trace(""));
  });
}

TEST_CASE("set_trace: a trace goes on from run to run") {
  const scratch_file file;
  CHECK(!set_trace(file.path()));
  for (int i = 0; i < 3; ++i) run_on(2, busy_program);
  CHECK(!set_trace(""));
  const verdict seen = check(file, "answerer");
  CHECK_MESSAGE(seen.good, seen.said);
  CHECK(number_behind("runs", seen.said) > 3 * 900);
}

TEST_CASE("trace_for: a context ends it early") {
  run_on(2, [] {
    const auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    cancel();
    EXPECT(ringo::debug::trace_for(ctx, 1h).error() == ringo::errc::canceled);
    EXPECT(ringo::debug::trace_for(1ms).has_value());
  });
}

TEST_CASE("trace_for: at its limit a trace ends as a whole one") {
  const scratch_file file;
  constexpr std::size_t limit = 100'000;
  run_on(2, [&] {
    std::atomic<bool> over{false};
    ringo::wait_group done;
    done.go([&] {
      while (!over) busy_program();
    });
    std::string text;
    eventually(
        [&] {
          text = ringo::debug::trace_for(20ms, limit).value();
          return text.find("\"cut\":true") != std::string::npos;
        },
        "so much to happen");
    over = true;
    done.wait();
    EXPECT(text.size() <= limit);
    EXPECT(text.size() > limit / 2);
    std::ofstream(file.path()) << text;
  });
  const verdict seen = check(file);
  CHECK_MESSAGE(seen.good, seen.said);
}

TEST_CASE("RINGO_TRACE: a whole program is traced, to its end") {
  for (const std::string mode : {"return", "exit"}) {
    CAPTURE(mode);
    const int status = mode == "exit" ? 3 : 0;
    const scratch_file file;
    const auto result = run_program(
        {.name = "traced", .arguments = {mode}, .environment = {"RINGO_TRACE=" + file.path()}});
    CHECK_MESSAGE(result.exited_with(status), result.output);
    CHECK(result.output.empty());
    const verdict seen = check(file, "first second main end");
    CHECK_MESSAGE(seen.good, seen.said);
  }
}

// The thread that writes the trace was taken for one that may still wake somebody, as long as the
// scheduler did not know it.
TEST_CASE("RINGO_TRACE: a run that is stuck at once is a deadlock all the same") {
  const scratch_file file;
  const auto result = run_program(
      {.name = "traced", .arguments = {"stuck"}, .environment = {"RINGO_TRACE=" + file.path()}});
  CHECK(result.exited_with(2));
  CHECK(result.printed("deadlock!"));
}

TEST_CASE("RINGO_TRACE: a file that cannot be is said, and the program runs") {
  const auto result = run_program(
      {.name = "traced", .arguments = {"exit"}, .environment = {"RINGO_TRACE=/nowhere/at/all"}});
  CHECK(result.exited_with(3));
  CHECK(result.printed("RINGO_TRACE=/nowhere/at/all: "));
}

TEST_CASE("trace_ring: what finds no room is counted, and told ahead of what finds some") {
  const auto ring = std::make_unique<trace_ring>();
  for (std::uint64_t i = 0; i < trace_ring::capacity + 7; ++i) ring->note(trace_kind::wake, i);
  CHECK(ring->head() - ring->tail() == trace_ring::capacity);
  CHECK(ring->at(ring->head() - 1).words[0] == trace_ring::capacity - 1);
  ring->advance(ring->tail() + 1);
  ring->note(trace_kind::wake, 1);  // there is room for it, but not for both
  ring->advance(ring->tail() + 2);
  ring->note(trace_kind::wake, 2);
  CHECK(ring->at(ring->head() - 2).kind == trace_kind::lost);
  CHECK(ring->at(ring->head() - 2).words[0] == 8);
  CHECK(ring->at(ring->head() - 1).words[0] == 2);
}

TEST_CASE("trace_ring: the reader sees whole events, in order") {
  const auto ring = std::make_unique<trace_ring>();
  constexpr std::uint64_t count = 300'000;
  std::thread worker([&] {
    for (std::uint64_t i = 0; i < count; ++i) ring->note(trace_kind::span, i, i + 1, i + 2);
    while (ring->head() != ring->tail()) std::this_thread::yield();
    ring->note(trace_kind::span, count, count + 1, count + 2);
  });
  std::uint64_t seen = 0;
  std::uint64_t lost = 0;
  std::uint64_t next = 0;
  bool good = true;
  while (next <= count) {
    for (std::uint64_t at = ring->tail(); at != ring->head(); ++at) {
      const trace_event event = ring->at(at);
      if (event.kind == trace_kind::lost) {
        lost += event.words[0];
        next += event.words[0];
      } else {
        good &= event.words[0] == next && event.words[1] == next + 1 && event.words[2] == next + 2;
        ++next;
        ++seen;
      }
      ring->advance(at + 1);
    }
  }
  worker.join();
  CHECK(good);
  CHECK(seen + lost == count + 1);
}

TEST_CASE("trace_text: names are text, whatever is in them") {
  trace_text text(100);
  std::array<std::uint64_t, 3> name{};
  std::memcpy(name.data(), "a\"b\\c\n\xFF", 7);
  text.add(0, {110, trace_kind::first, {7, 0, 0}});
  text.add(0, {111, trace_kind::name, name});
  text.add(0, {112, trace_kind::run, {0, 7, 0}});
  text.add(0, {120, trace_kind::run, {0, 0, 0}});
  CHECK(text.text().find(R"("name":"a\"b\\c??")") != std::string::npos);
}

TEST_CASE(
    "trace_text: a run says how long it was queued, and has an arrow from the run that woke it") {
  trace_text text(0);
  text.add(0, {1'000, trace_kind::wake, {7, 0, 0}});  // by the engine
  text.add(0, {3'500, trace_kind::run, {0, 7, 0}});
  text.add(0, {4'000, trace_kind::wake, {8, 0, 0}});  // by fiber 7
  text.add(1, {4'250, trace_kind::run, {0, 8, 0}});
  text.add(0, {5'000, trace_kind::run, {0, 0, 0}});
  text.add(1, {6'000, trace_kind::run, {0, 7, 0}});  // after a yield: nobody woke it
  text.add(1, {7'000, trace_kind::run, {0, 0, 0}});
  const std::string& all = text.text();
  CHECK(all.find(R"("fiber":7,"queued_us":2.500,)") != std::string::npos);
  CHECK(all.find(R"("fiber":8,"queued_us":0.250,)") != std::string::npos);
  CHECK(all.find(R"("fiber":7,"then")") != std::string::npos);
  CHECK(all.find(R"("ph":"s","pid":1,"tid":1,"ts":4.000)") != std::string::npos);
  CHECK(all.find(R"("ph":"f","pid":1,"tid":2,"ts":4.250)") != std::string::npos);
  CHECK(all.find(R"("ph":"s")") == all.rfind(R"("ph":"s")"));
}

TEST_CASE("trace_text: a run that something was lost in ends where it was known last") {
  trace_text text(0);
  text.add(0, {1'000, trace_kind::run, {0, 7, 0}});
  text.add(0, {2'000, trace_kind::wake, {8, 0, 0}});
  text.add(0, {9'000, trace_kind::lost, {5, 0, 0}});
  CHECK(text.text().find(R"("ts":1.000,"name":"fiber","dur":1.000)") != std::string::npos);
  CHECK(text.text().find(R"("ts":2.000,"name":"events lost","dur":7.000)") != std::string::npos);
  CHECK(text.lost() == 5);
}

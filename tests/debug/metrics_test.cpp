// The numbers that a program says about itself: stats() and debug::prometheus().

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <numeric>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/debug/metrics.hpp>
#include <ringo/go.hpp>
#include <ringo/io/pipe.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/wait_group.hpp>

#include "sched/wait_counts.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

std::uint64_t waits_of(const ringo::statistics& s) {
  const auto& counts = s.run_queue_wait.counts;
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

/// Sample by sample, without the comments.
std::map<std::string, std::string> samples_of(const std::string& text) {
  std::map<std::string, std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    const auto space = line.rfind(' ');
    found[line.substr(0, space)] = line.substr(space + 1);
  }
  return found;
}

}  // namespace

TEST_CASE("DG-15: fibers are counted by state, and add up") {
  run_freely_on_each([] {
    const auto before = ringo::stats();
    auto never_sent = ringo::make_chan<int>();
    ringo::wait_group done;
    std::atomic<int> inside{0};
    std::atomic<bool> let_go{false};
    for (int i = 0; i < 5; ++i) done.go([&] { (void)never_sent.recv(); });
    done.go([&] {
      ringo::blocking([&] {
        ++inside;
        while (!let_go) std::this_thread::yield();
      });
    });
    eventually(
        [&] {
          const auto now = ringo::stats();
          return inside == 1 && now.parked == 5 && now.blocking == 1 && now.running == 1;
        },
        "5 parked, 1 in blocking(), and this one");
    const auto now = ringo::stats();
    EXPECT(now.fibers == 7);
    EXPECT(now.fibers == now.running + now.runnable + now.blocking + now.parked);
    EXPECT(now.spawned == before.spawned + 6);
    never_sent.close();
    let_go = true;
    done.wait();
    eventually([&] { return ringo::stats().ended == before.ended + 6; }, "all of them to end");
  });
}

TEST_CASE("stats: fibers that wait for a worker are runnable") {
  run_on(1, [] {
    ringo::wait_group done;
    for (int i = 0; i < 300; ++i) done.go([] {});  // more than a run queue takes
    const auto now = ringo::stats();
    EXPECT(now.runnable == 300);
    EXPECT(now.running == 1);
    done.wait();
  });
}

TEST_CASE("stats: parks are counted, and nothing else is") {
  run_on(1, [] {
    auto ping = ringo::make_chan<int>();
    ringo::wait_group done;
    done.go([&] {
      for (int i = 0; i < 100; ++i) (void)ping.recv();
    });
    const auto before = ringo::stats();
    for (int i = 0; i < 100; ++i) ping.send(i);
    done.wait();
    const auto parked = ringo::stats().parks - before.parks;
    EXPECT(parked >= 100);  // each value was waited for, by the one or the other
    EXPECT(parked <= 201);  // both of them at most, and this one at its end
    const auto parks = ringo::stats().parks;
    for (int i = 0; i < 100; ++i) ringo::yield();
    EXPECT(ringo::stats().parks == parks);
  });
}

TEST_CASE("stats: waits for a worker are measured, of a sample") {
  run_freely_on_each([] {
    ringo::wait_group done;
    for (int i = 0; i < 8; ++i) {
      done.go([] {
        for (int n = 0; n < 20'000; ++n) ringo::yield();
      });
    }
    done.wait();
    const auto now = ringo::stats();
    const std::uint64_t measured = waits_of(now);
    EXPECT(measured > 0);
    EXPECT(measured <= now.switches / 64);
    EXPECT(now.run_queue_wait.total > 0ns);
  });
}

TEST_CASE("stats: a fiber that waits behind one that computes has waited for so long") {
  run_on(1, [] {
    const auto long_waits = [] {
      const auto counts = ringo::stats().run_queue_wait.counts;
      return std::accumulate(counts.begin() + 10, counts.end(), std::uint64_t{0});  // over 512 us
    };
    eventually(
        [&] {
          ringo::wait_group done;
          for (int i = 0; i < 2; ++i) {
            done.go([] {
              for (int n = 0; n < 256; ++n) {
                const auto until = std::chrono::steady_clock::now() + 1ms;
                while (std::chrono::steady_clock::now() < until) {
                }
                ringo::yield();
              }
            });
          }
          done.wait();
          return long_waits() > 0;
        },
        "a measured wait of a millisecond");
  });
}

TEST_CASE("stats: engines count their calls and what they complete") {
  run_freely_on_each([] {
    const auto before = ringo::stats();
    auto [reader, writer] = ringo::io::pipe().value();
    ringo::wait_group done;
    done.go([&from = reader] {
      std::byte byte{};
      while (from.read({&byte, 1})) {
      }
    });
    // What is written before the reader waits for it ends no operation.
    eventually(
        [&, &to = writer] {
          const std::byte byte{1};
          EXPECT(!to.write({&byte, 1}));
          const auto now = ringo::stats();
          return now.completions > before.completions && now.engine_calls > before.engine_calls;
        },
        "a read that has waited to be counted");
    EXPECT(!writer.close());
    done.wait();
  });
}

TEST_CASE("wait_counts: each wait is in the bucket whose limit it does not exceed") {
  using counts = ringo::detail::wait_counts;
  CHECK(counts::bucket_of(-1ns) == 0);
  CHECK(counts::bucket_of(0ns) == 0);
  CHECK(counts::bucket_of(1us) == 0);
  for (std::size_t i = 0; i + 1 < counts::buckets; ++i) {
    CAPTURE(i);
    const std::chrono::nanoseconds limit = ringo::wait_histogram::limit(i);
    CHECK(counts::bucket_of(limit) == i);
    CHECK(counts::bucket_of(limit + 1ns) == i + 1);
  }
  CHECK(counts::bucket_of(24h) == counts::buckets - 1);
}

TEST_CASE("prometheus: every line is of the text format 0.0.4") {
  run_on(2, [] {
    const std::string text = ringo::debug::prometheus();
    static const std::regex comment(R"(# (HELP|TYPE) ringo_[a-z_]+ .+)");
    static const std::regex sample(R"(ringo_[a-z_]+(\{[a-z]+="[^"\\]+"\})? [0-9]+(\.[0-9]+)?)");
    EXPECT(text.ends_with('\n'));
    std::istringstream lines(text);
    std::string family;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with('#')) {
        EXPECT(std::regex_match(line, comment));
        family = line.substr(7, line.find(' ', 7) - 7);
      } else {
        EXPECT(std::regex_match(line, sample));
        EXPECT(line.starts_with(family));  // samples stand behind their family's comments
      }
    }
  });
}

TEST_CASE("prometheus: the histogram is cumulative, and its end is its count") {
  run_on(1, [] {
    ringo::wait_group done;
    for (int i = 0; i < 4; ++i) {
      done.go([] {
        for (int n = 0; n < 2'000; ++n) ringo::yield();
      });
    }
    done.wait();
    std::istringstream lines(ringo::debug::prometheus());
    std::uint64_t last = 0;
    std::size_t buckets = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("ringo_run_queue_wait_seconds_bucket")) continue;
      const std::uint64_t count = std::stoull(line.substr(line.rfind(' ')));
      EXPECT(count >= last);
      last = count;
      ++buckets;
    }
    EXPECT(buckets == ringo::wait_histogram::buckets);
    EXPECT(last > 0);
    const auto samples = samples_of(ringo::debug::prometheus());
    EXPECT(samples.at("ringo_run_queue_wait_seconds_bucket{le=\"+Inf\"}") ==
           samples.at("ringo_run_queue_wait_seconds_count"));
  });
}

TEST_CASE("prometheus: outside run() the counts are 0") {
  const auto samples = samples_of(ringo::debug::prometheus());
  CHECK(samples.at("ringo_fibers{state=\"running\"}") == "0");
  CHECK(samples.at("ringo_switches_total") == "0");
  CHECK(samples.at("ringo_run_queue_wait_seconds_count") == "0");
}

// Select over sets made at run time, large ones too, and what many selects leave behind: nothing.

#include <doctest/doctest.h>
#include <malloc.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/heap.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

/// For who reads of a failure: how much it is, and whose.
static void tell_of_heap(std::size_t before, std::size_t after) {
  std::fprintf(stderr, "heap: %zu bytes before, %zu after\n", before, after);
#if !RINGO_ASAN && !RINGO_TSAN
  ::malloc_info(0, stderr);
#endif
}

// After Go's test/chan/select2.go. The quiet channel is in every select and never ready: an entry
// that stays in its queue would show.
TEST_CASE("SE-27: repeated selects do not gather memory") {
  run_freely_on_each([] {
    auto busy = make_chan<int>();
    auto quiet = make_chan<int>();
    constexpr std::size_t growth_max = 100'000;
    std::size_t growth = 0;
    for (int warm = 0; warm < 2; ++warm) {
      const std::size_t before = heap_in_use();
      const auto sender = watched_fiber::start([&] {
        for (std::size_t i = 0; i < sizes::quiet_selects; ++i) busy.send(1);
      });
      for (std::size_t i = 0; i < sizes::quiet_selects; ++i) {
        EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::recv(busy)), std::size_t{1});
      }
      sender.wait();
      const std::size_t after = heap_in_use();
      growth = after > before ? after - before : 0;
      if (warm == 1 && growth >= growth_max) tell_of_heap(before, after);
    }
    EXPECT(growth < growth_max);
    EXPECT(!quiet.try_send(1));
  });
}

TEST_CASE("SE-27: selects that park on many quiet channels leave all of them empty") {
  run_on_each([] {
    std::vector<chan<int>> quiet;
    for (int i = 0; i < 16; ++i) quiet.push_back(make_chan<int>());
    auto busy = make_chan<int>();
    const auto sender = watched_fiber::start([&] {
      for (std::size_t i = 0; i < sizes::handover_rounds; ++i) busy.send(1);
    });
    for (std::size_t i = 0; i < sizes::handover_rounds; ++i) {
      std::vector<ringo::select_case> cases;
      for (const auto& ch : quiet) {
        if (i % 2 == 0) {
          cases.push_back(ringo::recv(ch));
        } else {
          cases.push_back(ringo::send(ch, 1));
        }
      }
      cases.push_back(ringo::recv(busy));
      EXPECT_EQ(ringo::select(cases), quiet.size());
    }
    sender.wait();
    for (auto& ch : quiet) {
      EXPECT(!ch.try_send(1));
      EXPECT(!ch.try_recv());
    }
  });
}

TEST_CASE("SE-28: a set made at run time behaves as one written down") {
  run_on_each([] {
    auto a = make_chan<int>();
    auto b = make_chan<std::string>(1);
    std::optional<int> value;
    std::vector<ringo::select_case> cases;
    cases.push_back(ringo::recv(a, value));
    cases.push_back(ringo::send(b, "text"));
    cases.push_back(ringo::otherwise);
    EXPECT_EQ(ringo::select(cases), std::size_t{1});
    EXPECT_EQ(b.recv(), std::optional<std::string>("text"));

    cases.clear();
    cases.push_back(ringo::otherwise);
    cases.push_back(ringo::recv(a, value));
    EXPECT_EQ(ringo::select(std::span<ringo::select_case>(cases)), std::size_t{0});

    const auto sender = watched_fiber::start([&] { a.send(3); });
    std::array<ringo::select_case, 2> fixed = {ringo::select_case(ringo::recv(b)),
                                               ringo::select_case(ringo::recv(a, value))};
    EXPECT_EQ(ringo::select(fixed), std::size_t{1});
    EXPECT_EQ(value, std::optional<int>(3));
    sender.wait();
  });
}

TEST_CASE("SE-28: a run-time set runs the handler of the case that ran") {
  run_on_each([] {
    std::vector<chan<int>> lanes;
    for (int i = 0; i < 5; ++i) lanes.push_back(make_chan<int>(1));
    for (std::size_t target = 0; target < lanes.size(); ++target) {
      std::vector<int> handled(lanes.size());
      std::vector<ringo::select_case> cases;
      for (std::size_t i = 0; i < lanes.size(); ++i) {
        cases.push_back(ringo::recv(
            lanes[i], [&handled, i, kept = std::make_unique<int>(1)](std::optional<int> value) {
              handled[i] = *value + *kept;
            }));
      }
      cases.push_back(ringo::otherwise([] { EXPECT(false); }));
      lanes[target].send(41);
      EXPECT_EQ(ringo::select(cases), target);
      for (std::size_t i = 0; i < lanes.size(); ++i) EXPECT_EQ(handled[i], i == target ? 42 : 0);
    }
  });
}

TEST_CASE("SE-28: a select over thousands of channels wakes on the right one") {
  run_freely_on_each([] {
    constexpr std::size_t count = sizes::dynamic_channels;
    std::vector<chan<std::size_t>> lanes;
    for (std::size_t i = 0; i < count; ++i) lanes.push_back(make_chan<std::size_t>());
    for (const std::size_t target : {std::size_t{0}, count / 2, count - 1}) {
      const auto fiber = go_until_parked(parked_in_select, [&] {
        std::optional<std::size_t> value;
        std::vector<ringo::select_case> cases;
        cases.reserve(count);
        for (const auto& lane : lanes) cases.push_back(ringo::recv(lane, value));
        EXPECT_EQ(ringo::select(cases), target);
        EXPECT_EQ(value, std::optional<std::size_t>(target));
      });
      lanes[target].send(target);
      fiber.wait();
    }
    std::size_t still_queued = 0;
    for (auto& lane : lanes) still_queued += lane.try_send(0) ? 1 : 0;
    EXPECT_EQ(still_queued, std::size_t{0});
  });
}

// After Go's TestSelectMaxCases.
TEST_CASE("SE-28: a select takes 65536 cases and panics with more") {
  run_on_each([] {
    constexpr std::size_t cases_max = 65'536;
    auto closed = make_chan<int>();
    closed.close();
    const auto cases_of = [&](std::size_t count) {
      std::vector<ringo::select_case> cases;
      cases.reserve(count);
      for (std::size_t i = 0; i < count; ++i) cases.push_back(ringo::recv(closed));
      return cases;
    };
    auto just_right = cases_of(cases_max);
    EXPECT(ringo::select(just_right) < cases_max);
    auto too_many = cases_of(cases_max + 1);
    EXPECT_EQ(panic_text([&] { ringo::select(too_many); }), "select: too many cases");
  });
}

TEST_CASE("SE-28: plain threads select over run-time sets as well") {
  run_on_each([] {
    std::vector<chan<int>> lanes;
    for (int i = 0; i < 10; ++i) lanes.push_back(make_chan<int>());
    thread_group threads;
    threads.start([&] {
      for (int round = 0; round < 10; ++round) {
        std::optional<int> value;
        std::vector<ringo::select_case> cases;
        for (const auto& lane : lanes) cases.push_back(ringo::recv(lane, value));
        EXPECT_EQ(ringo::select(cases), static_cast<std::size_t>(round));
        EXPECT_EQ(value, std::optional<int>(round));
      }
    });
    for (int round = 0; round < 10; ++round) lanes[static_cast<std::size_t>(round)].send(round);
    threads.join();
  });
}

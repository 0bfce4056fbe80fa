// Waking a parked select: one case commits, the others leave no trace in any queue.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/select.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

// After Go's test/chan/doubleselect.go: had two cases of one select run, a value would come twice.
TEST_CASE("SE-9: exactly one case of a select commits") {
  run_on_each([] {
    constexpr std::size_t channels = 4;
    std::array<chan<std::size_t>, channels> lanes;
    for (auto& lane : lanes) lane = make_chan<std::size_t>();
    auto merged = make_chan<std::size_t>();
    fiber_group fibers;
    fibers.go([&] {
      for (std::size_t i = 0; i < sizes::double_select_rounds; ++i) {
        ringo::select(ringo::send(lanes[0], i),
                      ringo::send(lanes[1], i),
                      ringo::send(lanes[2], i),
                      ringo::send(lanes[3], i));
      }
      for (auto& lane : lanes) lane.close();
    });
    std::atomic<std::size_t> open_lanes = channels;
    for (auto& lane : lanes) {
      fibers.go([&] {
        for (const std::size_t value : lane) merged.send(value);
        if (--open_lanes == 0) merged.close();
      });
    }
    std::vector<char> seen(sizes::double_select_rounds);
    std::size_t twice = 0;
    std::size_t count = 0;
    for (const std::size_t value : merged) {
      if (seen[value] != 0) ++twice;
      seen[value] = 1;
      ++count;
    }
    fibers.join();
    EXPECT_EQ(twice, std::size_t{0});
    EXPECT_EQ(count, sizes::double_select_rounds);
  });
}

TEST_CASE("SE-9: a value in several send cases is delivered once, the others are withdrawn") {
  run_on_each([] {
    auto a = make_chan<int>();
    auto b = make_chan<int>();
    const auto sender = go_until_parked(parked_in_select, [&] {
      EXPECT_EQ(ringo::select(ringo::send(a, 1), ringo::send(b, 1), ringo::send(a, 1)),
                std::size_t{1});
    });
    EXPECT_EQ(b.recv(), std::optional<int>(1));
    EXPECT(!a.try_recv());
    EXPECT(!b.try_recv());
    sender.wait();
    EXPECT(!a.try_recv());
  });
}

// After Go's TestNonblockSelectRace and TestNonblockSelectRace2. From the time the second fiber
// exists, a or b is ready: a from the start, b before a is taken. So its select never sees both
// empty, if it looks at both at one moment.
TEST_CASE("SE-10: a non-blocking select looks at all its channels at one moment") {
  for (const bool by_close : {false, true}) {
    CAPTURE(by_close);
    run_on_each([&] {
      std::size_t misses = 0;
      for (std::size_t round = 0; round < sizes::snapshot_rounds; ++round) {
        auto a = make_chan<int>(1);
        auto b = make_chan<int>(by_close ? 0 : 1);
        a.send(1);
        auto found = ringo::spawn([a, b] {
          return ringo::select(ringo::recv(a), ringo::recv(b), ringo::otherwise) != 2;
        });
        if (by_close) {
          b.close();
        } else {
          b.send(1);
        }
        (void)a.try_recv();
        if (!found.join()) ++misses;
      }
      EXPECT_EQ(misses, std::size_t{0});
    });
  }
}

// After Go's TestSelectDuplicateChannel. A stands in c's queue twice, before B. When d wakes A,
// both of its entries must go and B must stay.
TEST_CASE("SE-15: one channel may stand in several cases") {
  run_on_each([] {
    auto c = make_chan<int>();
    auto d = make_chan<int>();
    const auto first = go_until_parked(parked_in_select, [&] {
      EXPECT_EQ(ringo::select(ringo::recv(c), ringo::recv(c), ringo::recv(d)), std::size_t{2});
    });
    const auto second =
        go_until_parked(parked_in_recv, [&] { EXPECT_EQ(c.recv(), std::optional<int>(8)); });
    d.send(7);
    first.wait();
    EXPECT(!second.finished());
    c.send(8);
    second.wait();
    EXPECT(!c.try_send(9));
  });
}

TEST_CASE("SE-15: one channel in several cases is received from once") {
  run_on_each([] {
    auto c = make_chan<int>();
    for (int i = 0; i < 20; ++i) {
      std::array<std::optional<int>, 3> values;
      const auto fiber = go_until_parked(parked_in_select, [&] {
        ringo::select(
            ringo::recv(c, values[0]), ringo::recv(c, values[1]), ringo::recv(c, values[2]));
      });
      c.send(i);
      EXPECT(!c.try_send(99));
      fiber.wait();
      EXPECT_EQ(std::count(values.begin(), values.end(), std::optional<int>(i)), 1);
      EXPECT_EQ(std::count(values.begin(), values.end(), std::nullopt), 2);
    }
  });
}

// After the last case of Go's test/chan/select3.go.
TEST_CASE("SE-16: send and receive on one channel in one select do not pair") {
  run_on_each(
      [] {
        auto c = make_chan<int>();
        const auto alone = go_until_parked(
            parked_in_select, [&] { ringo::select(ringo::send(c, 1), ringo::recv(c)); });
        let_others_run();
        EXPECT(!alone.finished());
        EXPECT_EQ(ringo::select(ringo::recv(c), ringo::otherwise), std::size_t{0});
        alone.wait();
        EXPECT_EQ(ringo::select(ringo::recv(c), ringo::send(c, 1), ringo::otherwise),
                  std::size_t{2});
      },
      leftovers::none);
}

// After Go's TestSelfSelect.
TEST_CASE("SE-16: two selects that both send and receive never receive their own value") {
  for (const std::ptrdiff_t capacity : {0, 10}) {
    CAPTURE(capacity);
    run_on_each([&] {
      auto c = make_chan<int>(capacity);
      fiber_group fibers;
      for (const int self : {0, 1}) {
        fibers.go([&, self] {
          for (std::size_t i = 0; i < sizes::self_select_rounds; ++i) {
            std::optional<int> value;
            if (self == 0 || i % 2 == 0) {
              ringo::select(ringo::send(c, self), ringo::recv(c, value));
            } else {
              ringo::select(ringo::recv(c, value), ringo::send(c, self));
            }
            if (capacity == 0) EXPECT(value != self);
          }
        });
      }
      fibers.join();
    });
  }
}

// After Go's test/chan/select6.go, with the select in every place of the queue.
TEST_CASE("SE-17: a withdrawn case leaves the queue to the others, in their order") {
  run_on_each([] {
    for (const int place : {0, 1, 2}) {
      auto c = make_chan<int>();
      auto d = make_chan<int>();
      std::vector<int> order;
      std::optional<watched_fiber> selector;
      std::vector<watched_fiber> receivers;
      for (int i = 0; i < 3; ++i) {
        if (i == place) {
          selector = go_until_parked(parked_in_select, [&] {
            EXPECT_EQ(ringo::select(ringo::recv(c), ringo::recv(d)), std::size_t{1});
          });
        } else {
          receivers.push_back(go_until_parked(
              parked_in_recv, [&, i] { EXPECT_EQ(c.recv(), std::optional<int>(i)); }));
        }
      }
      d.send(1);
      selector->wait();
      for (int i = 0; i < 3; ++i) {
        if (i != place) c.send(i);
      }
      for (const auto& receiver : receivers) receiver.wait();
      EXPECT(!c.try_send(9));
    }
  });
}

TEST_CASE("SE-17: withdrawn send cases leave the queue of senders intact") {
  run_on_each([] {
    for (const int place : {0, 1, 2}) {
      auto c = make_chan<int>();
      auto d = make_chan<int>();
      std::optional<watched_fiber> selector;
      std::vector<watched_fiber> senders;
      for (int i = 0; i < 3; ++i) {
        if (i == place) {
          selector = go_until_parked(parked_in_select,
                                     [&] { ringo::select(ringo::send(c, 99), ringo::recv(d)); });
        } else {
          senders.push_back(go_until_parked(parked_in_send, [&, i] { c.send(i); }));
        }
      }
      d.send(1);
      selector->wait();
      for (int i = 0; i < 3; ++i) {
        if (i != place) EXPECT_EQ(c.recv(), std::optional<int>(i));
      }
      for (const auto& sender : senders) sender.wait();
      EXPECT(!c.try_recv());
    }
  });
}

// Eight senders, each on a channel of its own, all look for the one select that is parked on the
// eight channels. Those that lose the race must wait for its next round, with their value.
TEST_CASE("SE-18: of several wakers of one select exactly one wins, the others lose nothing") {
  run_on_each([] {
    std::vector<chan<std::size_t>> lanes;
    for (std::size_t i = 0; i < sizes::racing_senders; ++i)
      lanes.push_back(make_chan<std::size_t>());
    fiber_group senders;
    for (auto& lane : lanes) {
      senders.go([&] {
        for (std::size_t n = 0; n < sizes::racing_values; ++n) lane.send(n);
      });
    }
    std::vector<std::size_t> next(lanes.size());
    for (std::size_t n = 0; n < lanes.size() * sizes::racing_values; ++n) {
      std::optional<std::size_t> value;
      std::vector<ringo::select_case> cases;
      for (const auto& lane : lanes) cases.push_back(ringo::recv(lane, value));
      const std::size_t index = ringo::select(cases);
      EXPECT_EQ(*value, next[index]);
      ++next[index];
    }
    senders.join();
    for (const std::size_t count : next) EXPECT_EQ(count, sizes::racing_values);
  });
}

// Selects on both sides: each waker is itself a select that others try to wake.
TEST_CASE("SE-18: selects that wake selects deliver each value once") {
  run_on_each([] {
    constexpr std::size_t partners = 4;
    std::array<chan<std::size_t>, 3> lanes;
    for (auto& lane : lanes) lane = make_chan<std::size_t>();
    std::atomic<std::size_t> next = 0;
    const std::size_t total = partners * sizes::racing_values;
    std::vector<std::atomic<int>> seen(total);
    fiber_group fibers;
    for (std::size_t p = 0; p < partners; ++p) {
      fibers.go([&] {
        for (std::size_t n = 0; n < sizes::racing_values; ++n) {
          const std::size_t value = next++;
          ringo::select(ringo::send(lanes[0], value),
                        ringo::send(lanes[1], value),
                        ringo::send(lanes[2], value));
        }
      });
      fibers.go([&] {
        for (std::size_t n = 0; n < sizes::racing_values; ++n) {
          std::optional<std::size_t> value;
          ringo::select(ringo::recv(lanes[2], value),
                        ringo::recv(lanes[1], value),
                        ringo::recv(lanes[0], value));
          ++seen[*value];
        }
      });
    }
    fibers.join();
    std::size_t wrong = 0;
    for (const auto& times : seen) wrong += times == 1 ? 0 : 1;
    EXPECT_EQ(wrong, std::size_t{0});
  });
}

// After Go's TestSelectStress: four senders, four receivers, and one select of each kind that
// serves all four channels in its own order. A channel served often enough becomes nil.
TEST_CASE("SE-25: selects that name channels in different orders do not deadlock") {
  constexpr std::size_t channels = 4;
  constexpr std::size_t values = sizes::select_stress_values;
  run_on_each([] {
    std::array<chan<int>, channels> c = {
        make_chan<int>(), make_chan<int>(), make_chan<int>(2), make_chan<int>(3)};
    fiber_group fibers;
    for (auto& ch : c) {
      fibers.go([&] {
        for (std::size_t i = 0; i < values; ++i) ch.send(0);
      });
      fibers.go([&] {
        for (std::size_t i = 0; i < values; ++i) (void)ch.recv();
      });
    }
    const auto serve = [&](auto choose, const std::array<std::size_t, channels>& order) {
      auto mine = c;
      std::array<std::size_t, channels> served = {};
      for (std::size_t i = 0; i < channels * values; ++i) {
        const std::size_t which = order[choose(mine)];
        if (++served[which] == values) mine[which] = {};
      }
    };
    fibers.go([&] {
      serve(
          [](auto& d) {
            return ringo::select(ringo::send(d[3], 0),
                                 ringo::send(d[2], 0),
                                 ringo::send(d[0], 0),
                                 ringo::send(d[1], 0));
          },
          {3, 2, 0, 1});
    });
    fibers.go([&] {
      serve(
          [](auto& d) {
            return ringo::select(
                ringo::recv(d[0]), ringo::recv(d[1]), ringo::recv(d[2]), ringo::recv(d[3]));
          },
          {0, 1, 2, 3});
    });
    fibers.join();
    for (const auto& ch : c) EXPECT_EQ(ch.len(), std::size_t{0});
  });
}

TEST_CASE("SE-25: run-time sets in random order do not deadlock") {
  run_on_each([] {
    constexpr std::size_t partners = 5;
    std::array<chan<int>, 4> lanes = {
        make_chan<int>(), make_chan<int>(), make_chan<int>(1), make_chan<int>(2)};
    fiber_group fibers;
    for (std::size_t p = 0; p < 2 * partners; ++p) {
      fibers.go([&, p] {
        auto random = generator(p);
        std::vector<std::size_t> order = {0, 1, 2, 3};
        for (std::size_t n = 0; n < sizes::racing_values; ++n) {
          std::shuffle(order.begin(), order.end(), random);
          std::vector<ringo::select_case> cases;
          for (const std::size_t lane : order) {
            if (p % 2 == 0) {
              cases.push_back(ringo::send(lanes[lane], 1));
            } else {
              cases.push_back(ringo::recv(lanes[lane]));
            }
          }
          ringo::select(cases);
        }
      });
    }
    fibers.join();
    for (const auto& lane : lanes) EXPECT_EQ(lane.len(), std::size_t{0});
  });
}

// After Go's TestSelectStackAdjust: the destinations lie in frames that were deep a moment ago, and
// the untouched ones keep their value.
TEST_CASE("SE-14: destinations of cases that did not run survive a wake-up by close") {
  run_on_each([] {
    auto c = make_chan<int*>();
    auto d = make_chan<int*>();
    std::vector<watched_fiber> fibers;
    for (const bool duplicate : {false, true}) {
      fibers.push_back(go_until_parked(parked_in_select, [&c, &d, duplicate] {
        int target = 42;
        std::optional<int*> kept = &target;
        const auto more_c = duplicate ? c : chan<int*>{};
        const auto more_d = duplicate ? d : chan<int*>{};
        const std::size_t index = ringo::select(
            ringo::recv(c, kept), ringo::recv(more_c), ringo::recv(d), ringo::recv(more_d));
        EXPECT(index >= 2);
        EXPECT(kept == &target);
        **kept = 43;
        EXPECT_EQ(target, 43);
      }));
    }
    d.close();
    for (const auto& fiber : fibers) fiber.wait();
    EXPECT(!c.try_send(nullptr));
  });
}

// A select that one channel had woken at the end of a run still stood in the queue of the other,
// where the next run found it on a stack that was no longer its own.
TEST_CASE("select: woken but never run again at the end of a run, it leaves every queue") {
  for_each_worker_count([](std::size_t workers) {
    for (int round = 0; round < 20; ++round) {
      auto a = ringo::make_chan<int>(1);
      auto b = ringo::make_chan<int>();
      run_on(
          workers,
          [&] {
            for (int i = 0; i < 4; ++i) {
              go_until_parked(parked_in_select, [=] {
                std::optional<int> value;
                ringo::select(ringo::recv(a, value), ringo::recv(b, value));
              });
            }
            (void)a.try_send(1);
            (void)a.try_send(2);
          },
          leftovers::allowed);
      CHECK(b.core()->send_would_block());  // nobody stands in its queue
    }
  });
}

// Dialling several endpoints, with dialers that only pretend, in virtual time.

#include "net/dial_race.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/result.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/time/now.hpp>

#include "support/expect.hpp"
#include "support/run_on.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::result;
using ringo::net::endpoint;
using ringo::net::detail::dial_any;
using ringo::net::detail::dial_plan;
using ringo::net::detail::dial_race;
using ringo::net::detail::dial_serially;
using std::chrono::nanoseconds;

namespace {

const auto refused = std::make_error_code(std::errc::connection_refused);
const auto unreachable = std::make_error_code(std::errc::network_unreachable);

/// A connection that counts those that are open.
class connection {
 public:
  connection(std::atomic<int>& open, endpoint to) : open_(&open), to_(std::move(to)) { ++open; }
  connection(connection&& other) noexcept
      : open_(std::exchange(other.open_, nullptr)), to_(std::move(other.to_)) {}
  connection& operator=(connection&& other) noexcept {
    std::swap(open_, other.open_);
    std::swap(to_, other.to_);
    return *this;
  }
  ~connection() {
    if (open_ != nullptr) --*open_;
  }
  std::string to() const { return to_.to_string(); }

 private:
  std::atomic<int>* open_;
  endpoint to_;
};

/// What a dialer does with one endpoint.
struct behaviour {
  nanoseconds takes{0};     // how long; nanoseconds::max(): until it is cancelled
  std::error_code error{};  // empty: it connects
  bool obeys = true;        // gives up when the context is done
};

/// Dials as told, and remembers what it saw.
class fake_network {
 public:
  using rule = std::function<behaviour(const endpoint&)>;
  explicit fake_network(rule behave) : behave_(std::move(behave)) {}

  result<connection> operator()(const context& ctx, const endpoint& to) {
    const behaviour told = behave_(to);
    ++dialling_;
    const auto error = told.obeys ? ringo::sleep_for(ctx, told.takes) : sleep_anyway(told.takes);
    --dialling_;
    if (error) ++given_up_;
    if (error) return error;
    if (told.error) return told.error;
    ++connected_;
    return connection(open_, to);
  }

  int open() const { return open_; }
  int connected() const { return connected_; }
  int given_up() const { return given_up_; }
  int dialling() const { return dialling_; }

 private:
  rule behave_;
  std::atomic<int> open_{0};
  std::atomic<int> connected_{0};
  std::atomic<int> given_up_{0};
  std::atomic<int> dialling_{0};

  static std::error_code sleep_anyway(nanoseconds time) {
    ringo::sleep_for(time);
    return {};
  }
};

std::vector<endpoint> endpoints(const std::vector<std::string>& addresses) {
  std::vector<endpoint> made;
  for (const auto& text : addresses) {
    made.emplace_back(ringo::net::address::parse(text).value(), std::uint16_t{80});
  }
  return made;
}

const char* const slow4 = "198.18.0.254";
const char* const slow6 = "2001:2::254";
const char* const local4 = "127.0.0.1";
const char* const local6 = "::1";

struct race_row {
  std::vector<std::string> primaries;
  std::vector<std::string> fallbacks;
  char refuses;  // '4' or '6': the family that cannot be reached
  bool connects;
  nanoseconds takes;
};

constexpr nanoseconds instant{0};
constexpr nanoseconds delay = 200ms;

const std::vector<race_row>& race_rows() {
  static const std::vector<race_row> rows{
      // These work on the first trial.
      {{local4}, {}, ' ', true, instant},
      {{local6}, {}, ' ', true, instant},
      {{local4, local6}, {slow6}, '6', true, instant},
      {{local6, local4}, {slow4}, '4', true, instant},
      // The primary is slow.
      {{slow4}, {local6}, ' ', true, delay},
      // The next one, when a primary is refused.
      {{local4, local6}, {}, '4', true, instant},
      {{local6, local4}, {}, '6', true, instant},
      // The same among the fallbacks.
      {{slow4, slow6}, {local6, local4}, '6', true, delay},
      // The fallback starts at once, when the primary is refused.
      {{local4}, {local6}, '4', true, instant},
      {{local6}, {local4}, '6', true, instant},
      // All are refused.
      {{local4}, {}, '4', false, instant},
      // Nothing to do.
      {{}, {}, ' ', false, instant},
      // As many as there may be.
      {std::vector<std::string>(1000, local6), {}, ' ', true, instant},
  };
  return rows;
}

behaviour behave(const race_row& row, const endpoint& to) {
  const bool v6 = to.address().is_v6();
  if (row.refuses == (v6 ? '6' : '4')) return {.error = unreachable};
  const std::string text = to.address().to_string();
  if (text == slow4 || text == slow6) return {.takes = nanoseconds::max()};
  return {};
}

}  // namespace

TEST_CASE("NT-26: both families race, and the first to connect wins") {
  run_in_bubble_on_each([] {
    for (const auto& row : race_rows()) {
      fake_network network([&row](const endpoint& to) { return behave(row, to); });
      // Where nothing is to wait for the fallback, it would come too late.
      const nanoseconds patience = row.takes == instant ? nanoseconds(1h) : delay;
      const dial_plan plan{endpoints(row.primaries), endpoints(row.fallbacks)};
      const stopwatch watch;
      {
        const auto made = dial_race(background(), plan, patience, network);
        EXPECT_EQ(made.has_value(), row.connects);
        EXPECT_EQ(watch.passed(), row.takes);
        EXPECT_EQ(network.open(), row.connects ? 1 : 0);
      }
      EXPECT_EQ(network.open(), 0);
      EXPECT_EQ(network.dialling(), 0);
    }
  });
}

TEST_CASE("NT-26: a race that is cancelled ends at once") {
  run_in_bubble_on_each([] {
    for (const auto& row : race_rows()) {
      fake_network network([&row](const endpoint& to) { return behave(row, to); });
      const dial_plan plan{endpoints(row.primaries), endpoints(row.fallbacks)};
      const auto [ctx, cancel] = ringo::with_cancel(background());
      ringo::go([cancel = cancel] {
        ringo::sleep_for(5ms);
        cancel();
      });
      const stopwatch watch;
      const auto made = dial_race(ctx, plan, nanoseconds(1h), network);
      if (watch.passed() == 0ns) {
        EXPECT_EQ(made.has_value(), row.connects);
      } else {
        EXPECT_EQ(watch.passed(), nanoseconds(5ms));
        EXPECT(made.error() == ringo::errc::canceled);
      }
      ringo::sleep_for(5ms);
    }
  });
}

TEST_CASE("NT-26: the loser is cancelled and has ended when the winner is returned") {
  run_in_bubble_on_each([] {
    fake_network network([](const endpoint& to) {
      return behaviour{.takes = to.address().is_v4() ? nanoseconds(10s) : nanoseconds(1ms)};
    });
    const dial_plan plan{endpoints({local4}), endpoints({local6})};
    const stopwatch watch;
    const auto made = dial_race(background(), plan, 300ms, network);
    EXPECT(made && made->to() == "[::1]:80");
    EXPECT_EQ(watch.passed(), nanoseconds(301ms));
    EXPECT_EQ(network.given_up(), 1);
    EXPECT_EQ(network.dialling(), 0);
  });
}

TEST_CASE("NT-26: of two that connect one is returned and the other closed") {
  run_in_bubble_on_each([] {
    // Both in the same instant, deaf to cancellation.
    fake_network network([](const endpoint& to) {
      return behaviour{.takes = to.address().is_v4() ? nanoseconds(100ms) : nanoseconds(50ms),
                       .obeys = false};
    });
    const dial_plan plan{endpoints({local4}), endpoints({local6})};
    const stopwatch watch;
    {
      const auto made = dial_race(background(), plan, 50ms, network);
      EXPECT(made);
      EXPECT_EQ(watch.passed(), nanoseconds(100ms));
      EXPECT_EQ(network.connected(), 2);
      EXPECT_EQ(network.open(), 1);
    }
    EXPECT_EQ(network.open(), 0);
  });
}

TEST_CASE("NT-26: when all fail the error is that of the primaries, whoever fails first") {
  run_in_bubble_on_each([] {
    for (const nanoseconds primary_takes : {0ms, 100ms, 400ms}) {
      fake_network network([&](const endpoint& to) {
        if (to.address().is_v4()) return behaviour{.takes = primary_takes, .error = refused};
        return behaviour{.takes = 10ms, .error = unreachable};
      });
      const dial_plan plan{endpoints({local4}), endpoints({local6})};
      const stopwatch watch;
      EXPECT(dial_race(background(), plan, 300ms, network).error() == refused);
      EXPECT_EQ(watch.passed(),
                std::min(primary_takes, nanoseconds(300ms)) +
                    std::max(primary_takes - 300ms, nanoseconds(10ms)));
    }
  });
}

TEST_CASE("NT-26: the fallback waits for as long as it is told, or is not tried beside") {
  run_in_bubble_on_each([] {
    fake_network network([](const endpoint& to) {
      return to.address().is_v4() ? behaviour{.takes = 10s} : behaviour{};
    });
    const auto both = endpoints({local4, local6});
    const auto takes = [&](nanoseconds patience) {
      const stopwatch watch;
      EXPECT(dial_any(background(), both, patience, network));
      return watch.passed();
    };
    EXPECT_EQ(takes(0ns), 0ns);
    EXPECT_EQ(takes(1ns), 1ns);
    EXPECT_EQ(takes(ringo::net::detail::fallback_delay_default), nanoseconds(300ms));
    EXPECT_EQ(takes(-1ns), nanoseconds(10s));
  });
}

TEST_CASE("NT-25: each endpoint has its share of the time, and the first one's error is told") {
  run_in_bubble_on_each([] {
    std::vector<nanoseconds> tried;
    const stopwatch watch;
    const auto dial = [&](const context& ctx, const endpoint&) -> result<int> {
      tried.push_back(watch.passed());
      if (const auto error = ringo::sleep_for(ctx, nanoseconds::max())) {
        return tried.size() == 1 ? refused : error;
      }
      return 1;
    };
    const auto [ctx, cancel] = ringo::with_timeout(background(), 12s);
    const auto to = endpoints({"192.0.2.1", "192.0.2.2", "192.0.2.3"});
    EXPECT(dial_serially(ctx, to, dial).error() == refused);
    EXPECT(tried == std::vector<nanoseconds>{0s, 4s, 8s});
    EXPECT_EQ(watch.passed(), nanoseconds(12s));
  });
}

TEST_CASE("NT-25: endpoints at the end of the list get no time when there is too little") {
  run_in_bubble_on_each([] {
    int tried = 0;
    const auto dial = [&](const context& ctx, const endpoint&) -> result<int> {
      ++tried;
      return ringo::sleep_for(ctx, nanoseconds::max());
    };
    const auto to = endpoints({"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"});
    const auto [ctx, cancel] = ringo::with_timeout(background(), 3s);
    const stopwatch watch;
    EXPECT(dial_serially(ctx, to, dial).error() == ringo::errc::deadline_exceeded);
    EXPECT_EQ(tried, 2);
    EXPECT_EQ(watch.passed(), nanoseconds(3s));
  });
}

TEST_CASE("NT-27: a context that is done on entry dials nothing") {
  run_in_bubble_on_each([] {
    fake_network network([](const endpoint&) { return behaviour{}; });
    const auto [ctx, cancel] = ringo::with_cancel(background());
    cancel();
    EXPECT(dial_any(ctx, endpoints({local4, local6}), 300ms, network).error() ==
           ringo::errc::canceled);
    EXPECT(dial_any(ctx, endpoints({local4}), 300ms, network).error() == ringo::errc::canceled);
    EXPECT_EQ(network.connected(), 0);
    EXPECT(dial_any(background(), {}, 300ms, network).error() ==
           std::errc::destination_address_required);
  });
}

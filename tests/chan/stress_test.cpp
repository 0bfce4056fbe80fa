// Random traffic: senders, receivers, relays and closers, as fibers and as plain threads, over a
// few channels, in every form that sends and receives. Checked: each message that was sent is
// received exactly once, one that was refused never; what one receiver gets from one sender over
// one channel is in order; everybody ends. A round is fixed by its seed up to the scheduler's
// choices.
//
// RINGO_SEED repeats a run, RINGO_STRESS_SECONDS (default 2) makes it longer.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

namespace {

struct message {
  std::size_t id = 0;                            // of the content: what must arrive exactly once
  std::size_t sender = 0;                        // whoever sent it last: its originator or a relay
  std::size_t lane = 0;                          // over which channel
  std::size_t sequence = 0;                      // counts the sender's messages over that channel
  std::unique_ptr<std::size_t> heavy = nullptr;  // equals id; makes copies and leaks visible
};

/// What all actors of a round share.
struct world {
  static constexpr std::size_t messages_max = 20'000;

  std::vector<chan<message>> lanes;
  std::vector<std::atomic<bool>> closing;  // per lane, set before its close
  std::vector<std::atomic<int>> closes;    // per lane, those that did not panic
  std::vector<std::atomic<bool>> sent = std::vector<std::atomic<bool>>(messages_max);
  std::vector<std::atomic<int>> received = std::vector<std::atomic<int>>(messages_max);
  std::atomic<std::size_t> next_id{0};
  std::atomic<std::size_t> next_actor{0};
  std::atomic<std::size_t> live_senders{0};
  chan<void> senders_done = make_chan<void>();

  explicit world(std::mt19937_64& random)
      : lanes(2 + random() % 5), closing(lanes.size()), closes(lanes.size()) {
    for (auto& lane : lanes) lane = make_chan<message>(static_cast<std::ptrdiff_t>(random() % 4));
  }

  void close(std::size_t lane) {
    closing[lane] = true;
    const std::string panic = panic_text([&] { lanes[lane].close(); });
    if (panic.empty()) ++closes[lane];
    EXPECT(panic.empty() || panic == "close of closed channel");
  }

  void sender_ends() {
    if (--live_senders == 0) senders_done.close();
  }

  void check() {
    const std::size_t count = next_id;
    EXPECT(count <= messages_max);
    std::size_t lost = 0;
    std::size_t twice = 0;
    std::size_t unsent = 0;
    for (std::size_t id = 0; id < count; ++id) {
      if (received[id] > 1) ++twice;
      if (sent[id] && received[id] == 0) ++lost;
      if (!sent[id] && received[id] != 0) ++unsent;
    }
    EXPECT_EQ(lost, std::size_t{0});
    EXPECT_EQ(twice, std::size_t{0});
    EXPECT_EQ(unsent, std::size_t{0});
    for (const auto& times : closes) EXPECT_EQ(times.load(), 1);
    for (const auto& lane : lanes) EXPECT_EQ(lane.len(), std::size_t{0});
  }
};

enum class place { fiber, thread };

/// What senders, receivers and relays have in common: a generator, and the lanes not yet seen
/// closed.
class actor {
 public:
  actor(world& everything, place here)
      : shared(everything),
        where(here),
        self(everything.next_actor++),
        random(generator(self + stream_base)),
        open(everything.lanes),
        sequences(open.size()) {}

  /// Set once for each round, before any actor is made.
  static inline std::uint64_t stream_base = 0;

 protected:
  world& shared;
  place where;
  std::size_t self;
  std::mt19937_64 random;
  std::vector<chan<message>> open;     // nil where closed
  std::vector<std::size_t> sequences;  // per lane, of what this actor sends
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> last;  // seen, by sender and lane

  std::size_t below(std::size_t bound) { return random() % bound; }

  void pause() {
    if (where == place::fiber) {
      ringo::yield();
    } else {
      std::this_thread::yield();
    }
  }

  /// The open lanes in random order.
  std::vector<std::size_t> open_lanes() {
    std::vector<std::size_t> result;
    for (std::size_t lane = 0; lane < open.size(); ++lane) {
      if (open[lane]) result.push_back(lane);
    }
    std::shuffle(result.begin(), result.end(), random);
    return result;
  }

  message compose(std::size_t id, std::size_t lane) const {
    return {.id = id,
            .sender = self,
            .lane = lane,
            .sequence = sequences[lane] + 1,
            .heavy = std::make_unique<std::size_t>(id)};
  }

  /// Checks what arrived over `lane` and returns its content.
  std::size_t take(const message& arrived, std::size_t lane) {
    EXPECT(arrived.heavy != nullptr && *arrived.heavy == arrived.id);
    EXPECT_EQ(arrived.lane, lane);
    std::size_t& before = last[{arrived.sender, lane}];
    EXPECT(arrived.sequence > before);
    before = arrived.sequence;
    return arrived.id;
  }

  /// A send panicked: one of the lanes it named must be closing. Forgets those.
  void forget_closed(const std::string& panic, const std::vector<std::size_t>& named) {
    EXPECT_EQ(panic, "send on closed channel");
    bool found = false;
    for (const std::size_t lane : named) {
      if (!shared.closing[lane]) continue;
      open[lane] = {};
      found = true;
    }
    EXPECT(found);
  }
};

class sender : actor {
 public:
  sender(world& everything, place here, std::size_t count)
      : actor(everything, here), count_(count) {}

  void operator()() {
    for (std::size_t i = 0; i < count_; ++i) {
      const auto lanes = open_lanes();
      if (lanes.empty()) break;
      const std::size_t id = shared.next_id++;
      if (id >= world::messages_max) break;
      const std::string panic = panic_text([&] {
        const std::size_t lane = send_somehow(id, lanes);
        ++sequences[lane];
        shared.sent[id] = true;
      });
      if (!panic.empty()) forget_closed(panic, lanes);
      if (below(4) == 0) pause();
      if (where == place::fiber && below(16) == 0) spawn_child();
    }
    shared.sender_ends();
  }

 private:
  static constexpr int tries_max = 20;
  std::size_t count_;

  void spawn_child() {
    ++shared.live_senders;
    ringo::go([child = std::make_unique<sender>(shared, place::fiber, 1)] { (*child)(); });
  }

  std::size_t send_somehow(std::size_t id, const std::vector<std::size_t>& lanes) {
    switch (below(5)) {
      case 0: return send_plainly(id, lanes[0]);
      case 1: return send_trying(id, lanes[0]);
      case 2: return send_to_one_of_two(id, lanes);
      case 3: return *send_to_any(id, lanes, false);
      default:
        for (int tries = 0; tries < tries_max; ++tries) {
          if (const auto lane = send_to_any(id, lanes, true)) return *lane;
          pause();
        }
        return send_plainly(id, lanes[0]);
    }
  }

  std::size_t send_plainly(std::size_t id, std::size_t lane) {
    open[lane].send(compose(id, lane));
    return lane;
  }

  std::size_t send_trying(std::size_t id, std::size_t lane) {
    message held = compose(id, lane);
    for (int tries = 0; tries < tries_max; ++tries) {
      if (open[lane].try_send(std::move(held))) return lane;
      EXPECT(held.heavy != nullptr);  // NOLINT(bugprone-use-after-move): kept when refused
      pause();
    }
    open[lane].send(std::move(held));
    return lane;
  }

  std::size_t send_to_one_of_two(std::size_t id, const std::vector<std::size_t>& lanes) {
    const std::array pair = {lanes.front(), lanes.back()};
    std::array<message, 2> held = {compose(id, pair[0]), compose(id, pair[1])};
    const std::size_t index = ringo::select(ringo::send(open[pair[0]], std::move(held[0])),
                                            ringo::send(open[pair[1]], std::move(held[1])));
    EXPECT(held[index].heavy == nullptr);
    EXPECT(held[1 - index].heavy != nullptr);
    return pair[index];
  }

  std::optional<std::size_t> send_to_any(std::size_t id,
                                         const std::vector<std::size_t>& lanes,
                                         bool may_give_up) {
    std::vector<ringo::select_case> cases;
    for (const std::size_t lane : lanes)
      cases.push_back(ringo::send(open[lane], compose(id, lane)));
    if (may_give_up) cases.push_back(ringo::otherwise);
    const std::size_t index = ringo::select(cases);
    return index < lanes.size() ? std::optional(lanes[index]) : std::nullopt;
  }
};

/// A thorough receiver never waits for one lane alone. Each round has at least one, so that every
/// lane is drained at all times and all senders come to their end.
enum class diligence { thorough, any };

class receiver : actor {
 public:
  receiver(world& everything, place here, diligence care) : actor(everything, here), care_(care) {}

  void operator()() {
    for (auto lanes = open_lanes(); !lanes.empty(); lanes = open_lanes()) {
      switch (below(care_ == diligence::thorough ? 3 : 5)) {
        case 0: receive_from_any(lanes, false); break;
        case 1:
          receive_from_any(lanes, true);
          pause();
          break;
        case 2: try_each(lanes); break;
        case 3: arrived(open[lanes[0]].recv(), lanes[0]); break;
        default: receive_from_one_of_two(lanes); break;
      }
      if (below(8) == 0) pause();
    }
  }

 private:
  diligence care_;

  void arrived(std::optional<message> value, std::size_t lane) {
    if (value) {
      ++shared.received[take(*value, lane)];
    } else {
      EXPECT(shared.closing[lane].load());
      open[lane] = {};
    }
  }

  void receive_from_any(const std::vector<std::size_t>& lanes, bool may_give_up) {
    std::optional<message> value;
    std::vector<ringo::select_case> cases;
    for (const std::size_t lane : lanes) cases.push_back(ringo::recv(open[lane], value));
    if (may_give_up) cases.push_back(ringo::otherwise);
    const std::size_t index = ringo::select(cases);
    if (index < lanes.size()) arrived(std::move(value), lanes[index]);
  }

  void try_each(const std::vector<std::size_t>& lanes) {
    for (const std::size_t lane : lanes) {
      auto result = open[lane].try_recv();
      if (result) {
        arrived(*std::move(result), lane);
      } else if (result.closed()) {
        arrived(std::nullopt, lane);
      }
    }
    pause();
  }

  void receive_from_one_of_two(const std::vector<std::size_t>& lanes) {
    const std::size_t a = lanes.front();
    const std::size_t b = lanes.back();
    ringo::select(
        ringo::recv(open[a], [&](std::optional<message> value) { arrived(std::move(value), a); }),
        ringo::recv(open[b], [&](std::optional<message> value) { arrived(std::move(value), b); }));
  }
};

/// Receives and sends on in the same selects, under its own name.
class relay : actor {
 public:
  using actor::actor;

  void operator()() {
    for (auto lanes = open_lanes(); !lanes.empty(); lanes = open_lanes()) {
      const std::string panic = panic_text([&] { step(lanes); });
      if (!panic.empty()) forget_closed(panic, lanes);
      if (below(8) == 0) pause();
    }
    for (const std::size_t id : held_) ++shared.received[id];
  }

 private:
  static constexpr std::size_t held_max = 4;
  std::deque<std::size_t> held_;

  void step(const std::vector<std::size_t>& lanes) {
    const std::size_t sends = held_.empty() ? 0 : lanes.size();
    std::optional<message> value;
    std::vector<ringo::select_case> cases;
    for (std::size_t i = 0; i < sends; ++i) {
      cases.push_back(ringo::send(open[lanes[i]], compose(held_.front(), lanes[i])));
    }
    if (held_.size() < held_max) {
      for (const std::size_t lane : lanes) cases.push_back(ringo::recv(open[lane], value));
    }
    const std::size_t index = ringo::select(cases);
    if (index < sends) {
      ++sequences[lanes[index]];
      held_.pop_front();
      return;
    }
    const std::size_t lane = lanes[index - sends];
    if (value) {
      held_.push_back(take(*value, lane));
    } else {
      EXPECT(shared.closing[lane].load());
      open[lane] = {};
    }
  }
};

void play_round(std::uint64_t round) {
  auto random = generator(round);
  actor::stream_base = random();
  world everything(random);
  fiber_group fibers;
  thread_group threads;
  const auto start = [&](auto one, place where) {
    if (where == place::fiber) {
      fibers.go(std::move(one));
    } else {
      threads.start(std::move(one));
    }
  };
  const auto somewhere = [&] { return random() % 5 == 0 ? place::thread : place::fiber; };

  start(receiver(everything, place::fiber, diligence::thorough), place::fiber);
  for (std::size_t n = random() % 5; n > 0; --n) {
    const place where = somewhere();
    start(receiver(everything, where, diligence::any), where);
  }
  for (std::size_t n = random() % 3; n > 0; --n) {
    start(relay(everything, place::fiber), place::fiber);
  }
  const std::size_t senders = 1 + random() % 6;
  everything.live_senders = senders;
  for (std::size_t n = 0; n < senders; ++n) {
    const place where = somewhere();
    start(sender(everything, where, 20 + random() % 100), where);
  }
  if (random() % 3 == 0) {
    const std::size_t lane = random() % everything.lanes.size();
    fibers.go([&everything, lane, yields = random() % 200] {
      for (std::size_t i = 0; i < yields; ++i) ringo::yield();
      everything.close(lane);
    });
  }

  (void)everything.senders_done.recv();
  for (std::size_t lane = 0; lane < everything.lanes.size(); ++lane) everything.close(lane);
  fibers.join();
  threads.join();
  everything.check();
}

std::chrono::seconds duration() {
  const char* const given = std::getenv("RINGO_STRESS_SECONDS");
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : 2);
}

}  // namespace

TEST_CASE("CH-11: random traffic delivers each message exactly once" *
          doctest::test_suite("stress")) {
  constexpr std::uint64_t rounds_in_a_run = 10;
  CAPTURE(seed());
  const auto end = std::chrono::steady_clock::now() + duration();
  std::uint64_t round = 0;
  while (std::chrono::steady_clock::now() < end) {
    CAPTURE(round);
    run_on(8, [&] {
      for (std::uint64_t i = 0; i < rounds_in_a_run; ++i) play_round(round++);
    });
  }
  MESSAGE(round << " rounds");
}

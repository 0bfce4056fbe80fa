// Everything at once: fibers and plain threads that take random steps with locks, wait_groups,
// onces, tasks, channels, selects with timeouts, sleeps and yields, on shared and on short-lived
// objects. Checked: what locks guard is counted exactly, tickets are neither lost nor doubled, each
// value is received once, every wait ends, and everybody comes to the end. Channels alone are in
// tests/chan/stress_test.cpp.
//
// RINGO_SEED repeats the choices of a run, RINGO_STRESS_SECONDS (default 2) makes it longer.

#include <doctest/doctest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>
#include <ringo/time/after.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;
using std::chrono::microseconds;

namespace {

struct guarded {
  ringo::mutex lock;
  std::uint64_t count = 0;  // guarded by lock
  bool inside = false;      // guarded by lock
  std::atomic<std::uint64_t> want{0};
};

struct one_time {
  ringo::once once;
  int runs = 0;  // written by the run, read after a call
};

/// What all actors of a round share.
struct world {
  static constexpr std::size_t tickets_max = 8;

  std::array<guarded, 3> counters;
  std::array<one_time, 16> firsts;
  chan<std::unique_ptr<int>> tickets = make_chan<std::unique_ptr<int>>(tickets_max);
  chan<std::uint64_t> market = make_chan<std::uint64_t>();  // sends and receives meet by chance
  std::atomic<std::uint64_t> sold{0};
  std::atomic<std::uint64_t> bought{0};
  std::atomic<std::uint64_t> next_stream;
  ringo::wait_group stragglers;  // fibers that nobody else waits for

  explicit world(std::uint64_t stream) : next_stream(stream) {
    for (std::size_t i = 0; i < tickets_max; ++i) {
      tickets.send(std::make_unique<int>(static_cast<int>(i)));
    }
  }

  void check() {
    for (const auto& one : counters) EXPECT_EQ(one.count, one.want.load());
    for (const auto& one : firsts) EXPECT(one.runs <= 1);
    EXPECT_EQ(sold.load(), bought.load());
    std::array<bool, tickets_max> seen{};
    EXPECT_EQ(tickets.len(), tickets_max);
    while (auto ticket = tickets.try_recv()) {
      bool& mine = seen[static_cast<std::size_t>(**ticket)];
      EXPECT(!mine);
      mine = true;
    }
  }
};

/// Takes random steps. The depth bounds how far the fibers that it starts start others.
class actor {
 public:
  actor(world& everything, int depth)
      : world_(everything), depth_(depth), random_(generator(everything.next_stream++)()) {}

  void operator()(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) step();
  }

 private:
  world& world_;
  int depth_;
  std::minstd_rand random_;

  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  microseconds a_moment() { return microseconds(below(200)); }

  void step() {
    switch (below(depth_ > 0 ? 15 : 10)) {
      case 0: use_counter(); break;
      case 1: use_two_counters(); break;
      case 2: try_counter(); break;
      case 3: be_first(); break;
      case 4: hold_ticket(); break;
      case 5: trade(); break;
      case 6: idle(); break;
      case 7: wait_for_timer(); break;
      case 8: drop_timers(); break;
      case 9: ping_pong(); break;
      case 10: run_group(); break;
      case 11: join_tasks(); break;
      case 12: join_failure(); break;
      case 13: leave_straggler(); break;
      default: end_early(); break;
    }
  }

  void idle() {
    switch (below(8)) {
      case 0: ringo::sleep_for(a_moment()); break;  // tidy: real time: sleeping is part of the mix
      case 1: ringo::blocking([] { ringo::yield(); }); break;
      default:
        for (std::size_t n = below(10); n > 0; --n) ringo::yield();
    }
  }

  void count(guarded& one) {
    EXPECT(!std::exchange(one.inside, true));
    ++one.count;
    if (one_in(8)) idle();
    EXPECT(std::exchange(one.inside, false));
    ++one.want;
  }
  guarded& any_counter() { return world_.counters[below(world_.counters.size())]; }

  void use_counter() {
    guarded& one = any_counter();
    const std::lock_guard guard(one.lock);
    count(one);
  }
  void use_two_counters() {
    const std::size_t first = below(world_.counters.size());
    guarded& a = world_.counters[first];
    guarded& b = world_.counters[(first + 1) % world_.counters.size()];
    const std::scoped_lock both(a.lock, b.lock);
    count(a);
    count(b);
  }
  void try_counter() {
    guarded& one = any_counter();
    const std::unique_lock guard(one.lock, std::try_to_lock);
    if (guard) count(one);
  }

  void be_first() {
    one_time& one = world_.firsts[below(world_.firsts.size())];
    one.once.call([&] {
      idle();
      ++one.runs;
    });
    EXPECT_EQ(one.runs, 1);
  }

  /// There is always room for a ticket that was taken.
  void hold_ticket() {
    std::optional<std::unique_ptr<int>> ticket;
    if (one_in(2)) {
      ticket = world_.tickets.recv();
    } else {
      ringo::select(ringo::recv(world_.tickets, ticket), ringo::recv(ringo::after(a_moment())));
    }
    if (!ticket) return;
    idle();
    EXPECT(world_.tickets.try_send(*std::move(ticket)));
  }

  void trade() {
    const std::uint64_t mine = 1 + below(1000);
    std::optional<std::uint64_t> theirs;
    switch (below(3)) {
      case 0:
        if (ringo::select(ringo::send(world_.market, mine),
                          ringo::recv(ringo::after(a_moment()))) == 0)
          world_.sold += mine;
        break;
      case 1:
        ringo::select(ringo::recv(world_.market, theirs), ringo::recv(ringo::after(a_moment())));
        break;
      default:
        if (ringo::select(ringo::send(world_.market, mine),
                          ringo::recv(world_.market, theirs),
                          ringo::recv(ringo::after(a_moment()))) == 0)
          world_.sold += mine;
        break;
    }
    if (theirs) world_.bought += *theirs;
  }

  void wait_for_timer() {
    const auto delay = a_moment();
    const auto begin = std::chrono::steady_clock::now();
    EXPECT(*ringo::after(delay).recv() >= begin + delay);
  }
  void drop_timers() {
    std::vector<ringo::recv_chan<std::chrono::steady_clock::time_point>> timers;
    for (std::size_t n = below(10); n > 0; --n) timers.push_back(ringo::after(a_moment()));
    if (one_in(2)) idle();
  }

  void ping_pong() {
    auto ping = make_chan<int>(static_cast<std::ptrdiff_t>(below(2)));
    auto pong = make_chan<std::string>();
    ringo::go([ping, pong] {
      for (const int value : ping) pong.send(std::to_string(value));
      pong.close();
    });
    const int rounds = static_cast<int>(below(10));
    for (int i = 0; i < rounds; ++i) {
      ping.send(i);
      EXPECT_EQ(pong.recv(), std::optional(std::to_string(i)));
    }
    ping.close();
    if (one_in(2)) EXPECT(!pong.recv());
  }

  /// An actor that runs elsewhere.
  auto child() {
    return [body = std::make_unique<actor>(world_, depth_ - 1), steps = 1 + below(5)] {
      (*body)(steps);
    };
  }

  void run_group() {
    auto group = std::make_unique<ringo::wait_group>();
    std::atomic<std::size_t> finished{0};
    const std::size_t size = below(5);
    for (std::size_t i = 0; i < size; ++i) {
      group->go([&finished, work = child(), exits = one_in(4)] {
        work();
        ++finished;
        if (exits) ringo::goexit();
      });
    }
    group->wait();
    EXPECT_EQ(finished.load(), size);
  }

  void join_tasks() {
    std::vector<ringo::task<std::unique_ptr<std::size_t>>> tasks;
    const std::size_t size = below(5);
    const bool drops = one_in(4);
    if (drops) world_.stragglers.add(static_cast<int>(size));
    for (std::size_t i = 0; i < size; ++i) {
      tasks.push_back(ringo::spawn([i, drops, work = child(), &shared = world_] {
        work();
        if (drops) shared.stragglers.done();
        return std::make_unique<std::size_t>(i);
      }));
    }
    if (drops) return;
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(*tasks[i].join(), i);
  }

  void join_failure() {
    auto failing = ringo::spawn([work = child(), text = std::to_string(random_())] {
      work();
      throw std::runtime_error(text);
    });
    idle();
    std::string text;
    try {
      failing.join();
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    EXPECT(!text.empty());
  }

  void leave_straggler() { world_.stragglers.go(child()); }

  /// goexit out of nested frames, in a fiber of its own.
  void end_early() {
    auto ending = ringo::spawn([this, work = child()] {
      const std::lock_guard guard(world_.counters[0].lock);
      ringo::yield();
      ringo::goexit();
    });
    EXPECT_EQ(panic_text([&] { ending.join(); }),
              std::string("join of a fiber that called goexit"));
  }
};

void play_round(std::uint64_t round) {
  auto random = generator(round);
  world everything(random());
  fiber_group fibers;
  thread_group threads;
  const auto steps = [&] { return 10 + random() % 40; };
  for (std::size_t n = 1 + random() % 12; n > 0; --n) {
    fibers.go([one = std::make_unique<actor>(everything, 2), count = steps()] { (*one)(count); });
  }
  for (std::size_t n = random() % 4; n > 0; --n) {
    threads.start(
        [one = std::make_unique<actor>(everything, 1), count = steps()] { (*one)(count); });
  }
  fibers.join();
  threads.join();
  everything.stragglers.wait();
  everything.check();
}

std::chrono::milliseconds duration() {
  const char* const given = std::getenv("RINGO_STRESS_SECONDS");
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : 2);
}

void play(std::size_t workers, std::chrono::milliseconds how_long) {
  constexpr std::uint64_t rounds_in_a_run = 20;
  CAPTURE(seed());
  // The test's time limit is for tests of the default length.
  ::alarm(static_cast<unsigned>(how_long.count() / 1000) + sizes::test_case_seconds_max);
  const auto end = std::chrono::steady_clock::now() + how_long;
  std::uint64_t round = workers << 32;
  while (std::chrono::steady_clock::now() < end) {
    CAPTURE(round);
    run_on(workers, [&] {
      for (std::uint64_t i = 0; i < rounds_in_a_run; ++i) play_round(round++);
    });
  }
  MESSAGE((round & 0xFFFFFFFF) << " rounds on " << workers << " workers");
}

}  // namespace

TEST_CASE("mixed: random work on eight workers comes out right") {
  play(8, duration());
}

TEST_CASE("mixed: random work on two workers comes out right") {
  play(2, duration() / 4);
}

TEST_CASE("mixed: random work on one worker comes out right") {
  play(1, duration() / 4);
}

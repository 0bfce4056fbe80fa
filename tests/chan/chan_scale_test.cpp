// Many waiters, long chains of fibers, and two of Go's classic channel programs.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

/// Wakes each of `count` fibers several times over a channel of its own; all of them wait on a
/// common channel too, so each wake-up takes a waiter out of the middle of a long queue.
static std::chrono::nanoseconds time_of_waking(std::size_t count) {
  constexpr int messages = 10;
  const auto start = std::chrono::steady_clock::now();
  auto common = make_chan<void>();
  std::vector<chan<void>> own(count);
  fiber_group fibers;
  for (auto& mine : own) {
    mine = make_chan<void>();
    fibers.go([&common, mine] {
      for (int i = 0; i < messages; ++i) ringo::select(ringo::recv(common), ringo::recv(mine));
    });
  }
  for (int i = 0; i < messages; ++i) {
    for (auto& mine : own) mine.send();
  }
  fibers.join();
  return std::chrono::steady_clock::now() - start;
}

// After Go's test/chanlinear.go. Time is what is promised here, and a busy machine spoils
// measurements: so the step is large, and one good ratio is enough. With a scan of the queue, 16
// times as many waiters would take 256 times as long; caches alone make it some 30.
TEST_CASE("CH-37: leaving a queue of n waiters does not take time in n") {
  constexpr std::size_t step = 16;
  constexpr int attempts_max = 10;
  run_freely_on_each([] {
    double best_ratio = 1e9;
    for (int i = 0; i < attempts_max && best_ratio > 6 * step; ++i) {
      const auto few = time_of_waking(sizes::linear_waiters);
      const auto many = time_of_waking(step * sizes::linear_waiters);
      best_ratio = std::min(best_ratio,
                            static_cast<double>(many.count()) / static_cast<double>(few.count()));
    }
    EXPECT(best_ratio <= 6 * step);
  });
}

// After Go's test/chan/goroutines.go.
static void pass_token_through(std::size_t links) {
  const auto leftmost = make_chan<int>();
  auto right = leftmost;
  for (std::size_t i = 0; i < links; ++i) {
    auto left = std::exchange(right, make_chan<int>());
    ringo::go([left, right]() mutable { left.send(*right.recv()); });
  }
  ringo::go([right]() mutable { right.send(1); });
  EXPECT_EQ(leftmost.recv(), std::optional<int>(1));
}

TEST_CASE("CH-40: a token passes a chain of 10000 fibers") {
  run_freely_on_each([] { pass_token_through(sizes::chain_fibers); });
}

TEST_CASE("CH-40: a token passes a chain of 100000 fibers" * doctest::test_suite("stress")) {
  run_on(8, [] { pass_token_through(sizes::long_chain_fibers); });
}

// After Go's test/chan/sieve1.go: a chain of filters that never ends and closes nothing.
TEST_CASE("CH-40: a chain of filters sieves primes") {
  const std::vector<int> primes = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                   43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97};
  run_on_each(
      [&] {
        const auto found = make_chan<int>();
        ringo::go([found]() mutable {
          auto numbers = make_chan<int>();
          ringo::go([numbers]() mutable {
            for (int i = 2;; ++i) numbers.send(i);
          });
          for (;;) {
            const int prime = *numbers.recv();
            found.send(prime);
            auto rest = make_chan<int>();
            ringo::go([in = numbers, out = rest, prime]() mutable {
              for (const int number : in) {
                if (number % prime != 0) out.send(number);
              }
            });
            numbers = rest;
          }
        });
        for (std::size_t i = 0; i < sizes::sieve_primes; ++i) {
          EXPECT_EQ(found.recv(), std::optional<int>(primes[i]));
        }
      },
      leftovers::allowed);
}

namespace {

// After Go's test/chan/sieve2.go: multiples of primes are merged by a heap of channels and feed
// back.

using stream = chan<int>;

stream count_from(int first, int step, std::ptrdiff_t capacity) {
  auto out = make_chan<int>(capacity);
  ringo::go([=]() mutable {
    for (int n = first;; n += step) out.send(n);
  });
  return out;
}

stream multiples_of(int prime) {
  return count_from(prime * prime, 2 * prime, 10);
}

struct peeked {
  int head;
  stream rest;
  friend bool operator<(const peeked& a, const peeked& b) { return a.head > b.head; }
};

/// A channel whose sends never block: a fiber keeps what `out` does not take yet. While there is
/// nothing to give, its output case is a nil channel.
stream unbounded(const stream& out) {
  auto in = make_chan<int>(10);
  ringo::go([=] {
    std::deque<int> kept;
    for (;;) {
      const stream ready = kept.empty() ? stream{} : out;
      const int head = kept.empty() ? 0 : kept.front();
      std::optional<int> value;
      if (ringo::select(ringo::recv(in, value), ringo::send(ready, head)) == 0) {
        kept.push_back(*value);
      } else {
        kept.pop_front();
      }
    }
  });
  return in;
}

void merge_multiples(const stream& primes, const stream& composites) {
  std::priority_queue<peeked> heap;
  int smallest = 15;
  const auto advance = [&] {
    peeked top = heap.top();
    heap.pop();
    smallest = top.head;
    top.head = *top.rest.recv();
    heap.push(std::move(top));
  };
  for (;;) {
    stream multiples = multiples_of(*primes.recv());
    const int head = *multiples.recv();
    while (smallest < head) {
      composites.send(smallest);
      advance();
    }
    while (smallest == head) advance();
    composites.send(head);
    const int next = *multiples.recv();
    heap.push({next, multiples});
  }
}

void keep_primes(const stream& composites, const stream& feedback, const stream& found) {
  auto primes = unbounded(feedback);
  auto candidates = count_from(5, 2, 50);
  int prime = *candidates.recv();
  for (;;) {
    const int composite = *composites.recv();
    while (prime < composite) {
      primes.send(prime);
      found.send(prime);
      prime = *candidates.recv();
    }
    if (prime == composite) prime = *candidates.recv();
  }
}

}  // namespace

TEST_CASE("SE-7: a nil output disables its case in a proxy that never blocks its sender") {
  const std::vector<int> expected = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                     43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97};
  run_on_each(
      [&] {
        auto found = make_chan<int>(10);
        auto composites = make_chan<int>(50);
        auto primes = make_chan<int>(10);
        found.send(2);
        found.send(3);
        primes.send(3);
        ringo::go([=] { merge_multiples(primes, composites); });
        ringo::go([=] { keep_primes(composites, primes, found); });
        for (const int prime : expected) EXPECT_EQ(found.recv(), std::optional<int>(prime));
      },
      leftovers::allowed);
}

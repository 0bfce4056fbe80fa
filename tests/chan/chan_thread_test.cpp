// Plain threads as partners of fibers, and channels that live before, between and after runs.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/tracked.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

namespace {

enum class place { fiber, thread };
enum class way { plain, select };

struct actor {
  const char* name;
  place where;
  way how;
};

constexpr actor actors[] = {
    {"a fiber", place::fiber, way::plain},
    {"a fiber in select", place::fiber, way::select},
    {"a thread", place::thread, way::plain},
    {"a thread in select", place::thread, way::select},
};

void send_all(const chan<std::size_t>& ch, const chan<int>& quiet, way how) {
  for (std::size_t i = 0; i < sizes::thread_values; ++i) {
    if (how == way::plain) {
      ch.send(i);
    } else {
      EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::send(ch, i)), std::size_t{1});
    }
  }
  ch.close();
}

void receive_all(const chan<std::size_t>& ch, const chan<int>& quiet, way how) {
  std::size_t expected = 0;
  for (;;) {
    std::optional<std::size_t> value;
    if (how == way::plain) {
      value = ch.recv();
    } else {
      EXPECT_EQ(ringo::select(ringo::recv(ch, value), ringo::recv(quiet)), std::size_t{0});
    }
    if (!value) break;
    EXPECT_EQ(*value, expected++);
  }
  EXPECT_EQ(expected, sizes::thread_values);
}

/// Both kinds of actors, started by where they are to run.
class stage {
 public:
  template <class F>
  void start(place where, F fn) {
    if (where == place::fiber) {
      fibers_.go(fn);
    } else {
      threads_.start(fn);
    }
  }
  void join() {
    fibers_.join();
    threads_.join();
  }

 private:
  fiber_group fibers_;
  thread_group threads_;
};

}  // namespace

TEST_CASE("CH-11: fibers and plain threads exchange values in every combination") {
  for (const actor& sender : actors) {
    for (const actor& receiver : actors) {
      CAPTURE(sender.name);
      CAPTURE(receiver.name);
      run_on_each([&] {
        for (const std::ptrdiff_t capacity : {0, 1}) {
          const auto ch = make_chan<std::size_t>(capacity);
          const auto quiet = make_chan<int>();
          stage both;
          both.start(sender.where, [=] { send_all(ch, quiet, sender.how); });
          both.start(receiver.where, [=] { receive_all(ch, quiet, receiver.how); });
          both.join();
        }
      });
    }
  }
}

TEST_CASE("CH-11: a crowd of fibers and threads delivers each value exactly once") {
  run_on_each([] {
    constexpr std::size_t pairs = 2;
    const auto ch = make_chan<std::size_t>(2);
    const auto quiet = make_chan<int>();
    const std::size_t total = pairs * std::size(actors) * sizes::thread_values;
    std::vector<std::atomic<int>> seen(total);
    std::atomic<std::size_t> received = 0;
    std::atomic<std::size_t> next_base = 0;
    stage crowd;
    for (std::size_t i = 0; i < pairs; ++i) {
      for (const actor& one : actors) {
        crowd.start(one.where, [&, how = one.how] {
          const std::size_t base = next_base.fetch_add(sizes::thread_values);
          for (std::size_t n = 0; n < sizes::thread_values; ++n) {
            if (how == way::plain) {
              ch.send(base + n);
            } else {
              ringo::select(ringo::send(ch, base + n), ringo::recv(quiet));
            }
          }
        });
        crowd.start(one.where, [&, how = one.how] {
          for (;;) {
            std::optional<std::size_t> value;
            if (how == way::plain) {
              value = ch.recv();
            } else {
              ringo::select(ringo::recv(ch, value), ringo::recv(quiet));
            }
            if (!value) return;
            ++seen[*value];
            if (++received == total) ch.close();
          }
        });
      }
    }
    crowd.join();
    std::size_t wrong = 0;
    for (const auto& times : seen) wrong += times == 1 ? 0 : 1;
    EXPECT_EQ(wrong, std::size_t{0});
  });
}

TEST_CASE("CH-17: close wakes plain threads that wait in recv and in select") {
  run_on_each([] {
    const auto ch = make_chan<int>();
    const auto quiet = make_chan<int>();
    thread_group threads;
    for (int i = 0; i < 2; ++i) {
      threads.start([=] { EXPECT_EQ(ch.recv(), std::nullopt); });
      threads.start([=] {
        std::optional<int> value = 1;
        EXPECT_EQ(ringo::select(ringo::recv(quiet), ringo::recv(ch, value)), std::size_t{1});
        EXPECT_EQ(value, std::nullopt);
      });
    }
    threads.wait_until_asleep();
    ch.close();
    threads.join();
  });
}

TEST_CASE("CH-18: close makes plain threads that wait in send panic") {
  run_on_each([] {
    const auto ch = make_chan<int>();
    thread_group threads;
    threads.start([=] { EXPECT_EQ(panic_text([&] { ch.send(1); }), "send on closed channel"); });
    threads.start([=] {
      EXPECT_EQ(panic_text([&] { ringo::select(ringo::send(ch, 1)); }), "send on closed channel");
    });
    threads.wait_until_asleep();
    ch.close();
    threads.join();
    EXPECT_EQ(ch.recv(), std::nullopt);
  });
}

TEST_CASE("CH-12: threads and fibers stand in one queue") {
  run_on_each([] {
    const auto ch = make_chan<int>();
    const auto first =
        go_until_parked(parked_in_recv, [=] { EXPECT_EQ(ch.recv(), std::optional<int>(0)); });
    thread_group threads;
    threads.start([=] { EXPECT_EQ(ch.recv(), std::optional<int>(1)); });
    threads.wait_until_asleep();
    const auto third =
        go_until_parked(parked_in_recv, [=] { EXPECT_EQ(ch.recv(), std::optional<int>(2)); });
    for (int i = 0; i < 3; ++i) ch.send(i);
    first.wait();
    third.wait();
    threads.join();
  });
}

TEST_CASE("CH-8: non-blocking operations work on plain threads") {
  run_on_each([] {
    const auto ch = make_chan<int>(1);
    thread_group threads;
    threads.start([=] {
      auto mine = ch;
      EXPECT(mine.try_send(1));
      EXPECT(!mine.try_send(2));
      EXPECT_EQ(ringo::select(ringo::send(mine, 2), ringo::otherwise), std::size_t{1});
      const auto value = mine.try_recv();
      EXPECT(value && *value == 1);
      EXPECT_EQ(ringo::select(ringo::recv(mine), ringo::otherwise), std::size_t{1});
    });
    threads.join();
  });
}

TEST_CASE("CH-39: a channel is usable before, during and after run") {
  for_each_worker_count([](std::size_t workers) {
    ledger book;
    {
      auto ch = make_chan<tracked>(3);
      CHECK(ch.try_send(tracked(book, 1)));
      ch.send(tracked(book, 2));  // there is room: does not block
      run_on(workers, [&] {
        EXPECT_EQ(ch.recv()->value(), 1);
        ch.send(tracked(book, 3));
        ch.send(tracked(book, 4));
      });
      CHECK(ch.len() == 3);
      CHECK(ch.recv()->value() == 2);
      auto tried = ch.try_recv();
      CHECK((tried && tried->value() == 3));
      ch.close();
      CHECK(ringo::select(ringo::recv(
                ch, [](std::optional<tracked> value) { CHECK(value->value() == 4); })) == 0);
      CHECK_FALSE(ch.recv().has_value());
      CHECK(panic_text([&] { ch.close(); }) == "close of closed channel");
    }
    CHECK(book.live == 0);
  });
}

TEST_CASE("CH-39: a channel connects the fibers of one run with those of the next") {
  for_each_worker_count([](std::size_t workers) {
    auto ch = make_chan<int>(1);
    for (int round = 0; round < 10; ++round) {
      run_on(workers, [&] {
        const auto sender = watched_fiber::start([&] {
          ch.send(round);
          ch.send(round + 1);
        });
        EXPECT_EQ(ch.recv(), std::optional<int>(round));
        sender.wait();
      });
      CHECK(ch.len() == 1);
      CHECK(*ch.recv() == round + 1);
    }
  });
}

// The fibers left over at the end of a run never run again. A later partner must not find them: it
// would give its value to nobody, or wake a frame that is gone.
TEST_CASE("CH-36: receivers left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    auto ch = make_chan<int>();
    auto other = make_chan<int>(1);
    run_on(
        workers,
        [&] {
          go_until_parked(parked_in_recv, [&] { (void)ch.recv(); });
          go_until_parked(parked_in_recv, [&] { (void)other.recv(); });
          go_until_parked(parked_in_select,
                          [&] { ringo::select(ringo::recv(ch), ringo::recv(other)); });
        },
        leftovers::allowed);
    CHECK_FALSE(ch.try_send(1));
    CHECK(other.try_send(2));
    CHECK(other.len() == 1);
    run_on(workers, [&] {
      const auto receiver =
          go_until_parked(parked_in_recv, [&] { EXPECT_EQ(ch.recv(), std::optional<int>(3)); });
      ch.send(3);
      receiver.wait();
      EXPECT_EQ(other.recv(), std::optional<int>(2));
    });
    ch.close();
    other.close();
  });
}

TEST_CASE("CH-36: senders left over at the end of run are in no queue afterwards") {
  for_each_worker_count([](std::size_t workers) {
    auto ch = make_chan<int>();
    auto full = make_chan<int>(1);
    run_on(
        workers,
        [&] {
          full.send(1);
          go_until_parked(parked_in_send, [&] { ch.send(10); });
          go_until_parked(parked_in_send, [&] { full.send(11); });
          go_until_parked(parked_in_select,
                          [&] { ringo::select(ringo::send(ch, 12), ringo::send(full, 13)); });
        },
        leftovers::allowed);
    CHECK_FALSE(static_cast<bool>(ch.try_recv()));
    CHECK(*full.recv() == 1);
    CHECK(full.len() == 0);
    run_on(workers, [&] {
      const auto sender = go_until_parked(parked_in_send, [&] { ch.send(4); });
      EXPECT_EQ(ch.recv(), std::optional<int>(4));
      sender.wait();
    });
    ch.close();  // panics in no leftover
    full.close();
  });
}

TEST_CASE("CH-36: many leftovers of every kind leave their channels usable") {
  for_each_worker_count([](std::size_t workers) {
    auto a = make_chan<int>();
    auto b = make_chan<int>(2);
    for (int round = 0; round < 5; ++round) {
      run_on(
          workers,
          [&] {
            for (int i = 0; i < 20; ++i) {
              ringo::go([&] {
                for (;;) ringo::select(ringo::send(a, 1), ringo::recv(b), ringo::recv(chan<int>{}));
              });
              ringo::go([&] {
                for (;;) ringo::select(ringo::recv(a), ringo::send(b, 1));
              });
              ringo::go([&] { (void)a.recv(); });
            }
            for (int i = 0; i < 20; ++i) ringo::yield();
          },
          leftovers::allowed);
      CHECK(b.len() <= 2);
      while (b.try_recv()) {
      }
      run_on(workers, [&] {
        const auto echo = watched_fiber::start([&] {
          for (const int value : a) b.send(value);
        });
        for (int i = 0; i < 10; ++i) {
          a.send(i);
          EXPECT_EQ(b.recv(), std::optional<int>(i));
        }
        a.close();
        echo.wait();
      });
      a = make_chan<int>();
    }
  });
}

// The rule that a primitive may be destroyed as soon as the call that waited for it has returned,
// even while the call that let it go is still returning elsewhere. How: destruction.hpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/detail/completion.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

#include "destruction.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"

using namespace ringo::test;

namespace {

struct group_race {
  using object = ringo::wait_group;
  static void prepare(object& group) { group.add(); }
  static void let_go(object& group) { group.done(); }
  static void wait(object& group) { group.wait(); }
};

struct mutex_race {
  using object = ringo::mutex;
  static void prepare(object& m) { m.lock(); }
  static void let_go(object& m) { m.unlock(); }
  static void wait(object& m) {
    m.lock();
    m.unlock();
  }
};

struct mutex_try_race : mutex_race {
  static void wait(object& m) {
    spin_until([&] { return m.try_lock(); });
    m.unlock();
  }
};

struct once_race {
  struct object {
    ringo::once once;
    std::atomic<bool> begun{false};
  };
  static void prepare(object&) {}
  static void let_go(object& one) {
    one.once.call([&] {
      one.begun = true;
      ringo::yield();
    });
  }
  static void wait(object& one) {
    spin_until([&] { return one.begun.load(); });
    one.once.call([] {});
  }
};

struct completion_race {
  using object = ringo::detail::completion;
  static void prepare(object&) {}
  static void let_go(object& one) { (void)one.finish(); }
  static void wait(object& one) { one.wait(); }
};

}  // namespace

TEST_CASE("wait_group: may be destroyed as soon as wait has returned") {
  everywhere(play_batch<group_race>);
}

// Two count down, so that the one that is not the last races with the end, too.
TEST_CASE("wait_group: may be destroyed while the last two are returning from done") {
  everywhere([](parties who, std::uint64_t stream) {
    batch<ringo::wait_group> objects;
    for (std::size_t i = 0; i < batch_size; ++i) objects[i].add(2);
    const auto count_down = [&](std::uint64_t own_stream) {
      return [&, pause = pauses(own_stream)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          objects[i].done();
        }
      };
    };
    auto third = ringo::spawn(count_down(stream ^ 1ULL << 40));
    side_by_side(who, count_down(stream), [&, pause = pauses(stream + 1)]() mutable {
      for (std::size_t i = 0; i < batch_size; ++i) {
        pause();
        objects[i].wait();
        objects.destroy(i);
      }
    });
    third.join();
  });
}

TEST_CASE("wait_group: may be destroyed while the fiber of go is returning") {
  CAPTURE(seed());
  for_each_worker_count([](std::size_t workers) {
    const std::size_t rounds = workers == 2 ? fiber_rounds : fiber_rounds / 10;
    repeat(workers, parties::fibers, rounds / 10, [](parties, std::uint64_t stream) {
      batch<ringo::wait_group> objects;
      pauses pause(stream);
      for (std::size_t i = 0; i < batch_size; ++i) {
        objects[i].go([] {});
        pause();
        objects[i].wait();
        objects.destroy(i);
      }
    });
  });
}

TEST_CASE("mutex: may be destroyed as soon as the last user has locked and unlocked it") {
  everywhere(play_batch<mutex_race>);
}

TEST_CASE("mutex: may be destroyed by one who got it with try_lock") {
  everywhere(play_batch<mutex_try_race>);
}

// The classic: a count of users behind the lock itself; whoever finds itself the last destroys it.
TEST_CASE("mutex: may guard the count of its own users") {
  struct counted {
    ringo::mutex m;
    int users = 3;
  };
  everywhere([](parties who, std::uint64_t stream) {
    batch<counted> objects;
    const auto leave_all = [&](std::uint64_t own_stream) {
      return [&, pause = pauses(own_stream)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          objects[i].m.lock();
          const bool last = --objects[i].users == 0;
          objects[i].m.unlock();
          if (last) objects.destroy(i);
        }
      };
    };
    auto third = ringo::spawn(leave_all(stream ^ 1ULL << 40));
    side_by_side(who, leave_all(stream), leave_all(stream + 1));
    third.join();
  });
}

TEST_CASE("once: may be destroyed as soon as a call that waited has returned") {
  everywhere(play_batch<once_race>);
}

TEST_CASE("completion: may be destroyed as soon as wait has returned") {
  everywhere(play_batch<completion_race>);
}

// Exactly one of the two sides must free the state: none is a leak, both are a double free.
TEST_CASE("task: join and the fiber's end free what they share once") {
  everywhere([](parties who, std::uint64_t stream) {
    auto tasks = ringo::make_chan<ringo::task<int>>(batch_size);
    side_by_side(
        who,
        [&, pause = pauses(stream)]() mutable {
          for (std::size_t i = 0; i < batch_size; ++i) {
            tasks.send(ringo::spawn([i] { return static_cast<int>(i); }));
            pause();
          }
          tasks.close();
        },
        [&, pause = pauses(stream + 1)]() mutable {
          int i = 0;
          for (auto& one : tasks) {
            pause();
            EXPECT_EQ(one.join(), i);
            ++i;
          }
        });
  });
}

TEST_CASE("task: detach and the fiber's end free what they share once") {
  everywhere([](parties who, std::uint64_t stream) {
    auto tasks = ringo::make_chan<ringo::task<std::unique_ptr<int>>>(batch_size);
    side_by_side(
        who,
        [&, pause = pauses(stream)]() mutable {
          for (std::size_t i = 0; i < batch_size; ++i) {
            tasks.send(ringo::spawn([] { return std::make_unique<int>(1); }));
            pause();
          }
          tasks.close();
        },
        [&, pause = pauses(stream + 1)]() mutable {
          for (auto& one : tasks) {
            pause();
            one.detach();
          }
        });
    spin_until([] { return ringo::num_fibers() == 1; });
  });
}

namespace {

/// Each side has a handle of its own to each channel and drops it as soon as it can.
template <class LetGo, class Wait>
void play_channels(parties who, std::uint64_t stream, LetGo let_go, Wait wait) {
  std::vector<ringo::chan<int>> mine(batch_size);
  for (std::size_t i = 0; i < batch_size; ++i) {
    mine[i] = ringo::make_chan<int>(static_cast<std::ptrdiff_t>(i % 2));
  }
  auto theirs = mine;
  side_by_side(
      who,
      [&, pause = pauses(stream)]() mutable {
        for (auto& ch : mine) {
          pause();
          let_go(ch);
          ch = {};
        }
      },
      [&, pause = pauses(stream + 1)]() mutable {
        for (auto& ch : theirs) {
          pause();
          wait(ch);
          ch = {};
        }
      });
}

}  // namespace

TEST_CASE("chan: the last handle may go as soon as send and receive have returned") {
  everywhere([](parties who, std::uint64_t stream) {
    play_channels(
        who,
        stream,
        [](auto& ch) { ch.send(1); },
        [](auto& ch) { EXPECT_EQ(ch.recv(), std::optional<int>(1)); });
  });
}

TEST_CASE("chan: the last handle may go as soon as close and receive have returned") {
  everywhere([](parties who, std::uint64_t stream) {
    play_channels(
        who,
        stream,
        [](auto& ch) { ch.close(); },
        [](auto& ch) { EXPECT_EQ(ch.recv(), std::optional<int>()); });
  });
}

TEST_CASE("chan: the last handle may go as soon as the selects have returned") {
  everywhere([](parties who, std::uint64_t stream) {
    play_channels(
        who,
        stream,
        [](auto& ch) { ringo::select(ringo::send(ch, 1), ringo::recv(ringo::chan<int>{})); },
        [](auto& ch) {
          std::optional<int> value;
          const auto other = ringo::make_chan<int>();
          ringo::select(ringo::recv(other), ringo::recv(ch, value));
          EXPECT_EQ(value, std::optional<int>(1));
        });
  });
}

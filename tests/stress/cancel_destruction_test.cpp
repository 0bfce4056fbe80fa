// The destruction rule with cancellations mixed in: a lock may be destroyed as soon as everybody's
// call has returned, also while the cancel() that ended one of them, and the unlock that ended
// another, are still returning elsewhere. How: destruction.hpp.

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/go.hpp>
#include <ringo/group/task_group.hpp>
#include <ringo/task.hpp>

#include "destruction.hpp"
#include "support/run_on.hpp"
#include "sync/cancellable_locks.hpp"

using namespace ringo::test;

namespace {

/// One side lets go, the other waits with a context that a third one cancels. When it has given up
/// it waits once more without one, so that the object is let go of, and then destroys it.
template <class Op>
void play_cancelled(parties who, std::uint64_t stream) {
  batch<typename Op::object> objects;
  std::vector<ringo::cancellable_context> contexts;
  for (std::size_t i = 0; i < batch_size; ++i) {
    Op::hold(objects[i]);
    contexts.push_back(ringo::with_cancel(ringo::background()));
  }
  auto canceller = ringo::spawn([&, pause = pauses(stream ^ 1ULL << 40)]() mutable {
    for (const auto& context : contexts) {
      pause();
      context.cancel();
    }
  });
  side_by_side(
      who,
      [&, pause = pauses(stream)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          Op::let_go(objects[i]);
        }
      },
      [&, pause = pauses(stream + 1)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          if (Op::wait(objects[i], contexts[i].ctx)) {
            EXPECT(!Op::wait(objects[i], ringo::background()));
          }
          Op::undo(objects[i]);
          objects.destroy(i);
        }
      });
  canceller.join();
}

/// The raw condition: as soon as it has been notified it may go, even before the wait has returned.
struct raw_condition {
  ringo::condition_variable changed;
  std::atomic<bool> waiting{false};
};
struct announcing_lock {
  raw_condition& one;
  void lock() {}
  void unlock() { one.waiting = true; }
};

void play_condition(parties who, std::uint64_t stream) {
  batch<raw_condition> objects;
  std::vector<ringo::cancellable_context> contexts;
  for (std::size_t i = 0; i < batch_size; ++i) {
    contexts.push_back(ringo::with_cancel(ringo::background()));
  }
  auto canceller = ringo::spawn([&, pause = pauses(stream ^ 1ULL << 40)]() mutable {
    for (std::size_t i = 0; i < batch_size; ++i) {
      spin_until([&] { return objects[i].waiting.load(); });
      pause();
      contexts[i].cancel();
    }
  });
  side_by_side(
      who,
      [&, pause = pauses(stream)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          spin_until([&] { return objects[i].waiting.load(); });
          pause();
          objects[i].changed.notify_one();
        }
      },
      [&, pause = pauses(stream + 1)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          announcing_lock lock{objects[i]};
          (void)objects[i].changed.wait(contexts[i].ctx, lock);
        }
      });
  canceller.join();
  for (std::size_t i = 0; i < batch_size; ++i) objects.destroy(i);
}

}  // namespace

TEST_CASE("mutex: may be destroyed after a wait that was called off") {
  everywhere(play_cancelled<mutex_op>, 4);
}

TEST_CASE("shared_mutex: may be destroyed after a wait that was called off") {
  everywhere(play_cancelled<writer_op>, 8);
  everywhere(play_cancelled<writer_behind_reader_op>, 8);
  everywhere(play_cancelled<reader_op>, 8);
}

TEST_CASE("wait_group: may be destroyed after a wait that was called off") {
  everywhere(play_cancelled<group_op>, 4);
}

TEST_CASE("semaphore: may be destroyed after an acquire that was called off") {
  everywhere(play_cancelled<semaphore_op>, 4);
}

TEST_CASE("condition_variable: cancellations and notifications race") {
  everywhere(play_condition, 8);
}

// Who notifies destroys it at once, while the waiter may still be on its way to rest or back, and a
// cancellation that has come too late looks for it.
TEST_CASE("condition_variable: may be destroyed once notified, even while its wait is cancelled") {
  everywhere(
      [](parties who, std::uint64_t stream) {
        batch<raw_condition> objects;
        std::vector<ringo::cancellable_context> contexts;
        std::vector<std::atomic<bool>> notified(batch_size);
        for (std::size_t i = 0; i < batch_size; ++i) {
          contexts.push_back(ringo::with_cancel(ringo::background()));
        }
        auto canceller = ringo::spawn([&] {
          for (std::size_t i = 0; i < batch_size; ++i) {
            spin_until([&] { return notified[i].load(); });
            contexts[i].cancel();
          }
        });
        side_by_side(
            who,
            [&, pause = pauses(stream)]() mutable {
              for (std::size_t i = 0; i < batch_size; ++i) {
                spin_until([&] { return objects[i].waiting.load(); });
                pause();
                objects[i].changed.notify_one();
                notified[i] = true;
                objects.destroy(i);
              }
            },
            [&, pause = pauses(stream + 1)]() mutable {
              for (std::size_t i = 0; i < batch_size; ++i) {
                pause();
                announcing_lock lock{objects[i]};
                EXPECT(!objects[i].changed.wait(contexts[i].ctx, lock));
              }
            });
        canceller.join();
      },
      2);
}

TEST_CASE("task_group: may be destroyed as soon as wait has returned") {
  everywhere(
      [](parties, std::uint64_t stream) {
        pauses pause(stream);
        std::vector<std::optional<ringo::task_group>> groups(batch_size);
        for (auto& group : groups) {
          group.emplace();
          group->set_limit(2);
          group->go([] {});
          group->go([] { return std::make_error_code(std::errc::io_error); });
          pause();
          EXPECT((group->wait() == std::errc::io_error));
          group.reset();
        }
      },
      2);
}

// The window in which a waiter that may give up listens already and is in no queue yet.

#include <doctest/doctest.h>

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/detail/grant_queue.hpp>
#include <ringo/detail/sync_queue.hpp>
#include <ringo/error.hpp>
#include <ringo/sync/condition_variable.hpp>

#include "sched/park.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "sync/sync_cancel.hpp"

using namespace ringo::test;
namespace core = ringo::detail;

namespace {

// clang-format off
//                                             plain asan  tsan
constexpr auto window_rounds = sizes::pick<int>(500, 200,  100);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;

using plain_queue = core::sync_queue<std::uint32_t>;
constexpr core::park_kind plain_kind{
    "test", &plain_queue::after_wait, &plain_queue::claim, &plain_queue::dropped};
constexpr core::park_kind grant_kind{
    "test", &core::grant_queue::after_wait, &core::grant_queue::claim, &core::grant_queue::dropped};

/// What the rules below cancel when a newcomer is looked at for the second time, which is after it
/// has begun to listen.
struct meddling_state {
  core::cancellation* stop = nullptr;
  int looks = 0;
};
meddling_state meddling;

bool never_enters(std::uint64_t& /*word*/, std::uint64_t /*wants*/) noexcept {
  if (++meddling.looks == 2) meddling.stop->cancel(canceled);
  return false;
}
std::uint64_t same(core::grant_queue& /*queue*/, std::uint64_t word) noexcept {
  return word;
}
std::uint64_t give_back(std::uint64_t word, std::uint64_t /*wants*/) noexcept {
  return word;
}
constexpr core::grant_rules meddling_rules{&never_enters, &same, &give_back};

}  // namespace

TEST_CASE("sync_cancel: who is called off before it queues does not queue") {
  const auto check = [] {
    plain_queue queue(4);
    core::cancellation stop;
    core::sync_waiter<std::uint32_t> self;
    const auto given_up = core::wait_unless(stop, queue, self, &core::call_off<std::uint32_t>, [&] {
      stop.cancel(canceled);
      return queue.wait(self, queue.lock(), plain_queue::place::back, plain_kind) !=
             core::wait_outcome::called_off;
    });
    EXPECT(given_up == canceled);
    EXPECT_EQ(queue.load(), std::uint32_t{4});
  };
  check();
  run_on_each(check);
}

TEST_CASE("sync_cancel: who is called off before it queues for a grant does not queue") {
  const auto check = [] {
    core::grant_queue queue(8);
    core::cancellation stop;
    meddling = {&stop, 0};
    EXPECT(queue.enter_unless(&stop, 4, meddling_rules, grant_kind) == canceled);
    EXPECT_EQ(meddling.looks, 2);
    EXPECT_EQ(queue.load(), std::uint64_t{8});
  };
  check();
  run_on_each(check);
}

// The queue is held while both the waiter, which listens already, and its canceller want it: either
// of them gets it first. Nobody may be left in the queue.
TEST_CASE("sync_cancel: a condition's waiter that is called off before it queues is in no queue") {
  for (int round = 0; round < window_rounds; ++round) {
    ringo::condition_variable changed;
    // The queue is its only member.
    auto& queue = reinterpret_cast<plain_queue&>(changed);
    const auto tree = ringo::with_cancel(ringo::background());
    std::mutex m;
    std::atomic<bool> locked{false};
    const std::uint32_t word = queue.lock();
    thread_group threads;
    threads.start([&] {
      std::unique_lock lock(m);
      locked = true;
      EXPECT(changed.wait(tree.ctx, lock) == canceled);
      EXPECT(lock.owns_lock());
    });
    while (!locked) ::sched_yield();
    for (int i = 0; i < 10 + round % 20; ++i) ::sched_yield();  // it begins to listen
    threads.start([&] { tree.cancel(); });
    for (int i = 0; i < 10 + round % 30; ++i) ::sched_yield();
    queue.publish(word);
    threads.join();
    EXPECT_EQ(queue.load(), std::uint32_t{0});
    EXPECT(queue.empty());
  }
  failure_log::instance().report();
}

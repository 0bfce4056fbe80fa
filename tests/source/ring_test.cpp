// What only a ring has: queues that overflow, letters to the owner, tickets, kernel threads; and
// the faults that tests put into it.

#include "source/ring.hpp"

#include <doctest/doctest.h>

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <ostream>
#include <thread>

#include "operations.hpp"
#include "support/kernel_threads.hpp"
#include "support/seed.hpp"
#include "support/unnamed_file.hpp"

using namespace ringo::test;
using namespace ringo::detail;

namespace {

constexpr std::size_t many = 5000;  // more than the completion queue holds

using waiters = std::vector<std::unique_ptr<operation_waiter>>;

waiters polls_of(engine& source, int fd, std::size_t count) {
  waiters all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(std::make_unique<operation_waiter>(source, engine_kind::io_uring));
    all[i]->op.code = opcode::poll;
    all[i]->op.events = POLLIN;
    all[i]->op.fd = fd;
  }
  return all;
}

void start_all(waiters& all) {
  for (auto& w : all) REQUIRE_FALSE(w->start());
}

/// Counts those that end with `wanted`; `others` are told apart by being wrong.
std::size_t finish_all(fiber_queue& ended, std::int64_t wanted) {
  std::size_t count = 0;
  while (fiber* f = ended.pop()) {
    if (operation_waiter::of(f).finish() != wanted) FAIL("ended with something else");
    ++count;
  }
  return count;
}

owned_fd counter() {
  return owned_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void make_readable(const owned_fd& fd) {
  const std::uint64_t one = 1;
  REQUIRE(::write(fd.get(), &one, sizeof one) == sizeof one);
}

/// What a call on another thread finds ended.
template <typename Call>
fiber_queue elsewhere(Call call) {
  fiber_queue ended;
  std::thread([&] { call(ended); }).join();
  return ended;
}

}  // namespace

TEST_CASE("ring: more operations than there is room for are started and end") {
  auto makers = rings();
  makers.push_back(misbehaving("tiny", {.tiny = true}));
  makers.push_back(misbehaving("takes little", {.seed = seed(), .enter_fails = 200}));
  makers.push_back(misbehaving("takes little, tiny", {.enter_fails = 200, .tiny = true}));
  for_each(makers, [](engine& source, engine_kind /*kind*/) {
    const owned_fd fd = counter();
    waiters all = polls_of(source, fd.get(), 1000);
    start_all(all);  // nothing is reaped in between
    make_readable(fd);
    std::size_t count = 0;
    while (count < all.size()) {
      wait_once(source, nullptr, [&](operation_waiter& w) {
        if (w.finish() != POLLIN) FAIL("ended with something else");
        ++count;
      });
    }
  });
}

TEST_CASE("ring: what was called off before the kernel took it ends") {
  for_each({misbehaving("takes little, tiny", {.seed = seed(), .enter_fails = 200, .tiny = true}),
            misbehaving("the same, old",
                        {.seed = seed(), .enter_fails = 200, .tiny = true, .old_kernel = true})},
           [](engine& source, engine_kind /*kind*/) {
             const owned_fd fd = counter();
             waiters all = polls_of(source, fd.get(), 300);
             start_all(all);
             hand_over others(source);
             std::thread canceller([&] {
               for (std::size_t i = 0; i < all.size(); i += 2) others.give(all[i]->cancel());
             });
             for (std::size_t i = 1; i < all.size(); i += 2) others.give(all[i]->cancel());
             canceller.join();
             std::size_t count = 0;
             while (count < all.size()) {
               wait_once(source, &others, [&](operation_waiter& w) {
                 if (w.finish() != -ECANCELED) FAIL("ended with something else");
                 ++count;
               });
             }
           });
}

TEST_CASE("ring: more completions than the queue holds come all, to the owner") {
  for_each(rings(), [](engine& source, engine_kind /*kind*/) {
    const owned_fd fd = counter();
    make_readable(fd);
    waiters all = polls_of(source, fd.get(), many);
    start_all(all);
    source.leave();
    source.come_back();
    std::size_t count = 0;
    while (count < many) {
      fiber_queue ended;
      reap_into(source, ended);
      const std::size_t found = finish_all(ended, POLLIN);
      REQUIRE(found > 0);  // the kernel has done all of them
      count += found;
    }
  });
}

TEST_CASE("ring: more completions than the queue holds come all, to others") {
  for_each(rings(), [](engine& source, engine_kind /*kind*/) {
    const owned_fd fd = counter();
    make_readable(fd);
    waiters all = polls_of(source, fd.get(), many);
    start_all(all);
    source.leave();
    source.come_back();
    std::size_t count = 0;
    for (int i = 0; i < 1000 && count < many; ++i) {
      fiber_queue ended = elsewhere([&](fiber_queue& found) { reap_into(source, found); });
      count += finish_all(ended, POLLIN);
    }
    CHECK(count == many);
  });
}

TEST_CASE("ring: a letter keeps the operation until the owner has read it") {
  for_each({misbehaving("as Linux 5.15", {.old_kernel = true})},
           [](engine& source, engine_kind kind) {
             const auto pair = stream_pair();
             operation_waiter w(source, kind);
             std::array<char, 4> room{};
             w.op.code = opcode::receive;
             w.op.fd = pair.ours.get();
             w.op.data = room.data();
             w.op.size = room.size();
             REQUIRE_FALSE(w.start());
             source.leave();
             source.come_back();
             fiber_queue ended =
                 elsewhere([&](fiber_queue& /*found*/) { REQUIRE(w.cancel() == nullptr); });
             REQUIRE(::write(pair.theirs.get(), "abcd", 4) == 4);
             ended = elsewhere([&](fiber_queue& found) {
               for (int i = 0; i < 1000; ++i) reap_into(source, found);
             });
             CHECK(ended.empty());
             CHECK(source.busy());  // the letter
             reap_into(source, ended);
             REQUIRE_FALSE(ended.empty());
             CHECK(&operation_waiter::of(ended.pop()) == &w);
             CHECK(w.finish() == 4);  // what has happened wins over the cancellation
           });
}

TEST_CASE("ring: operations at one address have tickets of their own") {
  for_each(rings(), [](engine& source, engine_kind /*kind*/) {
    const owned_fd fd = counter();
    waiters one = polls_of(source, fd.get(), 1);
    std::vector<std::uint64_t> tickets;
    for (int i = 0; i < 100; ++i) {
      const bool ended = one[0]->start();
      tickets.push_back(one[0]->op.ticket);
      const bool cancelled = one[0]->cancel() != nullptr;
      CHECK(result_of(source, *one[0], ended || cancelled) == -ECANCELED);
    }
    std::sort(tickets.begin(), tickets.end());
    CHECK(std::adjacent_find(tickets.begin(), tickets.end()) == tickets.end());
  });
}

TEST_CASE("ring: files keep few threads of the kernel busy") {
  for_each({sound(engine_kind::io_uring)}, [&](engine& source, engine_kind kind) {
    const owned_fd file(unnamed_file_number());
    std::vector<char> data(1 << 14, 'x');
    waiters all;
    for (std::size_t i = 0; i < 200; ++i) {
      all.push_back(std::make_unique<operation_waiter>(source, kind));
      operation& op = all[i]->op;
      op.code = i % 2 == 0 ? opcode::write : opcode::sync;
      op.fd = file.get();
      op.data = data.data();
      op.size = data.size();
      op.offset = static_cast<std::int64_t>(i * data.size());
    }
    start_all(all);
    std::size_t count = 0;
    std::size_t threads_max = 0;
    while (count < all.size()) {
      wait_once(source, nullptr, [&](operation_waiter& w) {
        if (w.finish() < 0) FAIL("a file refused");
        ++count;
      });
      threads_max = std::max(threads_max, kernel_threads());
    }
    CHECK(threads_max <= 4);
  });
}

TEST_CASE("ring: faults are those of the plan, and the same for the same seed") {
  const ring_fault_plan plan{
      .seed = seed(), .shortened = 128, .refused = 128, .enter_fails = 128, .late = 128};
  ring_faults first(plan);
  ring_faults second(plan);
  std::size_t errors = 0;
  std::size_t refusals = 0;
  std::size_t shortened = 0;
  for (int i = 0; i < 1000; ++i) {
    const int error = first.enter_error();
    const std::int32_t refusal = first.refusal();
    const std::uint32_t length = first.shortened(100);
    CHECK(error == second.enter_error());
    CHECK(refusal == second.refusal());
    CHECK(length == second.shortened(100));
    CHECK(first.shortened(1) == second.shortened(1));
    CHECK(length >= 1);
    CHECK(length <= 100);
    errors += error != 0 ? 1 : 0;
    refusals += refusal != 0 ? 1 : 0;
    shortened += length < 100 ? 1 : 0;
  }
  for (const std::size_t count : {errors, refusals, shortened}) {
    CHECK(count > 300);
    CHECK(count < 700);
  }
  ring_faults none({.seed = seed()});
  for (int i = 0; i < 100; ++i) {
    CHECK(none.enter_error() == 0);
    CHECK(none.refusal() == 0);
    CHECK(none.shortened(100) == 100);
  }
}

TEST_CASE("ring: late completions come once, and all of them") {
  ring_faults faults({.seed = seed(), .late = 128});
  std::vector<std::uint64_t> seen;
  std::uint64_t next = 0;
  bool in_order = true;
  while (next < 1000 || faults.keeps_any()) {
    std::array<ring_completion, 64> batch{};
    unsigned count = 0;
    for (; count < 10 && next < 1000; ++count) batch[count] = {next++, 0};
    count = faults.disturb(batch.data(), count, batch.size());
    for (unsigned i = 0; i < count; ++i) {
      in_order = in_order && (seen.empty() || seen.back() < batch[i].id);
      seen.push_back(batch[i].id);
    }
  }
  CHECK_FALSE(in_order);
  std::sort(seen.begin(), seen.end());
  REQUIRE(seen.size() == 1000);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i);
}

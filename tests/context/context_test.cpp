// The tree: cancelling, causes, values, who keeps whom.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"
#include "support/virtual_time.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::context;
using ringo::with_cancel;
using ringo::with_cancel_cause;

namespace {

// clang-format off
//                                                        plain   asan   tsan
constexpr auto race_rounds = sizes::pick<std::size_t>(    3'000,  500,   200);
constexpr auto churn       = sizes::pick<std::size_t>(  200'000, 5'000, 2'000);
constexpr auto deep        = sizes::pick<std::size_t>(  100'000, 5'000, 2'000);
// clang-format on

const std::error_code canceled = ringo::errc::canceled;
const std::error_code finished_first = std::make_error_code(std::errc::owner_dead);
const std::error_code child_cause = std::make_error_code(std::errc::bad_message);

bool is_closed(const ringo::recv_chan<void>& channel) {
  return channel.try_recv().closed();
}

inline constexpr ringo::context_key<int> number;

}  // namespace

TEST_CASE("CX-1: background is never done and has nothing") {
  const auto check = [] {
    const context root = background();
    EXPECT(root);
    EXPECT(!root.done());
    EXPECT_EQ(ringo::select(ringo::recv(root.done()), ringo::otherwise), std::size_t{1});
    EXPECT(!root.err());
    EXPECT(!ringo::cause(root));
    EXPECT(!root.deadline());
    EXPECT(root.value(number) == nullptr);
    EXPECT(root == background());
  };
  check();
  run_on_each(check);
}

TEST_CASE("CX-2: all members work from anywhere while the context is cancelled") {
  run_on_each([] {
    for (int round = 0; round < 20; ++round) {
      auto [parent, cancel] = with_cancel(background());
      const context ctx = ringo::with_value(ringo::with_timeout(parent, 1h).ctx, number, 7);
      const auto deadline = ctx.deadline();
      const auto hammer = [&, ctx = ctx] {
        const auto done = ctx.done();
        while (!ctx.err()) {
          EXPECT(ctx.done() == done);
          EXPECT(ctx.deadline() == deadline);
          EXPECT_EQ(*ctx.value(number), 7);
          ringo::yield();
        }
        for (int i = 0; i < 3; ++i) {
          EXPECT(ctx.err() == canceled);
          EXPECT(ringo::cause(ctx) == canceled);
          EXPECT(is_closed(done));
          EXPECT(ctx.done() == done);
        }
      };
      fiber_group fibers;
      thread_group thread;
      for (int i = 0; i < 8; ++i) fibers.go(hammer);
      thread.start(hammer);
      ringo::yield();
      cancel();
      fibers.join();
      thread.join();
    }
  });
}

// The poller sees either side first: neither may be ahead of the other.
TEST_CASE("CX-3: err and done change together") {
  run_on_each([] {
    for (std::size_t round = 0; round < race_rounds; ++round) {
      auto [ctx, cancel] = with_cancel(background());
      const auto by_err = ringo::spawn([ctx = ctx, early = round % 2 == 0] {
        const auto done = early ? ctx.done() : ringo::recv_chan<void>();
        while (!ctx.err()) ringo::yield();
        EXPECT(is_closed(ctx.done()));
        if (early) EXPECT(is_closed(done));
      });
      auto by_done = ringo::spawn([ctx = ctx] {
        while (!is_closed(ctx.done())) ringo::yield();
        EXPECT(ctx.err() == canceled);
      });
      if (round % 3 == 0) ringo::yield();
      cancel();
      by_done.join();
      const_cast<ringo::task<void>&>(by_err).join();
    }
  });
}

TEST_CASE("CX-4: when cancel returns, the whole tree below is done") {
  const auto check = [] {
    auto [root, cancel] = with_cancel(background());
    std::vector<context> tree{root};
    for (std::size_t i = 0; i < 40; ++i) {
      const context& parent = tree[i / 3];
      tree.push_back(i % 3 == 0   ? ringo::with_timeout(parent, 1h).ctx
                     : i % 3 == 1 ? ringo::with_value(parent, number, 1)
                                  : with_cancel(parent).ctx);
    }
    std::vector<ringo::recv_chan<void>> channels;
    for (std::size_t i = 0; i < tree.size(); i += 2) channels.push_back(tree[i].done());
    for (const auto& ctx : tree) EXPECT(!ctx.err());
    cancel();
    for (const auto& ctx : tree) EXPECT(ctx.err() == canceled);
    for (const auto& ctx : tree) EXPECT(is_closed(ctx.done()));
    for (const auto& channel : channels) EXPECT(is_closed(channel));
  };
  check();
  run_on_each(check);
}

TEST_CASE("CX-4: a second cancel returns when the first is through with the tree") {
  run_on_each([] {
    for (std::size_t round = 0; round < race_rounds / 10; ++round) {
      auto [root, cancel] = with_cancel(background());
      std::vector<context> leaves;
      for (int i = 0; i < 20; ++i) leaves.push_back(with_cancel(root).ctx);
      fiber_group fibers;
      for (int i = 0; i < 3; ++i) {
        fibers.go([&, cancel = cancel] {
          cancel();
          for (const auto& leaf : leaves) EXPECT(leaf.err() == canceled);
        });
      }
      fibers.join();
    }
  });
}

TEST_CASE("CX-4: a chain of contexts may be long") {
  run_on_each([] {
    auto [ctx, cancel] = with_cancel(background());
    context last = ctx;
    for (std::size_t i = 0; i < deep; ++i) last = with_cancel(last).ctx;
    cancel();
    EXPECT(last.err() == canceled);
  });
}

TEST_CASE("CX-5: cancel may be called often and from many") {
  run_on_each([] {
    std::vector<context> tree;
    std::vector<ringo::cancel_function> cancels;
    for (std::size_t i = 0; i < 100; ++i) {
      auto [ctx, cancel] = with_cancel(i == 0 ? background() : tree[(i - 1) / 2]);
      tree.push_back(ctx);
      cancels.push_back(cancel);
    }
    fiber_group fibers;
    for (const auto& cancel : cancels) {
      for (int i = 0; i < 2; ++i) fibers.go([=] { cancel(); });
    }
    fibers.join();
    for (const auto& ctx : tree) EXPECT(ctx.err() == canceled);
    ringo::cancel_function{}();
  });
}

TEST_CASE("CX-6: a child that is cancelled leaves its parent and siblings alone") {
  run_on_each([] {
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_cancel(parent);
    auto [sibling, cancel_sibling] = with_cancel(parent);
    cancel_child();
    EXPECT(child.err() == canceled);
    EXPECT(!parent.err());
    EXPECT(!sibling.err());
    EXPECT(!is_closed(parent.done()));
    cancel_parent();
    EXPECT(sibling.err() == canceled);
  });
}

// What stayed in the parent's list would be visited, freed, by its cancel: ASan would tell; and the
// time of this test would be quadratic.
TEST_CASE("CX-7: children that end leave a parent that lives on") {
  run_on_each([] {
    auto [parent, cancel] = with_cancel(background());
    for (std::size_t i = 0; i < churn; ++i) {
      auto [child, cancel_child] =
          i % 2 == 0 ? with_cancel(parent) : ringo::with_timeout(parent, 1h);
      if (i % 4 < 2) cancel_child();
    }
    cancel();
    EXPECT(parent.err() == canceled);
  });
}

TEST_CASE("CX-7: children come and go while their parent is cancelled") {
  run_on_each([] {
    for (std::size_t round = 0; round < race_rounds / 20; ++round) {
      auto [parent, cancel] = with_cancel(background());
      fiber_group fibers;
      for (int f = 0; f < 4; ++f) {
        fibers.go([parent = parent, f] {
          for (int i = 0; i < 20; ++i) {
            auto [child, cancel_child] =
                i % 2 == 0 ? with_cancel(parent)
                           : ringo::with_timeout(parent, std::chrono::microseconds(i * f));
            const context grandchild = with_cancel(child).ctx;
            if (i % 3 == 0) cancel_child();
            if (i % 5 == 0) ringo::yield();
          }
        });
      }
      ringo::yield();
      cancel();
      fibers.join();
    }
  });
}

TEST_CASE("CX-8: a child of a parent that is done is done too, with its cause") {
  run_on_each([] {
    auto [parent, cancel] = with_cancel_cause(background());
    cancel(finished_first);
    for (const context& child : {with_cancel(parent).ctx,
                                 with_cancel_cause(parent).ctx,
                                 ringo::with_timeout(parent, 1h).ctx,
                                 ringo::with_timeout(parent, -1h).ctx}) {
      EXPECT(child.err() == canceled);
      EXPECT(ringo::cause(child) == finished_first);
      EXPECT(is_closed(child.done()));
    }
  });
}

TEST_CASE("CX-8: so is one that is made while the parent is cancelled") {
  run_on_each([] {
    for (std::size_t round = 0; round < race_rounds / 10; ++round) {
      auto [parent, cancel] = with_cancel_cause(background());
      std::vector<ringo::task<context>> tasks;
      for (int i = 0; i < 4; ++i)
        tasks.push_back(ringo::spawn([parent = parent] { return with_cancel(parent).ctx; }));
      auto canceller = ringo::spawn([cancel = cancel] { cancel(finished_first); });
      std::vector<context> children;
      for (auto& task : tasks) children.push_back(task.join());
      canceller.join();
      for (const auto& child : children) {
        EXPECT(child.err() == canceled);
        EXPECT(ringo::cause(child) == finished_first);
      }
    }
  });
}

TEST_CASE("CX-9: who is woken by a parent may cancel a child at once") {
  run_on_each([] {
    for (std::size_t round = 0; round < race_rounds / 10; ++round) {
      auto [parent, cancel_parent] = with_cancel(background());
      auto [child, cancel_child] = with_cancel(parent);
      auto interlocked = ringo::spawn([parent = parent, cancel_child = cancel_child] {
        EXPECT(!parent.done().recv());
        cancel_child();
      });
      if (round % 2 == 0) ringo::yield();
      cancel_parent();
      interlocked.join();
      EXPECT(child.err() == canceled);
    }
  });
}

TEST_CASE("CX-15: a nil context is no parent, and cannot be used") {
  run_on_each([] {
    const std::string text_of_parent = "cannot create context from nil parent";
    const context nil;
    EXPECT(!nil);
    EXPECT_EQ(panic_text([&] { (void)with_cancel(nil); }), text_of_parent);
    EXPECT_EQ(panic_text([&] { (void)with_cancel_cause(nil); }), text_of_parent);
    EXPECT_EQ(panic_text([&] { (void)ringo::with_timeout(nil, 1s); }), text_of_parent);
    EXPECT_EQ(panic_text([&] { (void)ringo::with_deadline(nil, {}); }), text_of_parent);
    EXPECT_EQ(panic_text([&] { (void)ringo::with_value(nil, number, 1); }), text_of_parent);
    EXPECT_EQ(panic_text([&] { (void)ringo::without_cancel(nil); }), text_of_parent);
    EXPECT_EQ(panic_text([&] { (void)nil.done(); }), std::string("nil context"));
    EXPECT_EQ(panic_text([&] { (void)nil.err(); }), std::string("nil context"));
    EXPECT_EQ(panic_text([&] { (void)nil.deadline(); }), std::string("nil context"));
    EXPECT_EQ(panic_text([&] { (void)nil.value(number); }), std::string("nil context"));
    EXPECT_EQ(panic_text([&] { (void)ringo::cause(nil); }), std::string("nil context"));
    EXPECT_EQ(panic_text([&] { ringo::after_func(nil, [] {}); }), std::string("nil context"));
    EXPECT_EQ(panic_text([&] { (void)ringo::make_chan<int>().recv(nil); }),
              std::string("nil context"));
  });
}

TEST_CASE("CX-17: propagation takes no fiber") {
  run_on_each([] {
    auto [root, cancel] = with_cancel(background());
    context last = root;
    for (int i = 0; i < 20; ++i) last = ringo::with_timeout(with_cancel(last).ctx, 1h).ctx;
    EXPECT_EQ(ringo::test::live_fibers(), std::size_t{1});
    cancel();
    EXPECT_EQ(ringo::test::live_fibers(), std::size_t{1});
    EXPECT(last.err() == canceled);
  });
}

TEST_CASE("CX-18: a cause is told beside the error") {
  run_on_each([] {
    auto [ctx, cancel] = with_cancel_cause(background());
    EXPECT(!ringo::cause(ctx));
    cancel(finished_first);
    EXPECT(ctx.err() == canceled);
    EXPECT(ringo::cause(ctx) == finished_first);
    auto [plain, cancel_plain] = with_cancel_cause(background());
    cancel_plain({});
    EXPECT(ringo::cause(plain) == canceled);
    auto [of_errc, cancel_errc] = with_cancel_cause(background());
    cancel_errc(ringo::errc::eof);
    EXPECT(ringo::cause(of_errc) == ringo::errc::eof);
  });
}

TEST_CASE("CX-19: the first cause stays, whichever side it came from") {
  run_on_each([] {
    for (const bool parent_first : {true, false}) {
      auto [parent, cancel_parent] = with_cancel_cause(background());
      auto [child, cancel_child] = with_cancel_cause(parent);
      if (parent_first) cancel_parent(finished_first);
      cancel_child(child_cause);
      if (!parent_first) cancel_parent(finished_first);
      cancel_parent(child_cause);
      cancel_child(finished_first);
      EXPECT(ringo::cause(parent) == finished_first);
      EXPECT(ringo::cause(child) == (parent_first ? finished_first : child_cause));
      EXPECT(child.err() == canceled);
    }
  });
}

TEST_CASE("CX-20: a cause is empty or final") {
  run_on_each([] {
    for (std::size_t round = 0; round < race_rounds / 5; ++round) {
      auto [ctx, cancel] = with_cancel_cause(background());
      auto poller = ringo::spawn([ctx = ctx] {
        std::error_code seen;
        while (!(seen = ringo::cause(ctx))) {
          EXPECT(!seen);
          ringo::yield();
        }
        EXPECT(seen == finished_first);
        EXPECT(ctx.err() == canceled);
      });
      if (round % 2 == 0) ringo::yield();
      cancel(finished_first);
      poller.join();
    }
  });
}

TEST_CASE("CX-23: without_cancel keeps the values only") {
  run_in_bubble_on_each([] {
    auto [parent, cancel] = ringo::with_timeout(ringo::with_value(background(), number, 5), 1h);
    const context before = ringo::without_cancel(parent);
    cancel();
    for (const context& detached : {before, ringo::without_cancel(parent)}) {
      EXPECT(!detached.err());
      EXPECT(!ringo::cause(detached));
      EXPECT(!detached.deadline());
      EXPECT(!detached.done());
      EXPECT_EQ(*detached.value(number), 5);
      const stopwatch watch;
      const context on_top = ringo::with_timeout(detached, 2h).ctx;
      EXPECT(!on_top.done().recv());
      EXPECT_EQ(watch.passed(), 2h);
      EXPECT(on_top.err() == ringo::errc::deadline_exceeded);
    }
  });
}

TEST_CASE("context: a cancel_guard cancels at the end of its scope") {
  context ctx;
  {
    auto [inner, cancel] = with_cancel(background());
    const ringo::cancel_guard guard(cancel);
    ctx = inner;
    CHECK(!ctx.err());
  }
  CHECK(ctx.err() == canceled);
}

TEST_CASE("context: works before and after a run") {
  auto [parent, cancel] = with_cancel_cause(background());
  const context child = ringo::with_timeout(parent, 1h).ctx;
  const auto done = child.done();
  run_on(2, [&, ctx = child] { EXPECT(!ctx.err()); });
  CHECK(!is_closed(done));
  cancel(finished_first);
  CHECK(is_closed(done));
  CHECK(ringo::cause(child) == finished_first);
}

TEST_CASE("context: its done channel may outlive it, and keeps what closes it") {
  run_in_bubble_on_each([] {
    const stopwatch watch;
    auto [parent, cancel] = with_cancel(background());
    const auto by_parent = with_cancel(parent).ctx.done();
    const auto by_time = ringo::with_timeout(background(), 50ms).ctx.done();
    for (int i = 0; i < 3; ++i) {
      const auto ctx = with_cancel(parent).ctx;
      for (int j = 0; j < 3; ++j) EXPECT_EQ(ctx.done().len(), std::size_t{0});
    }
    EXPECT(!by_time.recv());
    EXPECT_EQ(watch.passed(), 50ms);
    EXPECT(!is_closed(by_parent));
    cancel();
    EXPECT(is_closed(by_parent));
  });
}

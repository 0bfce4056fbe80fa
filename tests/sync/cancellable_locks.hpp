#pragma once

// Each operation of a lock that may give up, in one form, so that tests can go through all of them.
// An object is held, then let go of once; wait() then succeeds, unless it gives up, and undo()
// makes it as it was before. All of it may be called from fibers and plain threads.

#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include <ringo/context.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>

#include "io/turn.hpp"

namespace ringo::test {

/// For what all operations share.
struct cancellable_lock {
  /// Destroys it while others wait.
  template <class T>
  static void abandon(std::unique_ptr<T>& object) {
    object.reset();
  }
};

struct mutex_op : cancellable_lock {
  using object = ringo::mutex;
  static constexpr const char* reason = "sync.Mutex.Lock";
  static void hold(object& m) { m.lock(); }
  static void let_go(object& m) { m.unlock(); }
  static std::error_code wait(object& m, const context& ctx) { return m.lock(ctx); }
  static void undo(object& m) { m.unlock(); }
  static bool is_free(object& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
  }
};

struct writer_op : cancellable_lock {
  using object = ringo::shared_mutex;
  static constexpr const char* reason = "sync.RWMutex.Lock";
  static void hold(object& m) { m.lock(); }
  static void let_go(object& m) { m.unlock(); }
  static std::error_code wait(object& m, const context& ctx) { return m.lock(ctx); }
  static void undo(object& m) { m.unlock(); }
  static bool is_free(object& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
  }
};

struct writer_behind_reader_op : writer_op {
  static void hold(object& m) { m.lock_shared(); }
  static void let_go(object& m) { m.unlock_shared(); }
};

struct reader_op : writer_op {
  static constexpr const char* reason = "sync.RWMutex.RLock";
  static std::error_code wait(object& m, const context& ctx) { return m.lock_shared(ctx); }
  static void undo(object& m) { m.unlock_shared(); }
};

struct group_op : cancellable_lock {
  using object = ringo::wait_group;
  static constexpr const char* reason = "sync.WaitGroup.Wait";
  static void hold(object& group) { group.add(); }
  static void let_go(object& group) { group.done(); }
  static std::error_code wait(object& group, const context& ctx) { return group.wait(ctx); }
  static void undo(object&) {}
  static bool is_free(object& group) {
    group.wait();  // for ever, if the counter is wrong
    return true;
  }
};

struct semaphore_op : cancellable_lock {
  struct object : ringo::semaphore {
    object() : semaphore(3) {}
  };
  static constexpr const char* reason = "semaphore.Acquire";
  static void hold(object& tokens) { tokens.acquire(2); }
  static void let_go(object& tokens) { tokens.release(2); }
  static std::error_code wait(object& tokens, const context& ctx) { return tokens.acquire(ctx, 2); }
  static void undo(object& tokens) { tokens.release(2); }
  static bool is_free(object& tokens) {
    if (!tokens.try_acquire(3)) return false;
    tokens.release(3);
    return true;
  }
};

struct condition_op : cancellable_lock {
  struct object {
    ringo::mutex m;
    ringo::condition_variable changed;
    bool held = false;
  };
  static constexpr const char* reason = "sync.Cond.Wait";
  static void hold(object& one) {
    const std::lock_guard guard(one.m);
    one.held = true;
  }
  static void let_go(object& one) {
    {
      const std::lock_guard guard(one.m);
      one.held = false;
    }
    one.changed.notify_one();
  }
  static std::error_code wait(object& one, const context& ctx) {
    std::unique_lock lock(one.m);
    const auto given_up = one.changed.wait(ctx, lock, [&] { return !one.held; });
    // A notification that it took goes on to the next.
    one.changed.notify_one();
    return given_up;
  }
  static void undo(object&) {}
  static bool is_free(object& one) { return mutex_op::is_free(one.m) && !one.held; }
  static void abandon(std::unique_ptr<object>& one) {
    // The lock lives on: who gives up takes it.
    std::destroy_at(&one->changed);
    std::construct_at(&one->changed);
  }
};

/// Of a descriptor.
struct turn_op : cancellable_lock {
  using object = ringo::detail::turn;
  struct holder final : ringo::detail::io_holder {
    object& held;
    explicit holder(object& of) noexcept : held(of) {}
    void give_back() noexcept override { static_cast<void>(held.give_back()); }
  };
  static constexpr const char* reason = "io turn";
  static void hold(object& turn) {
    holder self(turn);
    static_cast<void>(turn.take(nullptr, self));
  }
  static void let_go(object& turn) { static_cast<void>(turn.give_back()); }
  static std::error_code wait(object& turn, const context& ctx) {
    if (const auto error = ctx.err()) return error;
    holder self(turn);
    return turn.take(ringo::detail::cancellation_of(ctx), self);
  }
  static void undo(object& turn) { let_go(turn); }
  static bool is_free(object& turn) {
    if (!turn.try_take()) return false;
    let_go(turn);
    return true;
  }
};

template <class Check>
void for_each_lock(Check check) {
  check(mutex_op{});
  check(writer_op{});
  check(writer_behind_reader_op{});
  check(reader_op{});
  check(group_op{});
  check(semaphore_op{});
  check(condition_op{});
  check(turn_op{});
}

}  // namespace ringo::test

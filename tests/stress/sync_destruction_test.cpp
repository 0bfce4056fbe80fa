// The destruction rule for the shared_mutex, the semaphore and the condition_variable. How:
// destruction.hpp.

#include <doctest/doctest.h>

#include <atomic>

#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>

#include "destruction.hpp"

using namespace ringo::test;

namespace {

struct writer_race {
  using object = ringo::shared_mutex;
  static void prepare(object& m) { m.lock(); }
  static void let_go(object& m) { m.unlock(); }
  static void wait(object& m) {
    m.lock();
    m.unlock();
  }
};

struct reader_after_writer_race : writer_race {
  static void wait(object& m) {
    m.lock_shared();
    m.unlock_shared();
  }
};

struct writer_after_reader_race : writer_race {
  static void prepare(object& m) { m.lock_shared(); }
  static void let_go(object& m) { m.unlock_shared(); }
};

struct semaphore_race {
  struct object : ringo::semaphore {
    object() : semaphore(2) {}
  };
  static void prepare(object& tokens) { tokens.acquire(2); }
  static void let_go(object& tokens) { tokens.release(2); }
  static void wait(object& tokens) { tokens.acquire(); }
};

/// Nothing is guarded: the lock only tells when the waiter is in the queue, which it may be long
/// before it is at rest.
struct condition_race {
  struct object {
    ringo::condition_variable changed;
    std::atomic<bool> waiting{false};
  };
  struct announcing_lock {
    object& one;
    void lock() {}
    void unlock() { one.waiting = true; }
  };
  static void prepare(object&) {}
  static void let_go(object& one) {
    spin_until([&] { return one.waiting.load(); });
    one.changed.notify_one();
  }
  static void wait(object& one) {
    announcing_lock lock{one};
    one.changed.wait(lock);
  }
};

struct condition_all_race : condition_race {
  static void let_go(object& one) {
    spin_until([&] { return one.waiting.load(); });
    one.changed.notify_all();
  }
};

}  // namespace

TEST_CASE("shared_mutex: may be destroyed as soon as the last user has locked and unlocked it") {
  everywhere(play_batch<writer_race>);
}

TEST_CASE("shared_mutex: may be destroyed by a reader that a writer let in") {
  everywhere(play_batch<reader_after_writer_race>);
}

TEST_CASE("shared_mutex: may be destroyed by a writer that a reader let in") {
  everywhere(play_batch<writer_after_reader_race>);
}

TEST_CASE("semaphore: may be destroyed as soon as acquire has returned") {
  everywhere(play_batch<semaphore_race>);
}

TEST_CASE("condition_variable: may be destroyed as soon as wait has returned") {
  everywhere(play_batch<condition_race>, 2);
}

TEST_CASE("condition_variable: may be destroyed while notify_all is returning") {
  everywhere(play_batch<condition_all_race>, 2);
}

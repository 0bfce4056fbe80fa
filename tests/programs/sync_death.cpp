// Misuses locks, waits for what never comes, or lets an exception leave a fiber, in the way that
// the first argument names. Each of these must end the process with status 2.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>

namespace {

struct operation {
  const char* name;
  void (*run)();
};

struct announcer {
  announcer() = default;
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts("destructor ran"); }
};

/// A fatal error must get past this.
template <typename Fn>
void try_everything(Fn fn) {
  try {
    fn();
  } catch (...) {
    std::puts("caught");
  }
}

void unlock_twice() {
  ringo::mutex m;
  m.lock();
  m.unlock();
  try_everything([&] { m.unlock(); });
}

/// Somebody waited in between, so that the last unlock takes the long way.
void unlock_after_waiter() {
  ringo::mutex m;
  m.lock();
  auto waiter = ringo::spawn([&] {
    m.lock();
    m.unlock();
  });
  ringo::yield();
  m.unlock();
  waiter.join();
  try_everything([&] { m.unlock(); });
}

void unlock_in_thread() {
  ringo::mutex m;
  std::thread([&] { try_everything([&] { m.unlock(); }); }).join();
}

void lock_own() {
  ringo::mutex m;
  m.lock();
  m.lock();
}

void rw_unlock_unlocked() {
  ringo::shared_mutex m;
  try_everything([&] { m.unlock(); });
}

void rw_unlock_twice() {
  ringo::shared_mutex m;
  m.lock();
  m.unlock();
  try_everything([&] { m.unlock(); });
}

void rw_unlock_while_read_locked() {
  ringo::shared_mutex m;
  m.lock_shared();
  try_everything([&] { m.unlock(); });
}

void rw_unlock_shared_unlocked() {
  ringo::shared_mutex m;
  try_everything([&] { m.unlock_shared(); });
}

void rw_unlock_shared_twice() {
  ringo::shared_mutex m;
  m.lock_shared();
  m.unlock_shared();
  try_everything([&] { m.unlock_shared(); });
}

void rw_unlock_shared_while_write_locked() {
  ringo::shared_mutex m;
  m.lock();
  try_everything([&] { m.unlock_shared(); });
}

/// The second read lock waits for the writer, which waits for the first.
void rw_read_lock_again() {
  ringo::shared_mutex m;
  m.lock_shared();
  ringo::go([&] { m.lock(); });
  while (m.try_lock_shared()) {
    m.unlock_shared();
    ringo::yield();
  }
  m.lock_shared();
}

void acquire_too_many() {
  ringo::semaphore tokens(2);
  tokens.acquire(3);
}

void acquire_all_twice() {
  ringo::semaphore tokens(2);
  tokens.acquire(2);
  tokens.acquire();
}

void wait_for_no_notification() {
  ringo::mutex m;
  ringo::condition_variable changed;
  m.lock();
  changed.notify_all();
  changed.wait(m);
}

/// Two locks in opposite order.
void lock_crossed() {
  ringo::mutex a;
  ringo::mutex b;
  auto met = ringo::make_chan<void>();
  auto other = ringo::spawn([&] {
    b.lock();
    met.send();
    a.lock();
  });
  a.lock();
  met.recv();
  b.lock();
}

void once_in_itself() {
  ringo::once once;
  once.call([&] { once.call([] { std::puts("ran"); }); });
}

void wait_for_nobody() {
  ringo::wait_group group;
  group.add();
  group.wait();
}

void join_each_other() {
  ringo::task<void> first;
  ringo::task<void> second;
  auto begin = ringo::make_chan<void>();
  first = ringo::spawn([&] {
    begin.recv();
    second.join();
  });
  second = ringo::spawn([&] { first.join(); });
  begin.send();
  (void)ringo::make_chan<int>().recv();
}

/// Were the waiter released, the process would end with success.
void throw_in_group() {
  ringo::wait_group group;
  ringo::go([&] {
    group.wait();
    std::puts("released");
    std::_Exit(EXIT_SUCCESS);
  });
  group.add();
  group.go([] {
    const announcer witness;
    ringo::yield();
    throw std::runtime_error("out of a group");
  });
  group.done();
  group.wait();
  std::puts("released");
  std::_Exit(EXIT_SUCCESS);
}

void throw_after_drop() {
  auto dropped = ringo::make_chan<void>();
  {
    auto detached = ringo::spawn([dropped] {
      const announcer witness;
      dropped.recv();
      throw std::runtime_error("nobody listens");
    });
    detached.detach();
  }
  dropped.send();
  (void)ringo::make_chan<int>().recv();
}

void throw_before_drop() {
  auto failed = ringo::spawn([] {
    const announcer witness;
    throw std::runtime_error("nobody listens");
  });
  while (ringo::num_fibers() > 1) ringo::yield();
  { const auto dropped = std::move(failed); }
}

void throw_before_drop_in_thread() {
  auto failed = ringo::spawn([] {
    const announcer witness;
    throw std::runtime_error("nobody listens");
  });
  while (ringo::num_fibers() > 1) ringo::yield();
  std::thread([&] { failed.detach(); }).join();
}

void throw_before_assignment() {
  auto failed = ringo::spawn([] {
    const announcer witness;
    throw std::runtime_error("nobody listens");
  });
  while (ringo::num_fibers() > 1) ringo::yield();
  failed = {};
}

constexpr operation operations[] = {
    {"unlock_unlocked", [] { try_everything([] { ringo::mutex().unlock(); }); }},
    {"unlock_twice", unlock_twice},
    {"unlock_after_waiter", unlock_after_waiter},
    {"unlock_in_thread", unlock_in_thread},
    {"rw_unlock_unlocked", rw_unlock_unlocked},
    {"rw_unlock_twice", rw_unlock_twice},
    {"rw_unlock_while_read_locked", rw_unlock_while_read_locked},
    {"rw_unlock_shared_unlocked", rw_unlock_shared_unlocked},
    {"rw_unlock_shared_twice", rw_unlock_shared_twice},
    {"rw_unlock_shared_while_write_locked", rw_unlock_shared_while_write_locked},
    {"rw_read_lock_again", rw_read_lock_again},
    {"acquire_too_many", acquire_too_many},
    {"acquire_all_twice", acquire_all_twice},
    {"wait_for_no_notification", wait_for_no_notification},
    {"lock_own", lock_own},
    {"lock_crossed", lock_crossed},
    {"once_in_itself", once_in_itself},
    {"wait_for_nobody", wait_for_nobody},
    {"join_each_other", join_each_other},
    {"throw_in_group", throw_in_group},
    {"throw_after_drop", throw_after_drop},
    {"throw_before_drop", throw_before_drop},
    {"throw_before_drop_in_thread", throw_before_drop_in_thread},
    {"throw_before_assignment", throw_before_assignment},
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  const bool outside = argc == 3 && std::strcmp(argv[2], "outside") == 0;
  for (const operation& one : operations) {
    if (argc < 2 || std::strcmp(argv[1], one.name) != 0) continue;
    if (outside) {
      one.run();
    } else {
      ringo::run([&] {
        one.run();
        std::puts("unreachable");
      });
    }
  }
  return EXIT_FAILURE;
}

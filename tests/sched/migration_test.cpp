// Fibers change threads; what belongs to the fiber goes along, what belongs to the thread does not.

#include <doctest/doctest.h>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/task.hpp>
#include <ringo/thread_pin.hpp>

#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;

namespace {

constexpr auto migrations_wanted = sizes::pick<int>(50, 30, 20);

// Compilers keep the address of a thread-local across a call that parks, even if a function that is
// not inlined returns it; so the address is hidden from them.
__thread int thread_mark = 0;
[[gnu::noinline]] int& mark_of_this_thread() {
  int* address = &thread_mark;
  asm volatile("" : "+r"(address)::"memory");
  return *address;
}
[[gnu::noinline]] int& errno_of_this_thread() {
  int* address = &errno;
  asm volatile("" : "+r"(address)::"memory");
  return *address;
}

/// Returns on another thread than it was called on: a fiber that blocks while others wait gives its
/// run token to another thread, and goes on where there is one.
void migrate() {
  const int before = ::gettid();
  eventually(
      [&] {
        ringo::go([] {});
        ringo::blocking([] {});
        return ::gettid() != before;
      },
      "a migration");
}

/// Fibers that wait for a worker whenever somebody blocks.
class crowd {
 public:
  crowd() {
    for (int i = 0; i < 6; ++i) {
      fibers_.go([this] {
        for (int n = 0; !over_; ++n) {
          ringo::yield();
          if (n % 64 == 0) std::this_thread::yield();
        }
      });
    }
  }
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;
  ~crowd() {
    over_ = true;
    fibers_.join();
  }

 private:
  std::atomic<bool> over_{false};
  fiber_group fibers_;
};

void on_each_in_a_crowd(void (*fn)()) {
  for (const std::size_t workers : worker_counts) {
    run_on(workers, [fn] {
      const crowd others;
      fn();
    });
  }
}

}  // namespace

TEST_CASE("GR-32: after a park a fiber may be on another thread, and knows where it is") {
  on_each_in_a_crowd([] {
    const auto id = ringo::this_fiber::id();
    for (int i = 0; i < migrations_wanted; ++i) {
      const ringo::detail::worker* const before = ringo::detail::current_worker();
      EXPECT_EQ(before->thread_id(), ::gettid());
      migrate();
      const ringo::detail::worker* const after = ringo::detail::current_worker();
      EXPECT(after != before);
      EXPECT_EQ(after->thread_id(), ::gettid());
      EXPECT_EQ(ringo::detail::current_fiber(), after->current());
      EXPECT_EQ(ringo::this_fiber::id(), id);
      EXPECT_EQ(ringo::this_fiber::name(), std::string_view("main"));
    }
  });
}

TEST_CASE("GR-32: thread-local variables and errno are the thread's, not the fiber's") {
  on_each_in_a_crowd([] {
    for (int i = 0; i < migrations_wanted; ++i) {
      int* const before = &mark_of_this_thread();
      int* const errno_before = &errno_of_this_thread();
      mark_of_this_thread() = ::gettid();
      migrate();
      EXPECT(&mark_of_this_thread() != before);
      EXPECT(&errno_of_this_thread() != errno_before);
      const int mark = mark_of_this_thread();
      EXPECT((mark == 0 || mark == ::gettid()));
      mark_of_this_thread() = ::gettid();
      errno = 0;
      EXPECT_EQ(::close(-1), -1);
      EXPECT_EQ(errno_of_this_thread(), EBADF);
    }
  });
}

TEST_CASE("GR-33: addresses of locals stay valid across parks and threads") {
  on_each_in_a_crowd([] {
    int local = 0;
    int* const address = &local;
    for (int i = 0; i < migrations_wanted; ++i) {
      ringo::spawn([address] { ++*address; }).join();
      migrate();
      EXPECT_EQ(local, i + 1);
      EXPECT_EQ(&local, address);
    }
  });
}

TEST_CASE("exceptions: a fiber may change threads inside a catch block") {
  on_each_in_a_crowd([] {
    fiber_group fibers;
    for (int name = 0; name < 8; ++name) {
      fibers.go([name] {
        for (int i = 0; i < migrations_wanted / 4; ++i) {
          try {
            throw std::runtime_error(std::to_string(name));
          } catch (const std::runtime_error& error) {
            migrate();
            EXPECT_EQ(std::string(error.what()), std::to_string(name));
            EXPECT_EQ(std::uncaught_exceptions(), 0);
            try {
              throw;
            } catch (const std::runtime_error& again) {
              ringo::yield();
              EXPECT_EQ(std::string(again.what()), std::to_string(name));
            }
            try {
              throw std::logic_error("inner");
            } catch (const std::logic_error&) {
              migrate();
            }
            const auto current = std::current_exception();
            EXPECT(current != nullptr);
          }
          EXPECT(std::current_exception() == nullptr);
        }
      });
    }
    fibers.join();
  });
}

TEST_CASE("exceptions: a fiber may change threads in a destructor that unwinding runs") {
  on_each_in_a_crowd([] {
    struct migrates {
      ~migrates() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        migrate();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
      }
    };
    for (int i = 0; i < migrations_wanted / 4; ++i) {
      std::string caught;
      try {
        const migrates guard;
        throw std::runtime_error("outer");
      } catch (const std::runtime_error& error) {
        caught = error.what();
      }
      EXPECT_EQ(caught, std::string("outer"));
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    }
  });
}

TEST_CASE("exceptions: one may be carried to another fiber and thrown there") {
  run_on_each([] {
    auto out = ringo::make_chan<std::exception_ptr>();
    auto thrown = ringo::make_chan<void>();
    for (int i = 0; i < 100; ++i) {
      ringo::go([out, thrown, i]() mutable {
        try {
          throw std::runtime_error(std::to_string(i));
        } catch (...) {
          out.send(std::current_exception());
          // The count of references lies in the C++ library, where ThreadSanitizer does not see its
          // order.
          thrown.recv();
        }
      });
      std::string caught;
      try {
        std::rethrow_exception(*out.recv());
      } catch (const std::runtime_error& error) {
        ringo::yield();
        caught = error.what();
      }
      thrown.send();
      EXPECT_EQ(caught, std::to_string(i));
    }
  });
}

TEST_CASE("exceptions: many fibers throw through deep stacks at once") {
  run_on_each([] {
    struct deep {
      // NOLINTNEXTLINE(misc-no-recursion): depth is the point
      [[gnu::noinline]] static int dig(int depth, int& alive) {
        struct guard {
          int& count;
          ~guard() { --count; }
        };
        ++alive;
        const guard one{alive};
        if (depth == 0) throw std::runtime_error("bottom");
        if (depth % 50 == 0) ringo::yield();
        return dig(depth - 1, alive) + alive;
      }
    };
    fiber_group fibers;
    for (int i = 0; i < 20; ++i) {
      fibers.go([] {
        for (int k = 0; k < 5; ++k) {
          int alive = 0;
          bool caught = false;
          try {
            deep::dig(200, alive);
          } catch (const std::runtime_error&) {
            caught = true;
          }
          EXPECT(caught);
          EXPECT_EQ(alive, 0);
        }
      });
    }
    fibers.join();
  });
}

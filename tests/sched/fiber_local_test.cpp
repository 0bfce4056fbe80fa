#include <ringo/fiber_local.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/task.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/threads.hpp"

using namespace ringo::test;

namespace {

ringo::fiber_local<int> number;
ringo::fiber_local<std::string> text;

std::atomic<int> alive{0};
struct counted {
  counted() { ++alive; }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  ~counted() { --alive; }
  int value = 7;
};
ringo::fiber_local<counted> tracked_value;

std::mutex destroyed_lock;   // never held across a park
std::vector<int> destroyed;  // guarded by destroyed_lock
template <int Name>
struct names_its_end {
  names_its_end() = default;
  names_its_end(const names_its_end&) = delete;
  names_its_end& operator=(const names_its_end&) = delete;
  ~names_its_end() {
    const std::lock_guard<std::mutex> guard(destroyed_lock);
    destroyed.push_back(Name);
  }
  bool touched = false;
};
ringo::fiber_local<names_its_end<1>> first;
ringo::fiber_local<names_its_end<2>> second;
ringo::fiber_local<names_its_end<3>> third;

struct parks_at_end {
  parks_at_end() = default;
  parks_at_end(const parks_at_end&) = delete;
  parks_at_end& operator=(const parks_at_end&) = delete;
  ~parks_at_end() {
    if (out) out.send(number.get());
  }
  ringo::chan<int> out;
};
ringo::fiber_local<parks_at_end> parking;

}  // namespace

TEST_CASE("fiber_local: each fiber has its own value, across parks and threads") {
  run_on_each([] {
    fiber_group fibers;
    for (int i = 1; i <= 100; ++i) {
      fibers.go([i] {
        EXPECT_EQ(*number, 0);
        EXPECT(text->empty());
        *number = i;
        *text = std::to_string(i);
        const int* const address = &number.get();
        for (int k = 0; k < 20; ++k) {
          ringo::yield();
          EXPECT_EQ(number.get(), i);
          EXPECT_EQ(&number.get(), address);
        }
        EXPECT_EQ(*text, std::to_string(i));
      });
    }
    fibers.join();
    EXPECT_EQ(*number, 0);
  });
}

TEST_CASE("fiber_local: values are made at first use and destroyed at the fiber's end") {
  run_on_each([] {
    alive = 0;
    auto gate = ringo::make_chan<void>();
    std::atomic<int> ready{0};
    for (int i = 0; i < 50; ++i) {
      ringo::go([&ready, gate, i]() mutable {
        if (i % 2 == 0) EXPECT_EQ(tracked_value->value, 7);
        ++ready;
        gate.recv();
        if (i % 4 == 0) ringo::goexit();
      });
    }
    eventually([&] { return ready == 50; });
    EXPECT_EQ(alive, 25);
    gate.close();
    eventually([] { return ringo::num_fibers() == 1; });
    EXPECT_EQ(alive, 0);
  });
}

TEST_CASE("fiber_local: values are destroyed in reverse order of their making") {
  run_on_each([] {
    {
      const std::lock_guard<std::mutex> guard(destroyed_lock);
      destroyed.clear();
    }
    ringo::spawn([] {
      second->touched = true;
      first->touched = true;
      third->touched = true;
      second->touched = false;
    }).join();
    eventually([] { return ringo::num_fibers() == 1; });
    const std::lock_guard<std::mutex> guard(destroyed_lock);
    EXPECT(destroyed == std::vector<int>{3, 1, 2});
  });
}

TEST_CASE("fiber_local: a destructor may park and use other values") {
  run_on_each([] {
    auto out = ringo::make_chan<int>();
    ringo::go([out] {
      parking->out = out;
      *number = 5;  // made later, so destroyed earlier: the destructor makes a new one
    });
    EXPECT(out.recv() == 0);
  });
}

TEST_CASE("fiber_local: plain threads have values of their own") {
  run_on_each([] {
    alive = 0;
    *number = 1;
    thread_group threads;
    for (int i = 0; i < 4; ++i) {
      threads.start([i] {
        EXPECT_EQ(*number, 0);
        *number = 10 + i;
        EXPECT_EQ(tracked_value->value, 7);
        EXPECT_EQ(*number, 10 + i);
      });
    }
    threads.join();
    EXPECT_EQ(alive, 0);
    EXPECT_EQ(*number, 1);
  });
  *number = 3;
  CHECK(*number == 3);
  int seen = -1;
  std::thread([&] { seen = *number; }).join();
  CHECK(seen == 0);
  *number = 0;
}

TEST_CASE("fiber_local: inside blocking the fiber's value is the same") {
  run_on_each([] {
    *number = 4;
    ringo::blocking([] {
      EXPECT_EQ(*number, 4);
      *number = 9;
    });
    EXPECT_EQ(*number, 9);
  });
}

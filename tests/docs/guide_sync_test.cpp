// The code of docs/guide/sync.md; see guide_test.cpp.

#include <doctest/doctest.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ringo/ringo.hpp>

#include "support/run_on.hpp"

using namespace ringo::test;

namespace {

// [shared]
class phone_book {
 public:
  std::string find(const std::string& name) const {
    const std::shared_lock guard(lock_);
    const auto found = numbers_.find(name);
    return found != numbers_.end() ? found->second : "";
  }
  void put(std::string name, std::string number) {
    const std::unique_lock guard(lock_);
    numbers_[std::move(name)] = std::move(number);
  }

 private:
  mutable ringo::shared_mutex lock_;
  std::map<std::string, std::string> numbers_;
};
// [shared]

}  // namespace

TEST_CASE("sync: many readers or one writer") {
  run_on_each([] {
    phone_book book;
    ringo::wait_group group;
    group.go([&book] { book.put("ada", "1815"); });
    group.go([&book] { book.find("ada"); });
    group.wait();
    EXPECT_EQ(book.find("ada"), std::string("1815"));
    EXPECT_EQ(book.find("bob"), std::string());
  });
}

TEST_CASE("sync: wait for a condition") {
  run_on_each([] {
    ringo::mutex lock;
    ringo::condition_variable changed;
    std::deque<int> jobs;
    auto producer = ringo::spawn([&] {
      // [notify]
      {
        const std::lock_guard guard(lock);
        jobs.push_back(7);
      }
      changed.notify_one();
      // [notify]
    });
    int job = 0;
    {
      // [condition]
      std::unique_lock guard(lock);
      changed.wait(guard, [&] { return !jobs.empty(); });
      job = jobs.front();
      // [condition]
    }
    producer.join();
    EXPECT_EQ(job, 7);
  });
}

TEST_CASE("sync: a semaphore bounds") {
  run_on_each([] {
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    const auto download = [&](int /*file*/) {
      const int now = ++inside;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      ringo::yield();
      --inside;
    };
    // [semaphore]
    ringo::semaphore downloads(4);  // at most four at a time
    ringo::wait_group group;
    for (int file = 0; file < 100; ++file) {
      downloads.acquire();
      group.go([&, file] {
        const ringo::defer give_back{[&] { downloads.release(); }};
        download(file);
      });
    }
    group.wait();
    // [semaphore]
    EXPECT(most <= 4);
    EXPECT_EQ(inside.load(), 0);
  });
}

TEST_CASE("sync: made once, at first use") {
  run_on_each([] {
    std::atomic<int> read = 0;
    const auto read_settings = [&read] {
      ++read;
      return std::string("verbose");
    };
    // [once_value]
    auto settings = ringo::once_value(read_settings);  // copies share the one run
    ringo::wait_group group;
    for (int i = 0; i < 8; ++i) {
      group.go([settings] { static_cast<void>(settings().size()); });
    }
    group.wait();
    // [once_value]
    EXPECT_EQ(read.load(), 1);
    EXPECT_EQ(settings(), std::string("verbose"));
  });
}

TEST_CASE("sync: a pool of buffers") {
  run_on_each([] {
    // [pool]
    ringo::pool<std::unique_ptr<std::string>> buffers(
        [] { return std::make_unique<std::string>(); });
    auto buffer = *buffers.get();  // any that was put, else a new one
    buffer->assign("text");
    buffers.put(std::move(buffer));
    // [pool]
    EXPECT(buffers.get().has_value());
  });
}

TEST_CASE("sync: a wait_group that has gone too far panics, and changes nothing") {
  std::string text;
  ringo::wait_group group;
  try {
    group.done();
  } catch (const ringo::panic_error& panic) {
    text = panic.what();
  }
  CHECK(text == "sync: negative WaitGroup counter");
  group.wait();
}

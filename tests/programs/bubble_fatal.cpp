// Notifies a condition_variable that a fiber of a bubble waits for, from outside of the bubble, on
// as many workers as the argument says.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>

#include <ringo/ringo.hpp>
#include <ringo/testing/bubble.hpp>

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  ringo::options options;
  options.workers = std::atoi(argv[1]);
  ringo::run(options, [] {
    ringo::mutex lock;
    ringo::condition_variable condition;
    bool ready = false;
    std::atomic<bool> over{false};
    ringo::go([&] {
      ringo::testing::bubble([&] {
        ringo::go([&] {
          while (!over) ringo::yield();  // holds the clock
        });
        std::unique_lock guard(lock);
        condition.wait(guard, [&] { return ready; });
      });
    });
    for (;;) {
      condition.notify_one();
      ringo::yield();
    }
  });
}

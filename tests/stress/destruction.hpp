#pragma once

// For tests of the rule that a primitive may be destroyed as soon as the call that waited for it
// has returned, even while the call that let it go is still returning elsewhere.
//
// Two sides go through a batch of objects: one lets each go, the other waits for it and destroys it
// at once. Random pauses let now the one, now the other be ahead, and yields move them between
// workers. A late touch: sanitizers report it; other builds fill what was destroyed with a pattern
// and look at it when the batch is over.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <ringo/go.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/threads.hpp"

namespace ringo::test {

// clang-format off
//                                                              plain      asan    tsan
inline constexpr auto fiber_rounds  = sizes::pick<std::size_t>(1'000'000, 200'000, 50'000);
inline constexpr auto thread_rounds = sizes::pick<std::size_t>(200'000,   20'000, 5'000);
// clang-format on
inline constexpr std::size_t batch_size = 500;

/// Who may be a plain thread.
enum class parties { fibers, thread_lets_go, thread_waits, threads };

/// Now and then a pause of random length, and rarely a yield.
class pauses {
 public:
  explicit pauses(std::uint64_t stream) : random_(generator(stream)()) {}

  void operator()() {
    switch (random_() % 16) {
      case 0: ringo::yield(); break;
      case 1:
      case 2:
        for (auto i = random_() % 64; i > 0; --i) keep_ = keep_ + 1;
        break;
      default: break;
    }
  }

 private:
  std::minstd_rand random_;
  volatile unsigned keep_ = 0;
};

/// Waits for an event that another party is about to bring.
template <class Predicate>
void spin_until(Predicate holds) {
  for (unsigned turn = 1; !holds(); ++turn) {
    ringo::yield();
    if (turn % 64 == 0) std::this_thread::yield();
  }
}

/// Objects on the heap that are destroyed one by one.
template <class T>
class batch {
 public:
  batch() {
    for (auto& object : objects_) object = new T;
  }
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;
  ~batch() {
    if constexpr (watched) return;
    for (T* object : objects_) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(object);
      bool clean = true;
      for (std::size_t i = 0; i < sizeof(T); ++i) clean = clean && bytes[i] == pattern;
      EXPECT(clean);
      ::operator delete(object);
    }
  }

  T& operator[](std::size_t i) const { return *objects_[i]; }

  void destroy(std::size_t i) {
    if constexpr (watched) {
      delete objects_[i];
    } else {
      objects_[i]->~T();
      std::memset(static_cast<void*>(objects_[i]), pattern, sizeof(T));
    }
  }

 private:
  static constexpr bool watched = RINGO_ASAN || RINGO_TSAN;
  static constexpr unsigned char pattern = 0xDB;
  std::vector<T*> objects_ = std::vector<T*>(batch_size);
};

/// Runs two functions at the same time, each as a fiber or as a plain thread.
template <class First, class Second>
void side_by_side(parties who, First lets_go, Second waits) {
  fiber_group fibers;
  thread_group threads;
  if (who == parties::thread_lets_go || who == parties::threads) {
    threads.start(std::move(lets_go));
  } else {
    fibers.go(std::move(lets_go));
  }
  if (who == parties::thread_waits || who == parties::threads) {
    threads.start(std::move(waits));
  } else {
    fibers.go(std::move(waits));
  }
  fibers.join();
  threads.join();
}

/// Calls `play(who, stream)` for so many batches, each with a random stream of its own.
template <class Play>
void repeat(std::size_t workers, parties who, std::size_t rounds, Play play) {
  run_on(workers, [&] {
    for (std::size_t i = 0; i < rounds; i += batch_size) play(who, 2 * i);
  });
}

/// `divisor`: for what takes so many times longer than others.
template <class Play>
void everywhere(Play play, std::size_t divisor = 1) {
  CAPTURE(seed());
  const std::size_t fibers = fiber_rounds / divisor;
  const std::size_t threads = thread_rounds / divisor;
  repeat(2, parties::fibers, fibers, play);
  repeat(1, parties::fibers, fibers / 10, play);
  repeat(8, parties::fibers, fibers / 10, play);
  repeat(2, parties::thread_lets_go, threads, play);
  repeat(2, parties::thread_waits, threads, play);
  repeat(2, parties::threads, threads, play);
}

/// `Race` says how an object is made ready, let go of, and waited for.
template <class Race>
void play_batch(parties who, std::uint64_t stream) {
  batch<typename Race::object> objects;
  for (std::size_t i = 0; i < batch_size; ++i) Race::prepare(objects[i]);
  side_by_side(
      who,
      [&, pause = pauses(stream)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          Race::let_go(objects[i]);
        }
      },
      [&, pause = pauses(stream + 1)]() mutable {
        for (std::size_t i = 0; i < batch_size; ++i) {
          pause();
          Race::wait(objects[i]);
          objects.destroy(i);
        }
      });
}

}  // namespace ringo::test

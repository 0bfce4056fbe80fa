// Many operations at once, while other threads cancel and reap: no byte is lost or comes twice, and
// nobody sleeps past a wake-up. Each byte of a stream follows from its place, so that whatever is
// lost, doubled or written late shows.

#include <doctest/doctest.h>

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ostream>
#include <random>
#include <thread>

#include "operations.hpp"
#include "support/seed.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

constexpr auto cancellations = sizes::pick<sizes::count>(100'000, 20'000, 5'000);
constexpr auto disturbed_cancellations = sizes::pick<sizes::count>(3'000, 1'000, 300);
constexpr auto wakes = sizes::pick<sizes::count>(20'000, 10'000, 3'000);
constexpr std::size_t connections_max = 12;
constexpr std::size_t room_size = 96;

unsigned char byte_at(std::uint64_t place, std::uint64_t stream) noexcept {
  return static_cast<unsigned char>((place + stream * 77) * 0x9E3779B97F4A7C15ULL >> 56);
}

bool may_be_tried_again(std::int64_t result) noexcept {
  return result == -EAGAIN || result == -ECANCELED || result == -EINTR || result == -ENOBUFS ||
         result == -ENOMEM;
}

/// One stream, read or written by the owner through one operation at a time, always the same one.
struct connection : operation_waiter {
  pair_of_fds pair = stream_pair();
  std::uint64_t stream = 0;
  std::uint64_t moved = 0;       // the owner's: bytes
  std::uint64_t other_side = 0;  // the other thread's: bytes
  bool over = false;             // the owner's
  std::array<unsigned char, room_size> room{};

  using operation_waiter::operation_waiter;
};

class storm {
 public:
  storm(engine& source, engine_kind kind, bool sends, std::size_t wanted)
      : source_(source), others_(source), sends_(sends), wanted_(wanted) {
    for (std::size_t i = 0; i < connections_max; ++i) {
      connections_.push_back(std::make_unique<connection>(source, kind));
      connections_[i]->stream = i;
      const int small = 1;  // the kernel makes it some 4 KiB
      ::setsockopt(connections_[i]->pair.ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    }
  }

  void run() {
    std::vector<std::thread> threads;
    threads.emplace_back([this] { sends_ ? read_other_sides() : write_other_sides(); });
    threads.emplace_back([this] { cancel_at_random(1); });
    threads.emplace_back([this] { cancel_at_random(2); });
    threads.emplace_back([this] { reap(); });
    open_ = connections_.size();
    for (auto& each : connections_) go_on(*each);
    while (open_ > 0) {
      wait_once(source_, &others_, [this](operation_waiter& w) {
        auto& c = static_cast<connection&>(w);
        note(c, c.finish());
        go_on(c);
      });
      if (random_() % 256 == 0) compute();
    }
    over_ = true;
    for (auto& thread : threads) thread.join();
    for (auto& each : connections_) CHECK(each->moved == each->other_side);
    CHECK(wrong_ == 0);
    CHECK(wrong_elsewhere_ == 0);
    CHECK(cancelled_ >= wanted_);
  }

 private:
  engine& source_;
  hand_over others_;
  const bool sends_;
  const std::size_t wanted_;
  std::vector<std::unique_ptr<connection>> connections_;
  std::mt19937_64 random_ = generator(0);
  std::size_t open_ = 0;
  std::size_t wrong_ = 0;
  std::atomic<std::size_t> wrong_elsewhere_{0};
  std::atomic<std::size_t> cancelled_{0};
  std::atomic<bool> over_{false};

  bool enough() const noexcept { return cancelled_ >= wanted_; }

  // The owner.
  /// The others cancel and reap meanwhile.
  static void compute() {
    const auto until = ringo::detail::steady_clock::now() + 300us;
    while (ringo::detail::steady_clock::now() < until) {
    }
  }

  void go_on(connection& c) {
    while (!c.over) {
      if (sends_ && enough()) {
        ::shutdown(c.pair.ours.get(), SHUT_WR);
        return end(c);
      }
      describe(c);
      if (c.kind() == engine_kind::epoll || random_() % 2 == 0) {
        const std::int64_t tried = make_call(c.op);
        if (tried != -EAGAIN) {
          note(c, tried);
          continue;
        }
      }
      if (!c.start()) return;
      note(c, c.finish());
    }
  }

  void describe(connection& c) {
    c.op.code = sends_ ? opcode::send : opcode::receive;
    c.op.events = sends_ ? POLLOUT : POLLIN;
    c.op.flags = MSG_NOSIGNAL;
    c.op.fd = c.pair.ours.get();
    c.op.data = c.room.data();
    c.op.size = 1 + random_() % room_size;
    for (std::size_t i = 0; i < c.room.size(); ++i) {
      c.room[i] = sends_ ? byte_at(c.moved + i, c.stream) : 0;
    }
  }

  void note(connection& c, std::int64_t result) {
    if (result < 0) {
      if (result == -ECANCELED) ++cancelled_;
      if (!may_be_tried_again(result)) ++wrong_;
      return;
    }
    const auto size = static_cast<std::size_t>(result);
    if (!sends_) {
      for (std::size_t i = 0; i < c.room.size(); ++i) {
        const unsigned char wanted = i < size ? byte_at(c.moved + i, c.stream) : 0;
        if (c.room[i] != wanted) ++wrong_;
      }
      if (size == 0) end(c);
    }
    c.moved += size;
  }

  void end(connection& c) {
    c.over = true;
    --open_;
  }

  // Other threads.
  void write_other_sides() {
    std::mt19937_64 random = generator(10);
    std::array<unsigned char, 2 * room_size> data;
    while (!enough()) {
      connection& c = *connections_[random() % connections_.size()];
      const std::size_t size = 1 + random() % data.size();
      for (std::size_t i = 0; i < size; ++i) data[i] = byte_at(c.other_side + i, c.stream);
      if (::write(c.pair.theirs.get(), data.data(), size) != static_cast<ssize_t>(size)) {
        ++wrong_elsewhere_;
      }
      c.other_side += size;
      for (int i = 0; i < 4; ++i) std::this_thread::yield();
    }
    for (auto& each : connections_) ::shutdown(each->pair.theirs.get(), SHUT_WR);
  }

  void read_other_sides() {
    std::mt19937_64 random = generator(10);
    std::array<unsigned char, 8 * room_size> data;
    std::vector<connection*> open;
    for (auto& each : connections_) open.push_back(each.get());
    while (!open.empty()) {
      const std::size_t which = random() % open.size();
      connection& c = *open[which];
      const ssize_t size =
          ::recv(c.pair.theirs.get(), data.data(), 1 + random() % data.size(), MSG_DONTWAIT);
      for (ssize_t i = 0; i < size; ++i) {
        const auto place = static_cast<std::size_t>(i);
        if (data[place] != byte_at(c.other_side + place, c.stream)) ++wrong_elsewhere_;
      }
      if (size > 0) c.other_side += static_cast<std::size_t>(size);
      if (size == 0) open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
      if (!enough()) {
        for (int i = 0; i < 4; ++i) std::this_thread::yield();
      }
    }
  }

  void cancel_at_random(std::uint64_t stream) {
    std::mt19937_64 random = generator(stream);
    while (!over_) {
      others_.give(connections_[random() % connections_.size()]->cancel());
      if (random() % 4 == 0) std::this_thread::yield();
    }
  }

  void reap() {
    fiber_queue ended;
    while (!over_) {
      reap_into(source_, ended);
      others_.give(ended);
      std::this_thread::yield();
    }
  }
};

std::vector<engine_maker> disturbed_rings() {
  std::vector<engine_maker> all;
  for (std::uint64_t i = 0; i < 4; ++i) {
    all.push_back(misbehaving("seed " + std::to_string(seed() + i),
                              {.seed = seed() + i,
                               .shortened = 64,
                               .refused = 32,
                               .enter_fails = 64,
                               .late = 64,
                               .tiny = i % 2 == 1,
                               .old_kernel = i >= 2}));
  }
  return all;
}

}  // namespace

TEST_CASE("storm: receives that are cancelled lose no byte") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    storm(source, kind, false, cancellations).run();
  });
}

TEST_CASE("storm: sends that are cancelled have sent what they say") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    storm(source, kind, true, cancellations / 4).run();
  });
}

TEST_CASE("storm: with queues for a few entries, all the same") {
  const auto tiny = misbehaving("tiny", {.tiny = true});
  for_each({tiny}, [](engine& source, engine_kind kind) {
    storm(source, kind, false, cancellations / 10).run();
    storm(source, kind, true, cancellations / 10).run();
  });
}

TEST_CASE("storm: with a kernel that is late, short of memory and in disorder, all the same") {
  for_each(disturbed_rings(), [](engine& source, engine_kind kind) {
    storm(source, kind, false, disturbed_cancellations).run();
    storm(source, kind, true, disturbed_cancellations).run();
  });
}

// The interleaving under test: somebody who reaps takes the wake event's completion between the
// waiter's last look and its sleep.
TEST_CASE("storm: a wake-up is not lost to others who reap") {
  auto makers = all_engines();
  for (const auto& each : disturbed_rings()) makers.push_back(each);
  for_each(makers, [](engine& source, engine_kind kind) {
    const auto pair = stream_pair();
    operation_waiter under_way(source, kind);
    under_way.op.code = opcode::poll;
    under_way.op.events = POLLIN;
    under_way.op.fd = pair.ours.get();
    bool ended = under_way.start();  // by a fault, it may be
    std::atomic<bool> over{false};
    std::atomic<std::size_t> sent{0};
    std::atomic<std::size_t> seen{0};
    std::vector<std::thread> thieves;
    hand_over others(source);
    for (int i = 0; i < 2; ++i) {
      thieves.emplace_back([&] {
        fiber_queue stolen;
        while (!over) {
          reap_into(source, stolen);
          others.give(stolen);
        }
      });
    }
    std::thread waker([&] {
      for (std::size_t k = 1; k <= wakes; ++k) {
        sent = k;
        source.wake();
        while (seen != k) std::this_thread::yield();
      }
    });
    while (seen != wakes) {
      if (sent == seen) {
        wait_once(source, &others, [&](operation_waiter& w) {
          ended = true;
          static_cast<void>(w.finish());
        });
      }
      seen = sent.load();
    }
    over = true;
    for (auto& thief : thieves) thief.join();
    waker.join();
    if (!ended) static_cast<void>(result_of(source, under_way, under_way.cancel() != nullptr));
  });
}

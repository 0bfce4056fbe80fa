// What ends a copy that the kernel makes: deadlines, contexts, and those who close. The count is
// always that of the bytes which have arrived.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>

#include <ringo/io.hpp>
#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "support/copying.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"
#include "support/signals.hpp"
#include "support/sizes.hpp"
#include "support/tcp_pair.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
namespace io = ringo::io;
namespace net = ringo::net;
using ringo::errc;
using std::chrono::steady_clock;

namespace {

// More than the system takes before anybody reads: net.ipv4.tcp_wmem, tcp_rmem.
constexpr std::size_t beyond_buffers = 32 << 20;

/// A proxy whose far end does not read: `in` says more than it takes.
struct stuck_proxy {
  tcp_pair in;
  tcp_pair out;
  fiber_group writer;

  stuck_proxy() {
    writer.go([this] {
      const std::string text(beyond_buffers, 'x');
      static_cast<void>(in.dialled.write(text));
    });
  }
  /// The far end gets exactly what was counted.
  void expect_arrived(std::uint64_t count) {
    EXPECT(!in.accepted.close());
    EXPECT(!out.dialled.close());
    EXPECT(count > 0);
    EXPECT(read_up_to(out.accepted) == std::string(count, 'x'));
    writer.join();
  }
};

}  // namespace

TEST_CASE("NT-32: a write deadline ends a copy, and tells how much has arrived") {
  run_on_each([] {
    stuck_proxy proxy;
    io::transfer done;
    auto copier = go_until_parked("net write",
                                  [&] { done = io::copy(proxy.out.dialled, proxy.in.accepted); });
    EXPECT(!proxy.out.dialled.set_write_deadline(steady_clock::now() + 1ms));
    copier.wait();
    EXPECT(done.error == errc::deadline_exceeded);
    proxy.expect_arrived(done.bytes);
  });
}

TEST_CASE("NT-32: a write deadline ends sendfile, which has taken no more than was sent") {
  run_on_each([] {
    const auto text = pattern(beyond_buffers);
    const auto file = file_with(text);
    const tcp_pair pair;
    io::transfer done;
    auto copier = go_until_parked("net write", [&] { done = io::copy(pair.dialled, file); });
    EXPECT(!pair.dialled.set_write_deadline(steady_clock::now() + 1ms));
    copier.wait();
    EXPECT(done.error == errc::deadline_exceeded);
    EXPECT(done.bytes > 0);
    EXPECT(position_of(file) == static_cast<off_t>(done.bytes));
    EXPECT(!pair.dialled.close());
    EXPECT(read_up_to(pair.accepted) == text.substr(0, done.bytes));
  });
}

TEST_CASE("NT-32: a read deadline ends a copy, and all that was read before has arrived") {
  run_on_each([] {
    const auto text = pattern(1'000'000);
    const tcp_pair in;
    const tcp_pair out;
    fiber_group all;
    all.go([&] { EXPECT(!in.dialled.write(text)); });
    auto copier = go_until_parked("net read", [&] {
      EXPECT(io::copy(out.dialled, in.accepted) ==
             io::transfer{text.size(), errc::deadline_exceeded});
      EXPECT(!out.dialled.close());
    });
    all.go([&] {
      EXPECT(read_up_to(out.accepted, text.size()) == text);
      EXPECT(!in.accepted.set_read_deadline(steady_clock::now() - 1s));
      EXPECT(read_up_to(out.accepted).empty());
    });
    all.join();
    copier.wait();
  });
}

TEST_CASE("NT-32: a context ends a copy that waits for either side") {
  run_on_each([] {
    {
      auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      stuck_proxy proxy;
      io::transfer done;
      auto copier = go_until_parked("net write", [&, ctx = ctx] {
        done = io::copy(ctx, proxy.out.dialled, proxy.in.accepted);
      });
      cancel();
      copier.wait();
      EXPECT(done.error == errc::canceled);
      proxy.expect_arrived(done.bytes);
    }
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const auto file = file_with(pattern(beyond_buffers));
    const unix_pair pair;
    auto sender = go_until_parked("net write", [&, ctx = ctx] {
      const auto done = io::copy(ctx, pair.dialled, file);
      EXPECT(done.error == errc::canceled);
      EXPECT(position_of(file) == static_cast<off_t>(done.bytes));
    });
    const tcp_pair idle;
    auto reader = go_until_parked("net read", [&, ctx = ctx] {
      EXPECT(io::copy(ctx, pair.accepted, idle.accepted) == io::transfer{0, errc::canceled});
    });
    cancel();
    sender.wait();
    reader.wait();
    EXPECT(io::copy(ctx, pair.dialled, file) == io::transfer{0, errc::canceled});
  });
}

TEST_CASE("NT-32: closing either side ends a copy that waits") {
  run_on_each([] {
    for (const bool close_target : {true, false}) {
      stuck_proxy proxy;
      io::transfer done;
      auto copier = go_until_parked("net write",
                                    [&] { done = io::copy(proxy.out.dialled, proxy.in.accepted); });
      EXPECT(!(close_target ? proxy.out.dialled : proxy.in.accepted).close());
      if (!close_target) {
        // What it holds still goes out.
        EXPECT(!read_up_to(proxy.out.accepted, 1).empty());
        fiber_group drain;
        drain.go([&] { read_up_to(proxy.out.accepted); });
        copier.wait();
        EXPECT(!proxy.out.dialled.close());
        drain.join();
      }
      copier.wait();
      EXPECT(done.error == errc::closed);
      EXPECT(done.bytes > 0);
      if (close_target) {
        EXPECT(read_up_to(proxy.out.accepted) == std::string(done.bytes, 'x'));
        EXPECT(!proxy.in.accepted.close());
      }
      proxy.writer.join();
    }
  });
}

TEST_CASE("NT-32: while a copy waits for room in its target, others read its source") {
  run_on_each([] {
    const auto file = file_with(pattern(beyond_buffers));
    const tcp_pair pair;
    auto copier = go_until_parked("net write", [&] { EXPECT(io::copy(pair.dialled, file).error); });
    std::string text(10, ' ');
    const auto at = static_cast<unsigned>(position_of(file));
    EXPECT(file.read(text).value_or(0) == text.size());
    EXPECT(text == pattern(text.size(), at));
    EXPECT(!pair.dialled.close());
    copier.wait();
  });
}

TEST_CASE("NT-19: a copy to where nobody reads fails with EPIPE, and without a signal") {
  run_on_each([] {
    const tcp_pair pair;
    EXPECT(!pair.accepted.close());
    std::error_code error;
    const auto file = file_with(pattern(beyond_buffers));
    while (!error) error = io::copy_n(pair.dialled, file, 100'000).error;
    EXPECT((error == std::errc::broken_pipe || error == std::errc::connection_reset));
    const auto again = io::copy_n(pair.dialled, file, 100'000);
    EXPECT(again.bytes == 0);
    EXPECT(again.error == std::errc::broken_pipe);

    auto pipe = io::pipe().value();
    const tcp_pair in;
    fiber_group writer;
    writer.go([&] { static_cast<void>(in.dialled.write(std::string(beyond_buffers, 'x'))); });
    auto copier = go_until_parked("io write", [&] {
      EXPECT(io::copy(pipe.writer, in.accepted).error == std::errc::broken_pipe);
    });
    EXPECT(!pipe.reader.close());
    copier.wait();
    EXPECT(!in.accepted.close());
    writer.join();
  });
}

TEST_CASE("NT-19: a handler of SIGPIPE hears nothing of a copy through a pipe to a connection") {
  const action_guard counted(SIGPIPE, &count_handled);
  run_on_each([] {
    handled = 0;
    const tcp_pair pair;
    EXPECT(!pair.accepted.close());
    auto pipe = io::pipe().value();
    fiber_group writer;
    writer.go([&] { static_cast<void>(pipe.writer.write(std::string(beyond_buffers, 'x'))); });
    const auto first = io::copy(pair.dialled, pipe.reader).error;
    EXPECT((first == std::errc::broken_pipe || first == std::errc::connection_reset));
    EXPECT(io::copy(pair.dialled, pipe.reader).error == std::errc::broken_pipe);
    EXPECT_EQ(handled.load(), 0);
    EXPECT(!pipe.reader.close());  // of which the writer hears
    writer.join();
  });
}

TEST_CASE("NT-32: no byte is lost by read deadlines at any moment") {
  run_on_each([] {
    const auto text = pattern(sizes::pick<std::size_t>(8 << 20, 2 << 20, 1 << 20));
    const tcp_pair in;
    const unix_pair out;
    std::atomic<bool> over{false};
    fiber_group all;
    all.go([&] {
      EXPECT(!in.dialled.write(text));
      EXPECT(!in.dialled.close());
    });
    all.go([&] {
      auto random = generator(1);
      while (!over) {
        EXPECT(!in.accepted.set_read_deadline(steady_clock::now() +
                                              std::chrono::microseconds(random() % 200)));
        ringo::yield();
      }
    });
    all.go([&] {
      std::uint64_t bytes = 0;
      for (;;) {
        const auto done = io::copy(out.dialled, in.accepted);
        bytes += done.bytes;
        if (!done.error) break;
        EXPECT(done.error == errc::deadline_exceeded);
        ringo::yield();
      }
      EXPECT(bytes == text.size());
      over = true;
      EXPECT(!out.dialled.close());
    });
    EXPECT(read_up_to(out.accepted) == text);
    all.join();
  });
}

TEST_CASE("NT-32: no byte of a file is lost by write deadlines at any moment") {
  run_on_each([] {
    const auto text = pattern(sizes::pick<std::size_t>(8 << 20, 2 << 20, 1 << 20));
    const auto file = file_with(text);
    const tcp_pair pair;
    std::atomic<bool> over{false};
    fiber_group all;
    all.go([&] {
      auto random = generator(2);
      while (!over) {
        // It may be closed by now.
        static_cast<void>(pair.dialled.set_write_deadline(
            steady_clock::now() + std::chrono::microseconds(random() % 200)));
        ringo::yield();
      }
    });
    all.go([&] {
      std::uint64_t bytes = 0;
      while (bytes < text.size()) {
        // The last part is not worth the kernel's while: the loop may lose it.
        const auto done = io::copy_n(pair.dialled, file, text.size() - bytes);
        bytes += done.bytes;
        if (done.error) EXPECT(done.error == errc::deadline_exceeded);
        seek(file, static_cast<off_t>(bytes));
        ringo::yield();
      }
      over = true;
      EXPECT(!pair.dialled.close());
    });
    EXPECT(read_up_to(pair.accepted) == text);
    all.join();
  });
}

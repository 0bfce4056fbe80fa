// Copies between descriptors that the kernel makes: they are to be told from a loop that reads and
// writes by nothing but their speed. What ends them early is in tests/net/copy_end_test.cpp.

#include <ringo/io/kernel_copy.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <ringo/io.hpp>
#include <ringo/net.hpp>
#include <ringo/ringo.hpp>

#include "source/pipe_pool.hpp"
#include "support/copying.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"
#include "support/tcp_pair.hpp"
#include "support/unix_pair.hpp"

using namespace ringo::test;
namespace io = ringo::io;
namespace net = ringo::net;
using ringo::detail::pipe_pool;

namespace {

constexpr auto much = sizes::pick<std::size_t>(6 << 20, 3 << 20, 1 << 20);

/// fn(near, far) for both kinds of streams.
template <typename Fn>
void for_each_stream(Fn&& fn) {
  const tcp_pair tcp;
  fn(tcp.dialled, tcp.accepted);
  const unix_pair local;
  fn(local.dialled, local.accepted);
}

/// How many bytes come until the end. TCP throws them away unseen.
std::uint64_t count_bytes(const net::tcp_conn& from) {
  std::uint64_t count = 0;
  ssize_t now = 1;
  while (now != 0) {
    int fd = -1;
    EXPECT(!from.with_fd([&](int number) { fd = number; }));
    EXPECT(static_cast<bool>(io::wait_fd(fd, io::readable)));
    now = ::recv(fd, nullptr, std::size_t{1} << 30, MSG_TRUNC | MSG_DONTWAIT);
    if (now > 0) count += static_cast<std::uint64_t>(now);
  }
  return count;
}

/// Reads and writes in its own way.
struct counting_conn : net::tcp_conn {
  explicit counting_conn(net::tcp_conn inner) : net::tcp_conn(std::move(inner)) {}
  std::size_t reads = 0;
  ringo::result<std::size_t> read(io::buffer to) {
    ++reads;
    return net::tcp_conn::read(to);
  }
};

}  // namespace

TEST_CASE("NT-32: a file arrives whole, and its position is where a loop leaves it") {
  run_on_each([] {
    for (const std::size_t size : {0UL, 1UL, 16'383UL, 16'384UL, 100'000UL, much + 1}) {
      for_each_stream([size](const auto& near, const auto& far) {
        const auto text = pattern(size);
        const auto file = file_with(text);
        fiber_group copier;
        copier.go([&] {
          EXPECT(io::copy_n(near, file, size / 2) == io::transfer{size / 2, {}});
          EXPECT(position_of(file) == static_cast<off_t>(size / 2));
          EXPECT(io::copy(ringo::background(), near, file) == io::transfer{size - size / 2, {}});
          EXPECT(position_of(file) == static_cast<off_t>(size));
          EXPECT(!near.close());
        });
        EXPECT(read_up_to(far) == text);
        copier.join();
      });
    }
  });
}

TEST_CASE("NT-32: a file of more than 2 GiB is copied to its end") {
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}}) {
    run_on(workers, [] {
      constexpr off_t size = sizes::pick<off_t>(off_t{3} << 30, off_t{3} << 30, off_t{3} << 30);
      constexpr off_t skipped = sizes::pick<off_t>(0, size - (64 << 20), size - (64 << 20));
      const tcp_pair pair;
      const auto file = unnamed_file();
      resize(file, size);
      seek(file, skipped);
      fiber_group copier;
      copier.go([&] {
        EXPECT(io::copy(pair.dialled, file) == io::transfer{size - skipped, {}});
        EXPECT(position_of(file) == size);
        EXPECT(!pair.dialled.close());
      });
      EXPECT(count_bytes(pair.accepted) == static_cast<std::uint64_t>(size - skipped));
      copier.join();
    });
  }
}

TEST_CASE("NT-32: a copy from file to file is the same at the other place") {
  run_on_each([] {
    const auto text = pattern(much);
    const auto from = file_with(text);
    const auto to = file_with("head");
    seek(to, 4);
    EXPECT(io::copy_n(to, from, 100'000) == io::transfer{100'000, {}});
    EXPECT(position_of(from) == 100'000);
    EXPECT(io::copy(to, from) == io::transfer{much - 100'000, {}});
    EXPECT(position_of(to) == static_cast<off_t>(much + 4));
    seek(to, 0);
    EXPECT(read_up_to(to) == "head" + text);
  });
}

TEST_CASE("NT-32: what the kernel refuses is copied by the loop") {
  run_on_each([] {
    const auto text = pattern(100'000);
    const auto appending = file_with("head");
    EXPECT(!appending.with_fd([](int fd) { ::fcntl(fd, F_SETFL, O_APPEND); }));
    EXPECT(io::copy(appending, file_with(text)) == io::transfer{100'000, {}});
    seek(appending, 0);
    EXPECT(read_up_to(appending) == "head" + text);

    // A place of the file that overlaps the one that is read.
    const auto same = file_with(text);
    io::file again;
    EXPECT(!same.with_fd([&](int fd) { again = io::file::from_fd(::dup(fd)).value(); }));
    EXPECT(io::copy_n(again, same, 50'000) == io::transfer{50'000, {}});
    EXPECT(position_of(same) == 100'000);  // each read and each write moved it

    // It does not tell its size.
    const auto proc = io::file::from_fd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC)).value();
    const unix_pair pair;
    EXPECT(io::copy(pair.dialled, proc).bytes > 100);
    EXPECT(!pair.dialled.close());
    EXPECT(read_up_to(pair.accepted).find("VmRSS") != std::string::npos);
  });
}

TEST_CASE("NT-32: bytes pass from socket to socket, through pipes, and back from one to itself") {
  run_on_each([] {
    const auto text = pattern(much);
    const auto pipe = io::pipe().value();
    tcp_pair first;
    const unix_pair second;
    const tcp_pair third;
    fiber_group all;
    all.go([&] {
      EXPECT(!first.dialled.write(text));
      EXPECT(!first.dialled.close_write());
    });
    const auto pass = [&all, &text](const auto& to, const auto& from) {
      all.go([&to, &from, &text] {
        EXPECT(io::copy(to, from) == io::transfer{text.size(), {}});
        EXPECT(!to.close());
      });
    };
    pass(second.dialled, first.accepted);
    pass(pipe.writer, second.accepted);
    all.go([&] {
      EXPECT(io::copy(third.dialled, pipe.reader) == io::transfer{text.size(), {}});
      EXPECT(!third.dialled.close_write());
    });
    all.go([&] {  // an echo
      EXPECT(io::copy(third.accepted, third.accepted) == io::transfer{text.size(), {}});
      EXPECT(!third.accepted.close_write());
    });
    EXPECT(read_up_to(third.dialled) == text);
    all.join();
  });
}

TEST_CASE("NT-32: copies both ways between two connections do not wait for each other") {
  run_on_each([] {
    const auto text = pattern(much);
    const auto answer = pattern(much, 99);
    tcp_pair client;
    tcp_pair service;
    fiber_group all;
    const auto pass = [&all](const net::tcp_conn& to, const net::tcp_conn& from) {
      all.go([&to, &from] {
        EXPECT(io::copy(to, from) == io::transfer{much, {}});
        EXPECT(!to.close_write());
      });
    };
    pass(service.dialled, client.accepted);
    pass(client.accepted, service.dialled);
    const auto say = [&all](const net::tcp_conn& to, const std::string& what) {
      all.go([&to, &what] {
        EXPECT(!to.write(what));
        EXPECT(!to.close_write());
      });
    };
    say(client.dialled, text);
    say(service.accepted, answer);
    all.go([&] { EXPECT(read_up_to(service.accepted) == text); });
    EXPECT(read_up_to(client.dialled) == answer);
    all.join();
  });
}

TEST_CASE("NT-32: a copy of a limited part takes no more, and knows what is left") {
  run_on_each([] {
    constexpr std::size_t part = 300'000;
    const auto text = pattern(2 * part);
    const tcp_pair in;
    const tcp_pair out;
    fiber_group writer;
    writer.go([&] {
      EXPECT(!in.dialled.write(text));
      EXPECT(!in.dialled.close());
    });
    fiber_group copier;
    copier.go([&] {
      io::limited_reader limited(in.accepted, part);
      EXPECT(io::copy_n(out.dialled, limited, part / 3) == io::transfer{part / 3, {}});
      EXPECT(limited.left() == part - part / 3);
      EXPECT(io::copy(out.dialled, limited) == io::transfer{part - part / 3, {}});
      EXPECT(limited.left() == 0);
      io::limited_reader<io::limited_reader<const net::tcp_conn&>> twice({in.accepted, part}, part);
      EXPECT(io::copy_n(out.dialled, twice, part / 2) == io::transfer{part / 2, {}});
      EXPECT(twice.left() == part - part / 2);
      EXPECT(!out.dialled.close());
    });
    EXPECT(read_up_to(out.accepted) == text.substr(0, part + part / 2));
    copier.join();
    EXPECT(read_up_to(in.accepted) == text.substr(part + part / 2));
    writer.join();
  });
}

TEST_CASE("NT-32: a file that grows, or is cut off, while it is copied") {
  run_on_each([] {
    const auto text = pattern(8 << 20);  // more than anybody takes before it is read
    const auto file = file_with(text);
    const unix_pair pair;
    auto copier = go_until_parked("net write", [&] {
      EXPECT(!io::copy(pair.dialled, file).error);
      EXPECT(!pair.dialled.close());
    });
    const auto sent = position_of(file);
    resize(file, sent + 5);
    EXPECT(read_up_to(pair.accepted) == text.substr(0, static_cast<std::size_t>(sent) + 5));
    copier.wait();

    const auto growing = file_with(text);
    const unix_pair other;
    auto next = go_until_parked("net write", [&] {
      EXPECT(io::copy(other.dialled, growing) == io::transfer{text.size() + 100'000, {}});
      EXPECT(!other.dialled.close());
    });
    EXPECT(!growing.with_fd([&](int fd) {
      EXPECT(::pwrite(fd, text.data(), 100'000, static_cast<off_t>(text.size())) == 100'000);
    }));
    EXPECT(read_up_to(other.accepted) == text + text.substr(0, 100'000));
    next.wait();
  });
}

TEST_CASE("NT-32: urgent data is passed over, as by reads") {
  run_on_each([] {
    const auto text = pattern(200'000);
    const tcp_pair in;
    const unix_pair out;
    fiber_group copier;
    copier.go([&] {
      EXPECT(io::copy(out.dialled, in.accepted) == io::transfer{2 * text.size(), {}});
      EXPECT(!out.dialled.close());
    });
    fiber_group writer;
    writer.go([&] {
      EXPECT(!in.dialled.write(text));
      EXPECT(!in.dialled.with_fd([](int fd) { EXPECT(::send(fd, "!", 1, MSG_OOB) == 1); }));
      EXPECT(!in.dialled.write(text));
      EXPECT(!in.dialled.close());
    });
    EXPECT(read_up_to(out.accepted) == text + text);
    writer.join();
    copier.join();
  });
}

// The limit is the whole process's, and the scheduler may need descriptors for another thread. So
// all that is copied is there before, there is room for it, and nobody waits meanwhile.
TEST_CASE("NT-32: without descriptors for a pipe the loop copies") {
  run_on_each([] {
    const auto text = pattern(200'000);
    const unix_pair in;
    const tcp_pair out;
    for (const auto& each : {&in.dialled, &in.accepted}) EXPECT(!each->set_write_buffer(1 << 20));
    EXPECT(!in.dialled.write(text));
    pipe_pool::instance().close_all();
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{3, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto done = io::copy_n(out.dialled, in.accepted, text.size());
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT(done == io::transfer{text.size(), {}});
    EXPECT(pipe_pool::instance().size() == 0);
    EXPECT(read_up_to(out.accepted, text.size()) == text);
  });
}

TEST_CASE("copy: a type that derives from a connection reads in its own way") {
  run_on_each([] {
    const auto text = pattern(200'000);
    const tcp_pair in;
    const tcp_pair out;
    fiber_group all;
    all.go([&] {
      EXPECT(!in.dialled.write(text));
      EXPECT(!in.dialled.close());
    });
    all.go([&] {
      counting_conn counting(in.accepted);
      EXPECT(io::copy(out.dialled, counting) == io::transfer{text.size(), {}});
      EXPECT(counting.reads > text.size() / (32 * 1024));
      EXPECT(!out.dialled.close());
    });
    EXPECT(read_up_to(out.accepted) == text);
    all.join();
  });
}

TEST_CASE("copy: empty pipes are kept for the next one, and closed with the run") {
  const auto before = open_descriptors();
  run_on_each([] {
    const auto text = pattern(much);
    const tcp_pair in;
    const tcp_pair out;
    fiber_group all;
    all.go([&] { EXPECT(!in.dialled.write(text)); });
    all.go([&] { EXPECT(!io::copy_n(out.dialled, in.accepted, much).error); });
    EXPECT(read_up_to(out.accepted, much) == text);
    all.join();
    EXPECT(pipe_pool::instance().size() == 1);
  });
  CHECK(pipe_pool::instance().size() == 0);
  CHECK(open_descriptors() == before);
}

TEST_CASE("copy: works on a plain thread") {
  run_on_each([] {
    const auto text = pattern(much);
    const tcp_pair in;
    const tcp_pair out;
    fiber_group all;
    all.go([&] {
      EXPECT(!in.dialled.write(text));
      EXPECT(!in.dialled.close());
    });
    std::thread copier([&] {
      EXPECT(io::copy(out.dialled, in.accepted) == io::transfer{much, {}});
      EXPECT(io::copy(out.dialled, file_with(text)) == io::transfer{much, {}});
      EXPECT(!out.dialled.close());
    });
    EXPECT(read_up_to(out.accepted) == text + text);
    all.join();
    copier.join();
  });
}

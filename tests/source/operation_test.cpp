// Operations one at a time: what each does, and how it ends. Both engines are asked the same.

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <ostream>
#include <string_view>
#include <thread>

#include "operations.hpp"
#include "support/unnamed_file.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;

namespace {

void describe(operation& op, opcode code, int fd, std::uint32_t events) {
  op.code = code;
  op.fd = fd;
  op.events = events;
}

void describe(operation& op, opcode code, int fd, std::uint32_t events, void* data, std::size_t n) {
  describe(op, code, fd, events);
  op.data = data;
  op.size = n;
}

template <std::size_t N>
std::string_view text(const std::array<char, N>& buffer, std::int64_t size) {
  return size < 0 ? std::string_view("error")
                  : std::string_view(buffer.data(), static_cast<std::size_t>(size));
}

/// Nothing happens for as long as anybody cares to look.
void stays_armed(engine& source) {
  fiber_queue ended;
  for (int i = 0; i < 5; ++i) {
    wait_into(source, ringo::detail::steady_clock::now() + 1ms, ended);
    reap_into(source, ended);
  }
  CHECK(ended.empty());
  CHECK(under_way(source));
}

}  // namespace

TEST_CASE("operation: what waits ends when its moment comes, and no earlier") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    for (const auto code : {opcode::receive, opcode::poll, opcode::read}) {
      const auto pair = code == opcode::read ? pipe_pair() : stream_pair();
      operation_waiter w(source, kind);
      std::array<char, 8> room{};
      describe(w.op, code, pair.ours.get(), POLLIN, room.data(), room.size());
      const bool ended = w.start();
      CHECK_FALSE(ended);
      stays_armed(source);
      REQUIRE(::write(pair.theirs.get(), "abc", 3) == 3);
      std::int64_t result = result_of(source, w, ended);
      CHECK_FALSE(under_way(source));
      if (result == -EAGAIN) result = make_call(w.op);
      if (code == opcode::poll) {
        CHECK(result > 0);
        CHECK((result & POLLIN) != 0);
      } else {
        CHECK(text(room, result) == "abc");
      }
    }
  });
}

TEST_CASE("operation: sends go on when there is room again") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    for (const auto code : {opcode::send, opcode::send_message}) {
      const auto pair = stream_pair();
      const std::vector<char> filling(1 << 16, 'x');
      while (::write(pair.ours.get(), filling.data(), filling.size()) > 0) {
      }
      operation_waiter w(source, kind);
      std::array<char, 3> data{'e', 'n', 'd'};
      iovec piece{data.data(), data.size()};
      msghdr message{};
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      describe(w.op, code, pair.ours.get(), POLLOUT, data.data(), data.size());
      if (code == opcode::send_message) w.op.data = &message;
      w.op.flags = MSG_NOSIGNAL;
      const bool ended = w.start();
      stays_armed(source);
      std::thread reader([&] {
        std::array<char, 4096> room;
        while (::read(pair.theirs.get(), room.data(), room.size()) > 0 || errno == EINTR) {
        }
      });
      std::int64_t result = result_of(source, w, ended);
      if (result == -EAGAIN) result = carry_out(source, w);
      CHECK(result == 3);
      ::shutdown(pair.ours.get(), SHUT_RDWR);
      reader.join();
    }
  });
}

TEST_CASE("operation: the other side's end is no error of a receive, and EPIPE of a send") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    auto pair = stream_pair();
    operation_waiter w(source, kind);
    std::array<char, 8> room{};
    describe(w.op, opcode::receive, pair.ours.get(), POLLIN, room.data(), room.size());
    const bool ended = w.start();
    pair.theirs.reset();
    std::int64_t result = result_of(source, w, ended);
    if (result == -EAGAIN) result = make_call(w.op);
    CHECK(result == 0);
    describe(w.op, opcode::send, pair.ours.get(), POLLOUT, room.data(), room.size());
    w.op.flags = MSG_NOSIGNAL;
    CHECK(carry_out(source, w) == -EPIPE);
  });
}

TEST_CASE("operation: a message comes with its sender's pieces") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    std::array<int, 2> ends{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    const owned_fd ours(ends[0]);
    const owned_fd theirs(ends[1]);
    operation_waiter w(source, kind);
    std::array<char, 2> first{};
    std::array<char, 8> second{};
    std::array<iovec, 2> pieces{{{first.data(), first.size()}, {second.data(), second.size()}}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    describe(w.op, opcode::receive_message, ours.get(), POLLIN);
    w.op.data = &message;
    const bool ended = w.start();
    stays_armed(source);
    REQUIRE(::send(theirs.get(), "abcd", 4, 0) == 4);
    std::int64_t result = result_of(source, w, ended);
    if (result == -EAGAIN) result = make_call(w.op);
    CHECK(result == 4);
    CHECK(text(first, 2) == "ab");
    CHECK(text(second, 2) == "cd");
  });
}

TEST_CASE("operation: accept waits for a connection, and sets what its flags say") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    const owned_fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof(sa_family_t);  // the kernel chooses a name
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 4) == 0);
    size = sizeof address;
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    operation_waiter w(source, kind);
    describe(w.op, opcode::accept, listener.get(), POLLIN);
    w.op.flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    const bool ended = w.start();
    stays_armed(source);
    const owned_fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    std::int64_t result = result_of(source, w, ended);
    if (result == -EAGAIN) result = make_call(w.op);
    REQUIRE(result >= 0);
    const owned_fd accepted(static_cast<int>(result));
    CHECK((::fcntl(accepted.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(accepted.get(), F_GETFL) & O_NONBLOCK) != 0);
  });
}

TEST_CASE("operation: files are read, written and synchronised, at a place or where they are") {
  for_each(rings(), [](engine& source, engine_kind kind) {
    const owned_fd file(unnamed_file_number());
    operation_waiter w(source, kind);
    std::array<char, 6> data{'a', 'b', 'c', 'd', 'e', 'f'};
    describe(w.op, opcode::write, file.get(), POLLOUT, data.data(), 6);
    CHECK(carry_out(source, w) == 6);
    w.op.offset = 4;
    CHECK(carry_out(source, w) == 6);
    for (const int flags : {0, 1}) {
      describe(w.op, opcode::sync, file.get(), 0);
      w.op.flags = flags;
      CHECK(carry_out(source, w) == 0);
    }
    w.op.flags = 0;
    std::array<char, 16> room{};
    describe(w.op, opcode::read, file.get(), POLLIN, room.data(), room.size());
    w.op.offset = 2;
    CHECK(text(room, carry_out(source, w)) == "cdabcdef");
    w.op.offset = -1;  // behind what was written without a place
    CHECK(text(room, carry_out(source, w)) == "cdef");
    CHECK(carry_out(source, w) == 0);
  });
}

TEST_CASE("operation: what cannot be done says why") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    operation_waiter w(source, kind);
    std::array<char, 4> room{};
    describe(w.op, opcode::receive, -1, POLLIN, room.data(), room.size());
    CHECK(carry_out(source, w) == -EBADF);
  });
}

TEST_CASE("operation: cancelled by the owner, it ends, and takes nothing any more") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    const auto pair = stream_pair();
    operation_waiter w(source, kind);
    std::array<char, 8> room{};
    describe(w.op, opcode::receive, pair.ours.get(), POLLIN, room.data(), room.size());
    for (const bool submitted : {false, true}) {
      const bool ended = w.start();
      if (submitted) stays_armed(source);
      const bool cancelled = w.cancel() != nullptr;
      CHECK(w.cancel() == nullptr);  // once
      CHECK(result_of(source, w, ended || cancelled) == -ECANCELED);
      CHECK_FALSE(under_way(source));
    }
    REQUIRE(::write(pair.theirs.get(), "abc", 3) == 3);
    CHECK(room[0] == 0);
    CHECK(text(room, ::read(pair.ours.get(), room.data(), room.size())) == "abc");
  });
}

TEST_CASE("operation: cancelled by another thread while the owner sleeps, it ends") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    const auto pair = stream_pair();
    operation_waiter w(source, kind);
    hand_over others(source);
    std::array<char, 8> room{};
    describe(w.op, opcode::receive, pair.ours.get(), POLLIN, room.data(), room.size());
    for (int round = 0; round < 50; ++round) {
      bool over = w.start();
      std::thread canceller([&] { others.give(w.cancel()); });
      while (!over) wait_once(source, &others, [&](operation_waiter&) { over = true; });
      CHECK(w.finish() == -ECANCELED);
      canceller.join();
    }
  });
}

// The kernel works for the submitting thread, which computes here. Others must get at what has
// completed all the same.
TEST_CASE("operation: others reap for an owner that computes") {
  for_each(all_engines(), [](engine& source, engine_kind kind) {
    const auto pair = stream_pair();
    operation_waiter w(source, kind);
    std::array<char, 8> room{};
    describe(w.op, opcode::receive, pair.ours.get(), POLLIN, room.data(), room.size());
    std::atomic<bool> over{w.start()};
    source.leave();
    source.come_back();
    std::thread other([&] {
      const auto written = ::write(pair.theirs.get(), "abc", 3);
      fiber_queue ended;
      while (written == 3 && ended.empty()) {
        reap_into(source, ended);
        std::this_thread::yield();
      }
      over = true;
    });
    while (!over) {
    }
    other.join();
    std::int64_t result = w.finish();
    if (result == -EAGAIN) result = make_call(w.op);
    CHECK(text(room, result) == "abc");
  });
}

TEST_CASE("operation: others cancel for an owner that computes, where the kernel lets them") {
  for_each({sound(engine_kind::io_uring), sound(engine_kind::epoll)},
           [](engine& source, engine_kind kind) {
             if (kind == engine_kind::io_uring) {
               // The ability is asked for as the engine does: an unknown number is not found.
               ringo::detail::ring_queues queues;
               ringo::detail::ring_abilities abilities;
               // Where there is memory for one ring only, that is the engine's.
               if (ringo::detail::open_ring(queues, abilities, nullptr)) return;
               if (!abilities.sync_cancel) return;
             }
             const auto pair = stream_pair();
             operation_waiter w(source, kind);
             std::array<char, 8> room{};
             describe(w.op, opcode::receive, pair.ours.get(), POLLIN, room.data(), room.size());
             std::atomic<bool> over{w.start()};
             source.leave();
             source.come_back();
             std::thread other([&] {
               fiber_queue ended;
               if (fiber* f = w.cancel()) ended.push(f);
               while (ended.empty()) {
                 reap_into(source, ended);
                 std::this_thread::yield();
               }
               over = true;
             });
             while (!over) {
             }
             other.join();
             CHECK(w.finish() == -ECANCELED);
           });
}

// With epoll, what still waits is taken out of its entry by who ends the run.
TEST_CASE("operation: cancel_all leaves the kernel nothing to write to") {
  for_each(rings(), [](engine& source, engine_kind kind) {
    constexpr std::size_t count = 300;  // more than one submission
    std::vector<pair_of_fds> pairs;
    std::vector<std::unique_ptr<operation_waiter>> waiters;
    std::vector<std::array<char, 4>> rooms(count);
    for (std::size_t i = 0; i < count; ++i) {
      const bool polls = i % 3 == 0;
      const bool reads = i % 3 == 1;
      pairs.push_back(reads ? pipe_pair() : stream_pair());
      waiters.push_back(std::make_unique<operation_waiter>(source, kind));
      describe(waiters[i]->op,
               polls   ? opcode::poll
               : reads ? opcode::read
                       : opcode::receive,
               pairs[i].ours.get(),
               POLLIN,
               rooms[i].data(),
               rooms[i].size());
      REQUIRE_FALSE(waiters[i]->start());
    }
    fiber_queue ended;
    cancel_all_into(source, ended);
    CHECK_FALSE(under_way(source));
    std::size_t seen = 0;
    for (; fiber* f = ended.pop(); ++seen) CHECK(operation_waiter::of(f).finish() == -ECANCELED);
    CHECK(seen == count);
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(::write(pairs[i].theirs.get(), "abcd", 4) == 4);
      CHECK(rooms[i][0] == 0);
      std::array<char, 8> room{};
      CHECK(::read(pairs[i].ours.get(), room.data(), room.size()) == 4);
    }
    // The engine still wakes.
    source.wake();
    wait_into(source, ringo::detail::never, ended);
  });
}

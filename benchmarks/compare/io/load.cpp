// Loads an echo server: each connection sends 64 bytes, waits for them, sends again. Prints the
// server's CPU time for each request and how long requests took.
//
// One thread that never sleeps, so that a server does not pay for waking it: across a network it
// would not, either. It should have a CPU of its own.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "histogram.hpp"

namespace {

using compare::histogram;
using std::int64_t;

constexpr bool buckets_follow_one_another() {
  for (std::size_t bucket = 1; bucket < 1900; ++bucket) {
    const auto first = static_cast<std::uint64_t>(histogram::largest_of(bucket - 1) + 1);
    const auto last = static_cast<std::uint64_t>(histogram::largest_of(bucket));
    if (histogram::bucket_of(first) != bucket || histogram::bucket_of(last) != bucket) return false;
    if ((last - first) * 64 > first) return false;
  }
  return true;
}
static_assert(buckets_follow_one_another());

constexpr int64_t percentile_of_thousand(double share) {
  histogram values;
  for (int64_t value = 1; value <= 1000; ++value) values.record(1000 * value);
  return values.percentile(share);
}
static_assert(histogram{}.percentile(0.5) == 0);
static_assert(percentile_of_thousand(0.5) >= 500'000 && percentile_of_thousand(0.5) < 508'000);
static_assert(percentile_of_thousand(0.999) >= 999'000 &&
              percentile_of_thousand(0.999) < 1'015'000);
static_assert(percentile_of_thousand(1) >= 1'000'000);

constexpr std::size_t message_size = 64;
using message = std::array<char, message_size>;

struct arguments {
  std::string name = "tcp_echo";
  int port = 0;
  pid_t pid = 0;
  int connections = 1;
  double seconds = 0.5;
  double warm_up = 0.2;
};

struct connection {
  int fd = -1;
  std::size_t received = 0;
  int64_t sent_at = 0;
  message sent{};
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t time_of(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) fail("clock_gettime");
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int64_t now() {
  return time_of(CLOCK_MONOTONIC);
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("setsockopt");
  return fd;
}

class load {
 public:
  load(int port, int connections) : connections_(static_cast<std::size_t>(connections)) {
    if (epoll_ < 0) fail("epoll_create1");
    for (connection& each : connections_) {
      each.fd = connect_to(port);
      epoll_event event{};
      // An edge is enough: no more than one message is ever under way.
      event.events = EPOLLIN | EPOLLET;
      event.data.ptr = &each;
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, each.fd, &event) != 0) fail("epoll_ctl");
    }
    for (connection& each : connections_) send(each, now());
  }

  void run(double seconds) {
    const int64_t end = now() + static_cast<int64_t>(seconds * 1e9);
    while (now() < end) {
      const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
      if (count < 0) fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        receive(*static_cast<connection*>(events_[static_cast<std::size_t>(i)].data.ptr));
      }
    }
  }

  /// Of the requests that have ended; may be cleared.
  histogram times;

 private:
  void send(connection& to, int64_t at) {
    ++number_;
    std::memcpy(to.sent.data(), &number_, sizeof number_);
    std::memcpy(to.sent.data() + message_size - sizeof number_, &number_, sizeof number_);
    to.received = 0;
    to.sent_at = at;
    if (::send(to.fd, to.sent.data(), message_size, MSG_NOSIGNAL) != ssize_t{message_size}) {
      fail("send");
    }
  }

  void receive(connection& from) {
    message got;
    const ssize_t size = ::recv(from.fd, got.data(), message_size - from.received, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) fail("recv");
    const auto count = static_cast<std::size_t>(size);
    if (std::memcmp(got.data(), from.sent.data() + from.received, count) != 0) {
      errno = 0;
      fail("the server sent back something else");
    }
    from.received += count;
    if (from.received < message_size) return;
    const int64_t at = now();
    times.record(at - from.sent_at);
    send(from, at);
  }

  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<connection> connections_;
  std::array<epoll_event, 512> events_{};
  int64_t number_ = 0;
};

arguments parse(int argc, char** argv) {
  arguments parsed;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--name") parsed.name = value;
    if (name == "--port") parsed.port = std::atoi(value);
    if (name == "--pid") parsed.pid = std::atoi(value);
    if (name == "--connections") parsed.connections = std::atoi(value);
    if (name == "--seconds") parsed.seconds = std::atof(value);
    if (name == "--warm-up") parsed.warm_up = std::atof(value);
  }
  if (parsed.port > 0 && parsed.pid > 0 && parsed.connections > 0) return parsed;
  std::fprintf(stderr,
               "usage: %s --port N --pid N [--connections N] [--seconds S] [--warm-up S]\n"
               "  [--name ROW]\n"
               "pid: of the server, whose CPU time is measured\n",
               argv[0]);
  std::exit(1);
}

void print(const std::string& name, double value, const std::string& fields) {
  std::printf("%s\t%.6g\t%s\n", name.c_str(), value, fields.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const arguments args = parse(argc, argv);
  clockid_t server{};
  // Of all threads, those that have ended included, to the nanosecond; /proc has it in ticks.
  errno = ::clock_getcpuclockid(args.pid, &server);
  if (errno != 0) fail("clock_getcpuclockid");
  load load(args.port, args.connections);
  load.run(args.warm_up);
  load.times = {};
  const int64_t cpu_before = time_of(server);
  const int64_t before = now();
  load.run(args.seconds);
  const auto cpu = static_cast<double>(time_of(server) - cpu_before);
  const auto took = static_cast<double>(now() - before);

  const int64_t n = load.times.count();
  if (n == 0) {
    errno = 0;
    fail("not one answer");
  }
  const std::string fields = "n=" + std::to_string(n);
  print(args.name + "/cpu", cpu / static_cast<double>(n), fields);
  const auto percentile = [&](const char* name, double share) {
    print(args.name + name, static_cast<double>(load.times.percentile(share)), fields);
  };
  percentile("/p50", 0.5);
  percentile("/p99", 0.99);
  percentile("/p99.9", 0.999);
  print(args.name + "/rate", 1e9 * static_cast<double>(n) / took, fields + "\tunit=1/s");
}

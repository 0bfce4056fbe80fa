// Loads echo servers: each connection sends 64 bytes, waits for them, sends again. Prints a
// server's CPU time for each request and how long requests took.
//
// One thread that never sleeps, so that a server does not pay for waking it: across a network it
// would not, either. It should have a CPU of its own.
//
// Several servers, on one other CPU, take turns in short slices, in an order that chance changes: a
// machine whose memory is slow for seconds, as others use it too, then is so for all of them. At
// the end of a slice no request is under way, so that none is late for having waited for another
// server's slice; its first part brings the server back into the caches, and is not counted.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
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

constexpr double slice = 0.08;
constexpr double warm_up = 0.02;

struct address {
  std::string name;  // of its rows
  int port = 0;
  pid_t pid = 0;
};

struct arguments {
  std::vector<address> servers;
  int connections = 1;
  double seconds = 0.5;  // for each server
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
  load(const address& server, int connections)
      : name_(server.name), connections_(static_cast<std::size_t>(connections)) {
    // Of all threads, those that have ended included, to the nanosecond; /proc has it in ticks.
    errno = ::clock_getcpuclockid(server.pid, &server_);
    if (errno != 0) fail("clock_getcpuclockid");
    if (epoll_ < 0) fail("epoll_create1");
    for (connection& each : connections_) {
      each.fd = connect_to(server.port);
      epoll_event event{};
      // An edge is enough: no more than one message is ever under way.
      event.events = EPOLLIN | EPOLLET;
      event.data.ptr = &each;
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, each.fd, &event) != 0) fail("epoll_ctl");
    }
  }

  void take_turn(double seconds) {
    sends_ = true;
    for (connection& each : connections_) send(each, now());
    counts_ = false;
    run_for(warm_up);
    counts_ = true;
    const int64_t cpu_before = time_of(server_);
    const int64_t before = now();
    run_for(seconds);
    cpu_ += time_of(server_) - cpu_before;
    took_ += now() - before;
    counts_ = false;
    sends_ = false;
    while (under_way_ > 0) receive_all();
  }

  double counted() const { return static_cast<double>(took_) * 1e-9; }

  void print() const {
    const int64_t n = times_.count();
    if (n == 0) {
      errno = 0;
      fail("not one answer");
    }
    const std::string fields = "n=" + std::to_string(n);
    const auto requests = static_cast<double>(n);
    print_row("/cpu", static_cast<double>(cpu_) / requests, fields);
    print_row("/p50", static_cast<double>(times_.percentile(0.5)), fields);
    print_row("/p99", static_cast<double>(times_.percentile(0.99)), fields);
    print_row("/p99.9", static_cast<double>(times_.percentile(0.999)), fields);
    print_row("/rate", requests / counted(), fields + "\tunit=1/s");
  }

 private:
  void run_for(double seconds) {
    const int64_t end = now() + static_cast<int64_t>(seconds * 1e9);
    while (now() < end) receive_all();
  }

  void receive_all() {
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    if (count < 0) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      receive(*static_cast<connection*>(events_[static_cast<std::size_t>(i)].data.ptr));
    }
  }

  void send(connection& to, int64_t at) {
    ++number_;
    ++under_way_;
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
    --under_way_;
    const int64_t at = now();
    if (counts_) times_.record(at - from.sent_at);
    if (sends_) send(from, at);
  }

  void print_row(const char* suffix, double value, const std::string& fields) const {
    std::printf("%s%s\t%.6g\t%s\n", name_.c_str(), suffix, value, fields.c_str());
  }

  const std::string name_;
  clockid_t server_{};
  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<connection> connections_;
  std::array<epoll_event, 512> events_{};
  int64_t number_ = 0;
  int under_way_ = 0;
  bool sends_ = false;   // again, once an answer has come
  bool counts_ = false;  // what ends now
  histogram times_;
  int64_t cpu_ = 0;
  int64_t took_ = 0;
};

[[noreturn]] void explain(const char* program) {
  std::fprintf(
      stderr,
      "usage: %s --server NAME PORT PID... [--connections N] [--seconds S]\n"
      "NAME: of its rows; PID: the process whose CPU time is measured; S: for each server\n",
      program);
  std::exit(1);
}

arguments parse(int argc, char** argv) {
  arguments parsed;
  for (int i = 1; i < argc;) {
    const std::string_view name = argv[i];
    if (name == "--server" && i + 3 < argc) {
      parsed.servers.push_back({argv[i + 1], std::atoi(argv[i + 2]), std::atoi(argv[i + 3])});
      if (parsed.servers.back().port <= 0 || parsed.servers.back().pid <= 0) explain(argv[0]);
      i += 4;
    } else if (name == "--connections" && i + 1 < argc) {
      parsed.connections = std::atoi(argv[i + 1]);
      i += 2;
    } else if (name == "--seconds" && i + 1 < argc) {
      parsed.seconds = std::atof(argv[i + 1]);
      i += 2;
    } else {
      explain(argv[0]);
    }
  }
  if (parsed.servers.empty() || parsed.connections <= 0) explain(argv[0]);
  return parsed;
}

}  // namespace

int main(int argc, char** argv) {
  const arguments args = parse(argc, argv);
  std::vector<std::unique_ptr<load>> loads;
  for (const address& server : args.servers) {
    loads.push_back(std::make_unique<load>(server, args.connections));
  }
  std::mt19937 random{std::random_device{}()};
  while (loads.front()->counted() < args.seconds) {
    std::vector<load*> order;
    for (const auto& each : loads) order.push_back(each.get());
    std::shuffle(order.begin(), order.end(), random);
    for (load* each : order) each->take_turn(slice);
  }
  for (const auto& each : loads) each->print();
}

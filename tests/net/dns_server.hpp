#pragma once

// A DNS server for tests, on a port of the loopback interface, UDP and TCP, in a thread of its own.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/net/address.hpp>
#include <ringo/net/endpoint.hpp>

namespace ringo::test {

/// What the server knows of a name, and how it behaves when it is asked for it.
struct dns_record {
  std::vector<std::string> addresses{};
  int code = 0;            // of the answer: 2 is SERVFAIL, 3 NXDOMAIN, 5 REFUSED
  bool truncates = false;  // answers over UDP that it is too long, and the whole over TCP
  bool silent = false;     // never answers
  bool held = false;       // answers after release()
  bool garbles = false;    // sends what is no answer
  std::string alias{};     // the addresses are those of this other name
};

class dns_server {
 public:
  explicit dns_server(std::map<std::string, dns_record> records) : records_(std::move(records)) {
    open();
    thread_ = std::thread([this] { serve(); });
  }
  dns_server(const dns_server&) = delete;
  dns_server& operator=(const dns_server&) = delete;
  ~dns_server() {
    stop_ = true;
    wake();
    thread_.join();
    for (const int fd : {udp_, tcp_, wake_}) ::close(fd);
    for (const auto& each : streams_) ::close(each.fd);
  }

  const net::endpoint& where() const { return where_; }

  /// How many questions there were, of both types, for names that begin with `name`.
  int asked(std::string_view name = {}) {
    const std::lock_guard guard(lock_);
    int count = 0;
    for (const auto& [each, times] : asked_) {
      if (each.starts_with(name)) count += times;
    }
    return count;
  }
  int asked_over_tcp() const { return over_tcp_; }

  /// Answers what is held, now and from now on.
  void release() {
    released_ = true;
    wake();
  }

 private:
  struct query {
    std::string data;
    sockaddr_storage from{};
    socklen_t from_size = 0;
  };

  struct stream {
    int fd;
    std::string received{};
  };

  const std::map<std::string, dns_record> records_;
  net::endpoint where_;
  int udp_ = -1;
  int tcp_ = -1;
  int wake_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<bool> released_{false};
  std::atomic<int> over_tcp_{0};
  std::mutex lock_;
  std::map<std::string, int> asked_;  // guarded by lock_
  std::vector<stream> streams_;       // the thread's
  std::vector<query> held_;           // the thread's
  std::thread thread_;

  void wake() {
    const std::uint64_t one = 1;
    if (::write(wake_, &one, sizeof one) < 0) std::abort();
  }

  static int bound(int type, const net::endpoint& at) {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_storage storage{};
    const auto size = static_cast<socklen_t>(at.to_sockaddr(storage).value());
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0) return fd;
    ::close(fd);
    return -1;
  }

  /// One port for both.
  void open() {
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int attempt = 0; attempt < 100; ++attempt) {
      udp_ = bound(SOCK_DGRAM, net::endpoint(net::address::from_v4({127, 0, 0, 1}), 0));
      sockaddr_storage storage{};
      socklen_t size = sizeof storage;
      auto* const to = reinterpret_cast<sockaddr*>(&storage);
      if (udp_ < 0 || ::getsockname(udp_, to, &size) != 0) break;
      where_ = net::endpoint::from_sockaddr(to, size).value();
      tcp_ = bound(SOCK_STREAM, where_);
      if (tcp_ >= 0 && ::listen(tcp_, 64) == 0) return;
      ::close(udp_);
    }
    throw std::runtime_error("dns_server: no port");
  }

  void serve() {
    while (!stop_) {
      std::vector<pollfd> polled{{wake_, POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      for (const auto& each : streams_) polled.push_back({each.fd, POLLIN, 0});
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      std::uint64_t count = 0;
      if (polled[0].revents != 0 && ::read(wake_, &count, sizeof count) < 0) continue;
      if (released_) {
        for (const auto& each : std::exchange(held_, {})) reply(each, false);
      }
      if (polled[1].revents != 0) take_datagrams();
      for (std::size_t i = 3; i < polled.size(); ++i) {
        if (polled[i].revents != 0) take_stream(streams_[i - 3]);
      }
      std::erase_if(streams_, [](const stream& each) { return each.fd < 0; });
      if (polled[2].revents != 0) {
        const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) streams_.push_back({fd});
      }
    }
  }

  void take_datagrams() {
    std::array<char, 2048> room{};
    for (;;) {
      query got;
      got.from_size = sizeof got.from;
      const ssize_t n = ::recvfrom(udp_,
                                   room.data(),
                                   room.size(),
                                   0,
                                   reinterpret_cast<sockaddr*>(&got.from),
                                   &got.from_size);
      if (n < 0) return;
      got.data.assign(room.data(), static_cast<std::size_t>(n));
      count(got.data);
      const auto* const record = find(got.data);
      if (record != nullptr && record->silent) continue;
      if (record != nullptr && record->held && !released_) {
        held_.push_back(std::move(got));
      } else {
        reply(got, false);
      }
    }
  }

  /// Questions over TCP, each behind its length.
  void take_stream(stream& from) {
    std::array<char, 2048> room{};
    const ssize_t n = ::recv(from.fd, room.data(), room.size(), 0);
    if (n <= 0) {
      ::close(from.fd);
      from.fd = -1;
      return;
    }
    from.received.append(room.data(), static_cast<std::size_t>(n));
    for (;;) {
      if (from.received.size() < 2) return;
      const std::size_t size = static_cast<unsigned char>(from.received[0]) * std::size_t{256} +
                               static_cast<unsigned char>(from.received[1]);
      if (from.received.size() < size + 2) return;
      const std::string question = from.received.substr(2, size);
      from.received.erase(0, size + 2);
      ++over_tcp_;
      count(question);
      const std::string body = answer_to(question, true);
      const std::string sent = number16(body.size()) + body;
      if (::send(from.fd, sent.data(), sent.size(), MSG_NOSIGNAL) < 0) return;
    }
  }

  void reply(const query& to, bool over_tcp) {
    const std::string body = answer_to(to.data, over_tcp);
    ::sendto(udp_,
             body.data(),
             body.size(),
             0,
             reinterpret_cast<const sockaddr*>(&to.from),
             to.from_size);
  }

  /// The name in a question, and where it ends.
  static std::pair<std::string, std::size_t> name_in(const std::string& question) {
    std::string name;
    std::size_t at = 12;
    while (at < question.size() && question[at] != 0) {
      const auto length = static_cast<std::size_t>(question[at]);
      if (!name.empty()) name += '.';
      name += question.substr(at + 1, length);
      at += length + 1;
    }
    return {name, at + 1};
  }

  void count(const std::string& question) {
    const std::lock_guard guard(lock_);
    ++asked_[name_in(question).first];
  }

  const dns_record* find(const std::string& question) const {
    const auto at = records_.find(name_in(question).first);
    return at != records_.end() ? &at->second : nullptr;
  }

  static std::string number16(std::size_t value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
  }

  static std::string labels_of(std::string_view name) {
    std::string labels;
    while (!name.empty()) {
      const std::string_view label = name.substr(0, name.find('.'));
      labels += static_cast<char>(label.size());
      labels += label;
      name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return labels + '\0';
  }

  /// One record of the answer, of the name at `owner` bytes into the message.
  static std::string resource(std::size_t owner, std::size_t type, const std::string& data) {
    return number16(0xc000 | owner) + number16(type) + number16(1) + std::string("\0\0\0\x3c", 4) +
           number16(data.size()) + data;
  }

  std::string answer_to(const std::string& question, bool over_tcp) const {
    const auto [name, end] = name_in(question);
    const auto type = static_cast<std::size_t>(question[end + 1]);
    const auto* const record = find(question);
    const int code = record == nullptr ? 3 : record->code;
    const bool truncated = record != nullptr && record->truncates && !over_tcp;
    if (record != nullptr && record->garbles) return question.substr(0, 2) + "\x80";
    std::string records;
    std::size_t count = 0;
    std::size_t owner = 12;
    if (record != nullptr && !record->alias.empty()) {
      records += resource(owner, 5, labels_of(record->alias));
      owner = end + 4 + 12;
      ++count;
    }
    if (record != nullptr && code == 0 && !truncated) {
      for (const auto& text : record->addresses) {
        const auto address = net::address::parse(text).value();
        const std::size_t own_type = address.is_v4() ? 1 : 28;
        if (own_type != type) continue;
        const auto bytes = address.v6_bytes();
        const char* const all = reinterpret_cast<const char*>(bytes.data());
        records += resource(
            owner, own_type, address.is_v4() ? std::string(all + 12, 4) : std::string(all, 16));
        ++count;
      }
    }
    std::string message = question.substr(0, 2);
    message += static_cast<char>(0x81 | (truncated ? 0x02 : 0));
    message += static_cast<char>(0x80 | code);
    message += number16(1) + number16(count) + number16(0) + number16(0);
    message += question.substr(12, end + 4 - 12);
    return message + records;
  }
};

}  // namespace ringo::test

#include "net/dns_client.hpp"

// What newer versions call deprecated is all that 1.18 has.
#define CARES_NO_DEPRECATED
#include <ares.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include <arpa/nameser.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ringo/error.hpp>
#include <ringo/net/lookup.hpp>

namespace ringo::net::detail {
namespace {

/// The largest answer over UDP that does not get lost in fragments on today's networks; see
/// dnsflagday.net/2020.
constexpr int udp_size_max = 1232;

std::error_code last_error() {
  return {errno, std::system_category()};
}

std::error_code error_from(int status) {
  switch (status) {
    case ARES_SUCCESS: return {};
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: return lookup_errc::no_such_host;
    case ARES_ETIMEOUT: return lookup_errc::timed_out;
    case ARES_EBADRESP: return lookup_errc::bad_answer;
    case ARES_ENOMEM: return std::make_error_code(std::errc::not_enough_memory);
    default: return lookup_errc::temporary_failure;
  }
}

/// One of the two questions for a name.
struct question {
  int type;
  std::error_code error;
  std::vector<address> addresses;
  bool answered = false;
};

/// How many answers a message says that it has; room for what a parser may find.
std::size_t answer_count(std::span<const unsigned char> message) {
  if (message.size() < NS_HFIXEDSZ) return 0;
  return std::min(message[6] * std::size_t{256} + message[7], message.size());
}

template <typename Record, typename Parse>
int parse_records(std::span<unsigned char> message, std::vector<Record>& records, Parse parse) {
  records.resize(answer_count(message));
  int count = static_cast<int>(records.size());
  if (count == 0) return ARES_ENODATA;
  const int status =
      parse(message.data(), static_cast<int>(message.size()), nullptr, records.data(), &count);
  records.resize(status == ARES_SUCCESS ? static_cast<std::size_t>(count) : 0);
  return status;
}

int parse_answer(question& asked, std::span<unsigned char> message) {
  if (asked.type == ns_t_a) {
    std::vector<ares_addrttl> records;
    const int status = parse_records(message, records, ares_parse_a_reply);
    for (const auto& record : records) {
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &record.ipaddr, bytes.size());
      asked.addresses.push_back(address::from_v4(bytes));
    }
    return status;
  }
  std::vector<ares_addr6ttl> records;
  const int status = parse_records(message, records, ares_parse_aaaa_reply);
  for (const auto& record : records) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &record.ip6addr, bytes.size());
    asked.addresses.push_back(address::from_v6(bytes));
  }
  return status;
}

/// The time until c-ares wants to be called in any case.
std::chrono::nanoseconds time_to_wait(ares_channel channel) {
  timeval left{};
  if (ares_timeout(channel, nullptr, &left) == nullptr) return std::chrono::nanoseconds::max();
  return std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
}

std::uint32_t events_for(io::readiness wanted) {
  return (any(wanted & io::readable) ? std::uint32_t{EPOLLIN} : 0U) |
         (any(wanted & io::writable) ? std::uint32_t{EPOLLOUT} : 0U);
}

/// Waits for the first of several sockets: for an epoll set of them. Returns those that are ready.
result<std::vector<dns_socket>> wait_for_several(const context& ctx,
                                                 const std::vector<dns_socket>& sockets) {
  struct epoll_set {
    int fd = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_set() = default;
    epoll_set(const epoll_set&) = delete;
    epoll_set& operator=(const epoll_set&) = delete;
    ~epoll_set() {
      if (fd >= 0) ::close(fd);
    }
  } set;
  if (set.fd < 0) return last_error();
  for (const auto& each : sockets) {
    epoll_event event{};
    event.events = events_for(each.wanted);
    event.data.fd = each.fd;
    if (::epoll_ctl(set.fd, EPOLL_CTL_ADD, each.fd, &event) != 0) return last_error();
  }
  if (const auto waited = io::wait_fd(ctx, set.fd, io::readable); !waited) return waited.error();
  std::vector<epoll_event> events(sockets.size());
  const int count = ::epoll_wait(set.fd, events.data(), static_cast<int>(events.size()), 0);
  std::vector<dns_socket> ready;
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    const auto reads = broken || (event.events & EPOLLIN) != 0;
    const auto writes = broken || (event.events & EPOLLOUT) != 0;
    ready.push_back({event.data.fd,
                     (reads ? io::readable : io::readiness::none) |
                         (writes ? io::writable : io::readiness::none)});
  }
  return ready;
}

/// Mostly there is one.
result<std::vector<dns_socket>> wait_for_any(const context& ctx,
                                             const std::vector<dns_socket>& sockets) {
  if (sockets.size() != 1) return wait_for_several(ctx, sockets);
  const auto ready = io::wait_fd(ctx, sockets.front().fd, sockets.front().wanted);
  if (!ready) return ready.error();
  return std::vector<dns_socket>{{sockets.front().fd, *ready}};
}

}  // namespace

/// What c-ares calls. Nothing here may park or throw.
struct dns_callbacks {
  static dns_client& client(void* argument) { return *static_cast<dns_client*>(argument); }

  /// Close-on-exec from its beginning: no child of another fiber inherits it.
  static int make_socket(int domain, int type, int protocol, void* argument) {
    const int fd = ::socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) client(argument).error_ = last_error();
    return fd;
  }
  static int close_socket(int fd, void* /*argument*/) { return ::close(fd); }
  static int connect_socket(int fd, const sockaddr* to, socklen_t size, void* /*argument*/) {
    return ::connect(fd, to, size);
  }
  // NOLINTNEXTLINE(readability-function-size): c-ares wants it so
  static ssize_t receive(
      int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* length, void*) {
    return ::recvfrom(fd, to, size, flags, from, length);
  }
  static ssize_t send_parts(int fd, const iovec* parts, int count, void* /*argument*/) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL);
  }
  static constexpr ares_socket_functions socket_functions{
      make_socket, close_socket, connect_socket, receive, send_parts};

  static void socket_changed(void* argument, int fd, int readable, int writable) {
    auto& sockets = client(argument).sockets_;
    const auto at = std::find_if(
        sockets.begin(), sockets.end(), [fd](const dns_socket& each) { return each.fd == fd; });
    const auto wanted = (readable != 0 ? io::readable : io::readiness::none) |
                        (writable != 0 ? io::writable : io::readiness::none);
    if (!any(wanted)) {
      if (at != sockets.end()) sockets.erase(at);
    } else if (at != sockets.end()) {
      at->wanted = wanted;
    } else {
      sockets.push_back({fd, wanted});  // within what the constructor has reserved
    }
  }

  static void answered(
      void* argument, int status, int /*timeouts*/, unsigned char* data, int size) {
    auto& asked = *static_cast<question*>(argument);
    asked.answered = true;
    try {
      if (status == ARES_SUCCESS) {
        status = parse_answer(asked, {data, static_cast<std::size_t>(size)});
      }
      asked.error = error_from(status);
      if (!asked.error && asked.addresses.empty()) asked.error = lookup_errc::no_such_host;
    } catch (const std::bad_alloc&) {
      asked.addresses.clear();
      asked.error = std::make_error_code(std::errc::not_enough_memory);
    }
  }
};

dns_client::dns_client(const dns_servers& servers) {
  static const int library = ares_library_init(ARES_LIB_INIT_ALL);
  error_ = error_from(library);
  if (error_) return;
  // All is set, so that c-ares reads no file of its own: it would look at each look-up, block the
  // thread, and not see all that resolv_conf sees.
  char lookups[] = "b";
  ares_options options{};
  options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOALIASES | (servers.tcp ? ARES_FLAG_USEVC : 0);
  options.timeout = static_cast<int>(servers.timeout.count());
  options.tries = servers.attempts;
  options.ndots = 1;
  options.lookups = lookups;
  options.ednspsz = udp_size_max;
  options.sock_state_cb = dns_callbacks::socket_changed;
  options.sock_state_cb_data = this;
  constexpr int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                        ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
                        ARES_OPT_SOCK_STATE_CB | ARES_OPT_SORTLIST | ARES_OPT_EDNSPSZ |
                        ARES_OPT_NOROTATE;
  error_ = error_from(ares_init_options(&channel_, &options, given));
  if (error_) return;
  ares_set_socket_functions(channel_, &dns_callbacks::socket_functions, this);
  sockets_.reserve(2 * servers.endpoints.size() + 2);  // one of each kind for each server
  use(servers);
}

dns_client::~dns_client() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

void dns_client::use(const dns_servers& servers) {
  std::vector<ares_addr_port_node> nodes;
  for (const auto& each : servers.endpoints) {
    ares_addr_port_node node{};
    node.udp_port = node.tcp_port = each.port();
    if (each.address().is_v4()) {
      const auto bytes = each.address().v4_bytes();
      node.family = AF_INET;
      std::memcpy(&node.addr.addr4, bytes.data(), bytes.size());
    } else {
      const auto bytes = each.address().v6_bytes();
      node.family = AF_INET6;
      std::memcpy(&node.addr.addr6, bytes.data(), bytes.size());
    }
    nodes.push_back(node);
  }
  for (std::size_t i = 1; i < nodes.size(); ++i) nodes[i - 1].next = &nodes[i];
  error_ = error_from(ares_set_servers_ports(channel_, nodes.data()));
}

result<std::vector<address>> dns_client::ask(const context& ctx, const std::string& name) {
  if (error_) return error_;
  std::array<question, 2> questions{question{ns_t_a, {}, {}}, question{ns_t_aaaa, {}, {}}};
  struct canceller {  // before `questions` goes, which c-ares writes to
    ares_channel channel;
    explicit canceller(ares_channel of) : channel(of) {}
    canceller(const canceller&) = delete;
    canceller& operator=(const canceller&) = delete;
    ~canceller() { ares_cancel(channel); }
  } const cancel_unanswered(channel_);
  for (auto& each : questions) {
    ares_query(channel_, name.c_str(), ns_c_in, each.type, dns_callbacks::answered, &each);
  }
  while (!questions[0].answered || !questions[1].answered) {
    if (const auto given_up = answer_round(ctx)) return given_up;
  }
  auto addresses = std::move(questions[0].addresses);
  addresses.insert(addresses.end(), questions[1].addresses.begin(), questions[1].addresses.end());
  if (!addresses.empty()) return addresses;
  // c-ares says of a socket that could not be made only that nobody was reached.
  if (error_) return std::exchange(error_, {});
  // That one record is not there says nothing while the other may be.
  const std::error_code none = lookup_errc::no_such_host;
  return questions[0].error == none ? questions[1].error : questions[0].error;
}

/// Waits until c-ares has something to do, and lets it. Fails only when nobody is to wait any more.
std::error_code dns_client::answer_round(const context& ctx) {
  const auto [part, cancel] = with_timeout(ctx, time_to_wait(channel_));
  const cancel_guard guard(cancel);
  const auto ready = wait_for_any(part, sockets_);
  if (const auto done = ctx.err()) return done;
  if (!ready && !part.err()) return ready.error();
  // Also when it is only time: c-ares looks at the time whenever it is called.
  if (!ready || ready->empty()) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  if (!ready) return {};
  for (const auto& each : *ready) {
    ares_process_fd(channel_,
                    any(each.wanted & io::readable) ? each.fd : ARES_SOCKET_BAD,
                    any(each.wanted & io::writable) ? each.fd : ARES_SOCKET_BAD);
  }
  return {};
}

}  // namespace ringo::net::detail

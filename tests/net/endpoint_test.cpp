// Endpoints. The table says what Go 1.26's netip.ParseAddrPort says of the same texts.

#include <ringo/net/endpoint.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using ringo::net::address;
using ringo::net::endpoint;

namespace {

constexpr std::string_view refused = "refused";

struct row {
  std::string_view text;
  std::string_view printed;  // or `refused`
};

// clang-format off
constexpr row rows[] = {
    {"1.2.3.4:80", "1.2.3.4:80"},
    {"0.0.0.0:0", "0.0.0.0:0"},
    {"1.2.3.4:65535", "1.2.3.4:65535"},
    {"1.2.3.4:00080", "1.2.3.4:80"},
    {"[::1]:80", "[::1]:80"},
    {"[::1%eth0]:80", "[::1%eth0]:80"},
    {"[::ffff:1.2.3.4]:53", "[::ffff:1.2.3.4]:53"},
    {"[2001:DB8:0::1]:443", "[2001:db8::1]:443"},
    {"[::%]]:1", "[::%]]:1"},
    {"", refused},
    {":80", refused},
    {"1.2.3.4", refused},
    {"1.2.3.4:", refused},
    {"1.2.3.4:65536", refused},
    {"1.2.3.4:-1", refused},
    {"1.2.3.4:+1", refused},
    {"1.2.3.4: 80", refused},
    {"1.2.3.4:80 ", refused},
    {"1.2.3.4:http", refused},
    {"1.2.3.4:0x50", refused},
    {"1.2.3.4:8_0", refused},
    {"[1.2.3.4]:80", refused},
    {"::1:80", refused},
    {"[::1]", refused},
    {"[::1]80", refused},
    {"[::1:80", refused},
    {"::1]:80", refused},
    {"[]:80", refused},
    {"[:80", refused},
    {"[[::1]]:80", refused},
    {"localhost:80", refused},
    {"[::1%]:80", refused},
    {"1.2.3.4:99999999999999999999", refused},
};
// clang-format on

endpoint parsed(std::string_view text) {
  return endpoint::parse(text).value();
}

/// What comes back from a sockaddr.
endpoint there_and_back(const endpoint& from) {
  sockaddr_storage storage{};
  const std::size_t size = from.to_sockaddr(storage).value();
  return endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), size).value();
}

std::size_t size_of(const endpoint& from) {
  sockaddr_storage storage{};
  return from.to_sockaddr(storage).value();
}

/// A socket that is closed at the end of the scope.
struct socket_at {
  int fd;
  int error = 0;  // of bind
  explicit socket_at(const endpoint& where, int family) : fd(::socket(family, SOCK_STREAM, 0)) {
    sockaddr_storage storage{};
    const auto size = static_cast<socklen_t>(where.to_sockaddr(storage).value());
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) != 0) error = errno;
  }
  socket_at(const socket_at&) = delete;
  socket_at& operator=(const socket_at&) = delete;
  ~socket_at() { ::close(fd); }

  endpoint local() const {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* const to = reinterpret_cast<sockaddr*>(&storage);
    if (::getsockname(fd, to, &size) != 0) return {};
    return endpoint::from_sockaddr(to, size).value();
  }
};

}  // namespace

TEST_CASE("endpoint: parse takes what Go takes, and reads the same from it") {
  for (const auto& row : rows) {
    CAPTURE(std::string(row.text));
    const auto got = endpoint::parse(row.text);
    REQUIRE(got.has_value() == (row.printed != refused));
    if (!got) {
      CHECK(got.error() == std::errc::invalid_argument);
      continue;
    }
    CHECK(got->to_string() == row.printed);
    CHECK(parsed(got->to_string()) == *got);
  }
}

TEST_CASE("endpoint: has an address and a port, or a path, or nothing") {
  //! [endpoint]
  const endpoint web(address::from_v4({192, 0, 2, 1}), 80);
  CHECK(web.to_string() == "192.0.2.1:80");
  CHECK(web == endpoint::parse("192.0.2.1:80").value());
  CHECK(endpoint::parse("[::1]:53")->address().is_loopback());
  CHECK(endpoint::from_path("/run/app.sock").to_string() == "/run/app.sock");
  //! [endpoint]
  CHECK(web);
  CHECK(!web.is_unix());
  CHECK(web.port() == 80);
  CHECK(web.path().empty());

  const endpoint unix_socket = endpoint::from_path("/run/app.sock");
  CHECK(unix_socket);
  CHECK(unix_socket.is_unix());
  CHECK(!unix_socket.address());
  CHECK(unix_socket.port() == 0);
  CHECK(unix_socket.path() == "/run/app.sock");

  const endpoint nowhere;
  CHECK(!nowhere);
  CHECK(!endpoint(address(), 80));
  CHECK(nowhere.to_string() == "invalid AddrPort");
  sockaddr_storage storage{};
  CHECK(nowhere.to_sockaddr(storage).error() == std::errc::invalid_argument);
}

TEST_CASE("endpoint: goes to a sockaddr and comes back") {
  for (const char* text : {"1.2.3.4:5", "[::1]:80", "[2001:db8::1]:65535", "[::ffff:1.2.3.4]:0"}) {
    CHECK(there_and_back(parsed(text)) == parsed(text));
  }
  sockaddr_in v4{};
  sockaddr_storage storage{};
  REQUIRE(parsed("1.2.3.4:258").to_sockaddr(storage).value() == sizeof v4);
  std::memcpy(&v4, &storage, sizeof v4);
  CHECK(v4.sin_family == AF_INET);
  CHECK(v4.sin_port == htons(258));
  CHECK(v4.sin_addr.s_addr == htonl(0x01020304));
}

TEST_CASE("endpoint: a zone is an interface's name, or else its number") {
  const unsigned loopback = ::if_nametoindex("lo");
  REQUIRE(loopback != 0);
  CHECK(there_and_back(parsed("[fe80::1%lo]:1")) == parsed("[fe80::1%lo]:1"));
  const std::string number = std::to_string(loopback);
  CHECK(there_and_back(parsed("[fe80::1%" + number + "]:1")) == parsed("[fe80::1%lo]:1"));
  CHECK(there_and_back(parsed("[fe80::1%4000000]:1")) == parsed("[fe80::1%4000000]:1"));
  CHECK(there_and_back(parsed("[fe80::1%nosuch0]:1")) == parsed("[fe80::1]:1"));
}

TEST_CASE("endpoint: paths of Unix sockets keep to what the kernel takes") {
  constexpr std::size_t header = offsetof(sockaddr_un, sun_path);
  for (const auto& path : {std::string("/run/x"),
                           std::string("@name"),
                           std::string("@"),
                           std::string("@a\0b", 4),
                           std::string(),
                           "@" + std::string(107, 'x'),
                           std::string(107, 'x')}) {
    CAPTURE(path);
    CHECK(there_and_back(endpoint::from_path(path)).path() == path);
  }
  CHECK(endpoint::from_path(std::string("\0name", 5)) == endpoint::from_path("@name"));
  CHECK(size_of(endpoint::from_path("/x")) == header + 3);
  CHECK(size_of(endpoint::from_path("@x")) == header + 2);
  CHECK(size_of(endpoint::from_path("")) == header);
  sockaddr_storage storage{};
  for (const auto& path : {std::string(108, 'x'), "@" + std::string(108, 'x')}) {
    CHECK(endpoint::from_path(path).to_sockaddr(storage).error() == std::errc::invalid_argument);
  }
}

TEST_CASE("endpoint: the kernel understands it, and is understood") {
  const std::string name = "@ringo.endpoint_test." + std::to_string(::getpid());
  const socket_at named(endpoint::from_path(name), AF_UNIX);
  CHECK(named.error == 0);
  CHECK(named.local() == endpoint::from_path(name));
  const socket_at again(endpoint::from_path(name), AF_UNIX);
  CHECK(again.error == EADDRINUSE);

  const socket_at nameless(endpoint::from_path(""), AF_UNIX);
  CHECK(nameless.local().path().starts_with('@'));
  CHECK(nameless.local().path().size() > 1);

  const socket_at v4(parsed("127.0.0.1:0"), AF_INET);
  CHECK(v4.local().address() == address::from_v4({127, 0, 0, 1}));
  CHECK(v4.local().port() != 0);
}

TEST_CASE("endpoint: a sockaddr of another family, or that is cut off, is refused") {
  sockaddr_storage storage{};
  const auto* const from = reinterpret_cast<const sockaddr*>(&storage);
  const auto refusal = [&](sa_family_t family, std::size_t size) {
    storage.ss_family = family;
    return endpoint::from_sockaddr(from, size).error();
  };
  const auto unknown = std::errc::address_family_not_supported;
  CHECK(refusal(AF_NETLINK, sizeof storage) == unknown);
  CHECK(refusal(AF_INET, sizeof(sockaddr_in) - 1) == unknown);
  CHECK(refusal(AF_INET6, sizeof(sockaddr_in6) - 1) == unknown);
  CHECK(refusal(AF_INET, 1) == unknown);
  CHECK(endpoint::from_sockaddr(nullptr, 0).error() == unknown);
}

TEST_CASE("endpoint: is ordered, is a key, and prints to streams") {
  const std::vector<endpoint> ordered{endpoint(),
                                      endpoint::from_path("/a"),
                                      endpoint::from_path("/b"),
                                      parsed("1.2.3.4:1"),
                                      parsed("1.2.3.4:2"),
                                      parsed("1.2.3.5:1"),
                                      parsed("[::1]:0")};
  std::unordered_set<endpoint> seen;
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    CHECK(seen.insert(ordered[i]).second);
    CHECK(!seen.insert(ordered[i]).second);
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      CHECK((ordered[i] <=> ordered[j]) == (i <=> j));
    }
  }
  std::ostringstream stream;
  stream << parsed("[::1]:80") << " " << endpoint::from_path("@x");
  CHECK(stream.str() == "[::1]:80 @x");
}

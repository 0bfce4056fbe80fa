// host:port. The table says what Go 1.26's net.SplitHostPort says of the same texts.

#include <ringo/net/host_port.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <string_view>

using namespace std::string_view_literals;
using ringo::net::address_errc;
using ringo::net::join_host_port;
using ringo::net::split_host_port;

namespace {

constexpr address_errc split{};

struct row {
  std::string_view text;
  std::string_view host;
  std::string_view port;
  address_errc error;  // or `split`
};

// clang-format off
constexpr row rows[] = {
    {"example.org:443", "example.org", "443", split},
    {":8080", "", "8080", split},
    {"example.org:", "example.org", "", split},
    {":", "", "", split},
    {"[::1]:80", "::1", "80", split},
    {"[::1%lo0]:80", "::1%lo0", "80", split},
    {"[]:80", "", "80", split},
    {"[a]:", "a", "", split},
    {"a%b:c", "a%b", "c", split},
    {"[localhost]:http", "localhost", "http", split},
    {"[1.2.3.4]:5", "1.2.3.4", "5", split},
    {"a b:c d", "a b", "c d", split},
    {"x:\000"sv, "x", "\000"sv, split},
    {"", "", "", address_errc::missing_port},
    {"example.org", "", "", address_errc::missing_port},
    {"[::1]", "", "", address_errc::missing_port},
    {"::1", "", "", address_errc::too_many_colons},
    {"::1:80", "", "", address_errc::too_many_colons},
    {"a:b:c", "", "", address_errc::too_many_colons},
    {"[::1", "", "", address_errc::missing_bracket},
    {"[::1:80", "", "", address_errc::missing_bracket},
    {"[::1]x:80", "", "", address_errc::missing_port},
    {"[::1]80", "", "", address_errc::missing_port},
    {"[a]b:80", "", "", address_errc::missing_port},
    {"[a]:b:c", "", "", address_errc::too_many_colons},
    {"[a[b]:80", "", "", address_errc::unexpected_bracket},
    {"a[b:80", "", "", address_errc::unexpected_bracket},
    {"a]b:80", "", "", address_errc::unexpected_bracket},
    {"a:[b", "", "", address_errc::unexpected_bracket},
    {"a:b]", "", "", address_errc::unexpected_bracket},
    {"[a]:[b", "", "", address_errc::unexpected_bracket},
    {"[a]:b]", "", "", address_errc::unexpected_bracket},
    {"]:80", "", "", address_errc::unexpected_bracket},
    {"[:", "", "", address_errc::missing_bracket},
    {"[", "", "", address_errc::missing_port},
    {"]", "", "", address_errc::missing_port},
    {"[]", "", "", address_errc::missing_port},
    {"[]:", "", "", split},
    {"a:80[", "", "", address_errc::unexpected_bracket},
    {"[a]]:80", "", "", address_errc::missing_port},
};
// clang-format on

}  // namespace

TEST_CASE("host_port: split_host_port takes what Go takes, and says the same of the rest") {
  for (const auto& row : rows) {
    CAPTURE(std::string(row.text));
    const auto got = split_host_port(row.text);
    REQUIRE(got.has_value() == (row.error == split));
    if (got) {
      CHECK(got->host == row.host);
      CHECK(got->port == row.port);
    } else {
      CHECK(got.error() == row.error);
      CHECK(got.error() == std::errc::invalid_argument);
    }
  }
}

TEST_CASE("host_port: join_host_port is the reverse") {
  //! [host_port]
  CHECK(join_host_port("example.org", "443") == "example.org:443");
  CHECK(join_host_port("::1", "80") == "[::1]:80");
  CHECK(split_host_port("[fe80::1%eth0]:http")->host == "fe80::1%eth0");
  CHECK(split_host_port("example.org").error() == address_errc::missing_port);
  //! [host_port]
  CHECK(join_host_port("", "8080") == ":8080");
  CHECK(join_host_port("", "") == ":");
  for (const auto& [text, host, port, error] : rows) {
    if (error != split) continue;
    const auto again = split_host_port(join_host_port(host, port));
    REQUIRE(again);
    CHECK(again->host == host);
    CHECK(again->port == port);
  }
}

TEST_CASE("host_port: errors have texts") {
  CHECK(make_error_code(address_errc::missing_port).message() == "missing port in address");
  CHECK(make_error_code(address_errc::too_many_colons).message() == "too many colons in address");
  CHECK(make_error_code(address_errc::missing_bracket).message() == "missing ']' in address");
  CHECK(make_error_code(address_errc::unexpected_bracket).message() ==
        "unexpected bracket in address");
  CHECK(std::string(ringo::net::address_category().name()) == "ringo.net.address");
}

// What is read from the files that name look-ups go by, and the names that are asked for.

#include "net/resolv_conf.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "net/domain_name.hpp"
#include "net/hosts_file.hpp"

using namespace std::chrono_literals;
using ringo::net::address;
using ringo::net::endpoint;
using ringo::net::detail::hosts_file;
using ringo::net::detail::is_domain_name;
using ringo::net::detail::is_localhost;
using ringo::net::detail::names_to_try;
using ringo::net::detail::resolv_conf;
using strings = std::vector<std::string>;

namespace {

strings servers_of(const resolv_conf& conf) {
  strings texts;
  for (const auto& each : conf.servers) texts.push_back(each.to_string());
  return texts;
}

strings found(const hosts_file& hosts, std::string_view name) {
  strings texts;
  for (const auto& each : hosts.find(name)) texts.push_back(each.to_string());
  return texts;
}

}  // namespace

TEST_CASE("resolv_conf: an empty one means the server of this machine, and its domain") {
  const auto conf = resolv_conf::parse("", "host.example.org");
  CHECK(servers_of(conf) == strings{"127.0.0.1:53", "[::1]:53"});
  CHECK(conf.search == strings{"example.org."});
  CHECK(conf.ndots == 1);
  CHECK(conf.timeout == 5s);
  CHECK(conf.attempts == 2);
  CHECK(!conf.rotate);
  CHECK(!conf.tcp);
  CHECK(resolv_conf::parse("", "host").search.empty());
  CHECK(resolv_conf::parse("", "host.").search.empty());
}

TEST_CASE("resolv_conf: servers, search list and options are read") {
  const auto conf = resolv_conf::parse(
      "# comment\n"
      "; comment\n"
      "nameserver 192.0.2.1\n"
      "nameserver\t2001:db8::1 # more\n"
      "nameserver nonsense\n"
      "nameserver fe80::1%lo\n"
      "nameserver 192.0.2.4\n"
      "domain old.example.org\n"
      "search example.org  example.com. .\n"
      "options ndots:3 timeout:7 attempts:4\n"
      "options rotate use-vc unknown:9 edns0\n"
      "sortlist 1.2.3.4\n"
      "nameserver",
      "host.elsewhere");
  CHECK(servers_of(conf) == strings{"192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%lo]:53"});
  CHECK(conf.search == strings{"example.org.", "example.com."});
  CHECK(conf.ndots == 3);
  CHECK(conf.timeout == 7s);
  CHECK(conf.attempts == 4);
  CHECK(conf.rotate);
  CHECK(conf.tcp);
  CHECK(resolv_conf::parse("search a b\ndomain c\r\n", "").search == strings{"c."});
}

TEST_CASE("resolv_conf: numbers are kept within limits") {
  const auto small = resolv_conf::parse("options ndots:-1 timeout:0 attempts:x\n", "");
  CHECK(small.ndots == 0);
  CHECK(small.timeout == 1s);
  CHECK(small.attempts == 1);
  const auto large =
      resolv_conf::parse("options ndots:99 timeout:99999999999999999999 attempts:100000\n", "");
  CHECK(large.ndots == 15);
  CHECK(large.timeout == resolv_conf::timeout_max);
  CHECK(large.attempts == resolv_conf::attempts_max);
}

TEST_CASE("hosts_file: names, aliases and comments") {
  const hosts_file hosts(
      "# comment\n"
      "127.0.0.1\tlocalhost  Loop.Example.org # trailing\n"
      "::1 localhost\n"
      "\n"
      "fe80::1%lo link\n"
      "nonsense name\n"
      "192.0.2.1\n"
      "192.0.2.2 #name\n"
      "  192.0.2.3 last.\r\n"
      "192.0.2.4 last");
  CHECK(found(hosts, "localhost") == strings{"127.0.0.1", "::1"});
  CHECK(found(hosts, "LOCALHOST.") == strings{"127.0.0.1", "::1"});
  CHECK(found(hosts, "loop.example.org") == strings{"127.0.0.1"});
  CHECK(found(hosts, "link") == strings{"fe80::1%lo"});
  CHECK(found(hosts, "last") == strings{"192.0.2.3", "192.0.2.4"});
  CHECK(found(hosts, "name").empty());
  CHECK(found(hosts, "").empty());
  CHECK(found(hosts_file(), "localhost").empty());
}

TEST_CASE("domain_name: what DNS may be asked for") {
  for (const std::string& name : {std::string("a"),
                                  std::string("a.b"),
                                  std::string("a.b."),
                                  std::string("_http._tcp.a"),
                                  std::string("1a.2"),
                                  std::string("a-b.c"),
                                  std::string("1-2"),
                                  std::string("."),
                                  std::string(63, 'a'),
                                  std::string(63, 'a') + "." + std::string(63, 'b')}) {
    CAPTURE(name);
    CHECK(is_domain_name(name));
  }
  std::string long_name;
  while (long_name.size() < 250) long_name += "abcdefghi.";
  for (const std::string& name : {std::string(""),
                                  std::string("a..b"),
                                  std::string(".a"),
                                  std::string("-a"),
                                  std::string("a-"),
                                  std::string("a-.b"),
                                  std::string("a.-b"),
                                  std::string("a b"),
                                  std::string("1.2.3"),
                                  std::string("123"),
                                  std::string(".."),
                                  std::string("a%b"),
                                  std::string("\xc3\xa4"),
                                  std::string(64, 'a'),
                                  long_name + "abcdefghi"}) {
    CAPTURE(name);
    CHECK(!is_domain_name(name));
  }
}

TEST_CASE("domain_name: localhost is this machine, and what is under it") {
  for (const char* name : {"localhost", "localhost.", "a.localhost", "a.b.localhost."}) {
    CHECK(is_localhost(name));
  }
  for (const char* name : {"", ".", "notlocalhost", "localhost.test", "local"}) {
    CHECK(!is_localhost(name));
  }
}

TEST_CASE("domain_name: names are tried as ndots and the search list say") {
  const strings search{"one.", "two."};
  CHECK(names_to_try("a", search, 1) == strings{"a.one.", "a.two.", "a."});
  CHECK(names_to_try("a.b", search, 1) == strings{"a.b.", "a.b.one.", "a.b.two."});
  CHECK(names_to_try("a.b", search, 2) == strings{"a.b.one.", "a.b.two.", "a.b."});
  CHECK(names_to_try("a", search, 0) == strings{"a.", "a.one.", "a.two."});
  CHECK(names_to_try("a.", search, 1) == strings{"a."});
  CHECK(names_to_try("a", {}, 1) == strings{"a."});
  CHECK(names_to_try("a.onion", search, 1) == strings{"a.onion.one.", "a.onion.two."});
  CHECK(names_to_try("a.Onion.", search, 1).empty());
  const std::string nearly = std::string(250, 'x');
  CHECK(names_to_try(nearly, search, 1) == strings{nearly + "."});
}

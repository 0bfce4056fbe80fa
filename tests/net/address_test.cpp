// Addresses. The tables say what Go 1.26's net/netip says of the same texts.

#include <ringo/net/address.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "support/fibers.hpp"

using namespace std::string_view_literals;
using ringo::net::address;
using ringo::test::panic_text;

namespace {

constexpr std::string_view refused = "refused";

struct text_row {
  std::string_view text;
  std::string_view printed;   // or `refused`
  std::string_view kinds;     // see kinds_of()
  std::string_view unmapped;  // printed
};

// clang-format off
constexpr text_row texts[] = {
    {"0.0.0.0", "0.0.0.0", "4u", "0.0.0.0"},
    {"1.2.3.4", "1.2.3.4", "4g", "1.2.3.4"},
    {"127.0.0.1", "127.0.0.1", "4l", "127.0.0.1"},
    {"127.255.255.254", "127.255.255.254", "4l", "127.255.255.254"},
    {"128.0.0.1", "128.0.0.1", "4g", "128.0.0.1"},
    {"10.0.0.0", "10.0.0.0", "4pg", "10.0.0.0"},
    {"10.255.255.255", "10.255.255.255", "4pg", "10.255.255.255"},
    {"11.0.0.0", "11.0.0.0", "4g", "11.0.0.0"},
    {"172.15.0.1", "172.15.0.1", "4g", "172.15.0.1"},
    {"172.16.0.1", "172.16.0.1", "4pg", "172.16.0.1"},
    {"172.31.255.255", "172.31.255.255", "4pg", "172.31.255.255"},
    {"172.32.0.1", "172.32.0.1", "4g", "172.32.0.1"},
    {"192.168.0.1", "192.168.0.1", "4pg", "192.168.0.1"},
    {"192.169.0.1", "192.169.0.1", "4g", "192.169.0.1"},
    {"169.254.0.1", "169.254.0.1", "4k", "169.254.0.1"},
    {"169.253.0.1", "169.253.0.1", "4g", "169.253.0.1"},
    {"224.0.0.1", "224.0.0.1", "4mn", "224.0.0.1"},
    {"224.0.1.0", "224.0.1.0", "4m", "224.0.1.0"},
    {"223.255.255.255", "223.255.255.255", "4g", "223.255.255.255"},
    {"239.255.255.255", "239.255.255.255", "4m", "239.255.255.255"},
    {"240.0.0.0", "240.0.0.0", "4g", "240.0.0.0"},
    {"255.255.255.255", "255.255.255.255", "4", "255.255.255.255"},
    {"192.0.2.1", "192.0.2.1", "4g", "192.0.2.1"},
    {"::", "::", "6u", "::"},
    {"::%eth0", "::%eth0", "6g", "::%eth0"},
    {"::1", "::1", "6l", "::1"},
    {"::1%lo", "::1%lo", "6l", "::1%lo"},
    {"::2", "::2", "6g", "::2"},
    {"1::", "1::", "6g", "1::"},
    {"0:0:0:0:0:0:0:0", "::", "6u", "::"},
    {"0:0:0:0:0:0:0:1", "::1", "6l", "::1"},
    {"2001:db8::68", "2001:db8::68", "6g", "2001:db8::68"},
    {"2001:DB8::AbCd", "2001:db8::abcd", "6g", "2001:db8::abcd"},
    {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1", "6g", "2001:db8::1"},
    {"fe80::1%eth0", "fe80::1%eth0", "6k", "fe80::1%eth0"},
    {"fe80::1cc0:3e8c:119f:c2e1%ens18", "fe80::1cc0:3e8c:119f:c2e1%ens18", "6k", "fe80::1cc0:3e8c:119f:c2e1%ens18"},
    {"febf::1", "febf::1", "6k", "febf::1"},
    {"fec0::1", "fec0::1", "6g", "fec0::1"},
    {"fc00::1", "fc00::1", "6pg", "fc00::1"},
    {"fdff::1", "fdff::1", "6pg", "fdff::1"},
    {"fe00::1", "fe00::1", "6g", "fe00::1"},
    {"ff00::", "ff00::", "6m", "ff00::"},
    {"ff01::1", "ff01::1", "6mi", "ff01::1"},
    {"ff02::1", "ff02::1", "6mn", "ff02::1"},
    {"ff11::1", "ff11::1", "6mi", "ff11::1"},
    {"ff12::fb%2", "ff12::fb%2", "6mn", "ff12::fb%2"},
    {"ff05::2", "ff05::2", "6m", "ff05::2"},
    {"::ffff:0.0.0.0", "::ffff:0.0.0.0", "6e", "0.0.0.0"},
    {"::ffff:1.2.3.4", "::ffff:1.2.3.4", "6eg", "1.2.3.4"},
    {"::ffff:127.0.0.1", "::ffff:127.0.0.1", "6el", "127.0.0.1"},
    {"::ffff:10.1.2.3%eth0", "::ffff:10.1.2.3%eth0", "6epg", "10.1.2.3"},
    {"::ffff:7f00:1", "::ffff:127.0.0.1", "6el", "127.0.0.1"},
    {"::ffff:e000:1", "::ffff:224.0.0.1", "6emn", "224.0.0.1"},
    {"::ffff:a9fe:1", "::ffff:169.254.0.1", "6ek", "169.254.0.1"},
    {"::ffff:255.255.255.255", "::ffff:255.255.255.255", "6e", "255.255.255.255"},
    {"::fffe:1.2.3.4", "::fffe:102:304", "6g", "::fffe:102:304"},
    {"::1.2.3.4", "::102:304", "6g", "::102:304"},
    {"64:ff9b::192.0.2.33", "64:ff9b::c000:221", "6g", "64:ff9b::c000:221"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", "6g", "1:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "6g", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", "6g", "0:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", "6g", "1:2:3:4:5:6:102:304"},
    {"1::4:5:6:7:8", "1::4:5:6:7:8", "6g", "1::4:5:6:7:8"},
    {"1:0:0:4:5:0:0:8", "1::4:5:0:0:8", "6g", "1::4:5:0:0:8"},
    {"1:0:0:0:5:0:0:8", "1::5:0:0:8", "6g", "1::5:0:0:8"},
    {"1:0:0:4:0:0:0:8", "1:0:0:4::8", "6g", "1:0:0:4::8"},
    {"1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8", "6g", "1:0:3:4:5:6:7:8"},
    {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8", "6g", "::3:4:5:6:7:8"},
    {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::", "6g", "1:2:3:4:5:6::"},
    {"0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1", "6g", "0:1:0:1:0:1:0:1"},
    {"a:b::c:d%x%y", "a:b::c:d%x%y", "6g", "a:b::c:d%x%y"},
    {"::%[", "::%[", "6g", "::%["},
    {"1::2%1", "1::2%1", "6g", "1::2%1"},
    {"::ffff:0:0:0", "::ffff:0:0:0", "6g", "::ffff:0:0:0"},
    {"2002:c000:204::", "2002:c000:204::", "6g", "2002:c000:204::"},
    {"2001::1", "2001::1", "6g", "2001::1"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6m", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"0:0:c844:0:0:0:0:0", "0:0:c844::", "6g", "0:0:c844::"},
    {"0:4f2:f0:0:1c:0:b5:fae1", "0:4f2:f0:0:1c:0:b5:fae1", "6g", "0:4f2:f0:0:1c:0:b5:fae1"},
    {"6ef4:fb:34:e8:0:0:d:0", "6ef4:fb:34:e8::d:0", "6g", "6ef4:fb:34:e8::d:0"},
    {"1:2:0:0:6:1:2b07:1d78", "1:2::6:1:2b07:1d78", "6g", "1:2::6:1:2b07:1d78"},
    {"0:578:75:2c7:9:0:1fc5:0", "0:578:75:2c7:9:0:1fc5:0", "6g", "0:578:75:2c7:9:0:1fc5:0"},
    {"2c78:0:0:303:3:f7e0:0:2e", "2c78::303:3:f7e0:0:2e", "6g", "2c78::303:3:f7e0:0:2e"},
    {"5:0:0:50f:0:0:0:5a", "5:0:0:50f::5a", "6g", "5:0:0:50f::5a"},
    {"0:3c1:0:0:2:0:0:1b", "0:3c1::2:0:0:1b", "6g", "0:3c1::2:0:0:1b"},
    {"1:2:0:f:d17:0:0:6e", "1:2:0:f:d17::6e", "6g", "1:2:0:f:d17::6e"},
    {"19b:15:0:19:1:0:0:3f", "19b:15:0:19:1::3f", "6g", "19b:15:0:19:1::3f"},
    {"0:0:1:3:0:0:5a:31", "::1:3:0:0:5a:31", "6g", "::1:3:0:0:5a:31"},
    {"0:0:0:d:0:0:0:c9c", "::d:0:0:0:c9c", "6g", "::d:0:0:0:c9c"},
    {"0:3b8:2:0:1:0:41:7909", "0:3b8:2:0:1:0:41:7909", "6g", "0:3b8:2:0:1:0:41:7909"},
    {"0:3574:3c3f:0:1d:1:0:d", "0:3574:3c3f:0:1d:1:0:d", "6g", "0:3574:3c3f:0:1d:1:0:d"},
    {"0:7f1:0:0:37:407:0:0", "0:7f1::37:407:0:0", "6g", "0:7f1::37:407:0:0"},
    {"0:0:e0:0:1cf3:0:0:0", "0:0:e0:0:1cf3::", "6g", "0:0:e0:0:1cf3::"},
    {"1:0:0:0:5:0:e9b:867", "1::5:0:e9b:867", "6g", "1::5:0:e9b:867"},
    {"0:0:1:0:2687:639:13b:0", "::1:0:2687:639:13b:0", "6g", "::1:0:2687:639:13b:0"},
    {"e8:1fa:11:0:5bd:1bc:0:0", "e8:1fa:11:0:5bd:1bc::", "6g", "e8:1fa:11:0:5bd:1bc::"},
    {"0:0:72:0:0:0:36:0", "0:0:72::36:0", "6g", "0:0:72::36:0"},
    {"11:3b9:0:0:0:280a:31:1562", "11:3b9::280a:31:1562", "6g", "11:3b9::280a:31:1562"},
    {"0:33cd:5ab:fd6:60:4:0:7", "0:33cd:5ab:fd6:60:4:0:7", "6g", "0:33cd:5ab:fd6:60:4:0:7"},
    {"0:bd0:f:5:0:0:0:3929", "0:bd0:f:5::3929", "6g", "0:bd0:f:5::3929"},
    {"2:6:0:0:10:0:77:22", "2:6::10:0:77:22", "6g", "2:6::10:0:77:22"},
    {"0:0:3:903:0:1:0:0", "::3:903:0:1:0:0", "6g", "::3:903:0:1:0:0"},
    {"0:263:0:c3:0:9:4d89:0", "0:263:0:c3:0:9:4d89:0", "6g", "0:263:0:c3:0:9:4d89:0"},
    {"0:46c:12b3:155:37:0:0:0", "0:46c:12b3:155:37::", "6g", "0:46c:12b3:155:37::"},
    {"0:0:0:0:0:0:1:e4", "::1:e4", "6g", "::1:e4"},
    {"83:0:0:0:0:0:15ad:0", "83::15ad:0", "6g", "83::15ad:0"},
    {"0:0:4:0:f:0:0:0", "0:0:4:0:f::", "6g", "0:0:4:0:f::"},
    {"818b:3e:4:0:0:ffa:0:f15", "818b:3e:4::ffa:0:f15", "6g", "818b:3e:4::ffa:0:f15"},
    {"0:292:0:c:e720:0:0:fede", "0:292:0:c:e720::fede", "6g", "0:292:0:c:e720::fede"},
    {"0:0:e:69e0:0:0:10:0", "::e:69e0:0:0:10:0", "6g", "::e:69e0:0:0:10:0"},
    {"2:0:1:0:0:0:d87:a", "2:0:1::d87:a", "6g", "2:0:1::d87:a"},
    {"0:1:2978:0:1cf3:66ca:291c:0", "0:1:2978:0:1cf3:66ca:291c:0", "6g", "0:1:2978:0:1cf3:66ca:291c:0"},
    {"0:1:0:0:5de3:3725:0:17", "0:1::5de3:3725:0:17", "6g", "0:1::5de3:3725:0:17"},
    {"0:0:3:0:0:1:0:0", "::3:0:0:1:0:0", "6g", "::3:0:0:1:0:0"},
    {"26:27a1:0:1ae:1c9:7f1:0:d7c", "26:27a1:0:1ae:1c9:7f1:0:d7c", "6g", "26:27a1:0:1ae:1c9:7f1:0:d7c"},
    {"c0:1b:c24:173:121:3:1:bf2", "c0:1b:c24:173:121:3:1:bf2", "6g", "c0:1b:c24:173:121:3:1:bf2"},
    {"0:0:0:2cdf:7bd:0:17:75e", "::2cdf:7bd:0:17:75e", "6g", "::2cdf:7bd:0:17:75e"},
    {"", refused, "", ""},
    {" ", refused, "", ""},
    {"1", refused, "", ""},
    {"localhost", refused, "", ""},
    {"1.2.3", refused, "", ""},
    {"1.2.3.4.5", refused, "", ""},
    {"1.2.3.", refused, "", ""},
    {".1.2.3", refused, "", ""},
    {"1..2.3", refused, "", ""},
    {"1.2.3.4 ", refused, "", ""},
    {" 1.2.3.4", refused, "", ""},
    {"01.2.3.4", refused, "", ""},
    {"1.2.3.04", refused, "", ""},
    {"00.0.0.0", refused, "", ""},
    {"256.1.1.1", refused, "", ""},
    {"1.2.3.1000", refused, "", ""},
    {"1.2.3.a", refused, "", ""},
    {"0x1.2.3.4", refused, "", ""},
    {"1.2.3.4%eth0", refused, "", ""},
    {"1.2.3.4:80", refused, "", ""},
    {"-1.2.3.4", refused, "", ""},
    {"1.2.3.-4", refused, "", ""},
    {":", refused, "", ""},
    {":::", refused, "", ""},
    {"::1::", refused, "", ""},
    {"1::2::3", refused, "", ""},
    {"1:2:3:4:5:6:7", refused, "", ""},
    {"1:2:3:4:5:6:7:8:9", refused, "", ""},
    {"1:2:3:4:5:6:7:8:", refused, "", ""},
    {"1:2:3:4:5:6:7:8::", refused, "", ""},
    {"1:2:3:4::5:6:7:8", refused, "", ""},
    {":1:2:3:4:5:6:7", refused, "", ""},
    {"1:", refused, "", ""},
    {"::1:", refused, "", ""},
    {"12345::", refused, "", ""},
    {"g::", refused, "", ""},
    {"::%", refused, "", ""},
    {"fe80::1%", refused, "", ""},
    {"%eth0", refused, "", ""},
    {"%", refused, "", ""},
    {"[::1]", refused, "", ""},
    {"::1.2.3", refused, "", ""},
    {"::1.2.3.256", refused, "", ""},
    {"::01.2.3.4", refused, "", ""},
    {"1:2:3:4:5:6:7:1.2.3.4", refused, "", ""},
    {"1:2:3:4:5:1.2.3.4", refused, "", ""},
    {"1:2:3:4:5:6::1.2.3.4", refused, "", ""},
    {"::1.2.3.4:5", refused, "", ""},
    {"::a.2.3.4", refused, "", ""},
    {"1.2.3.4::", refused, "", ""},
    {"::1/64", refused, "", ""},
    {"::-1", refused, "", ""},
    {"::1\000"sv, refused, "", ""},
    {"fe80: :1", refused, "", ""},
    {"::ffff:1.2.3.4.5", refused, "", ""},
    {"1:2", refused, "", ""},
};
// clang-format on

/// A letter for each question that `of` says yes to.
std::string kinds_of(const address& of) {
  std::string kinds;
  const auto add = [&kinds](bool is, char letter) {
    if (is) kinds += letter;
  };
  add(of.is_v4(), '4');
  add(of.is_v6(), '6');
  add(of.is_4in6(), 'e');
  add(of.is_unspecified(), 'u');
  add(of.is_loopback(), 'l');
  add(of.is_private(), 'p');
  add(of.is_multicast(), 'm');
  add(of.is_interface_local_multicast(), 'i');
  add(of.is_link_local_multicast(), 'n');
  add(of.is_link_local_unicast(), 'k');
  add(of.is_global_unicast(), 'g');
  return kinds;
}

address parsed(std::string_view text) {
  return address::parse(text).value();
}

}  // namespace

TEST_CASE("address: parse takes what Go takes, and reads the same from it") {
  std::size_t taken = 0;
  for (const auto& row : texts) {
    const std::string text(row.text);
    CAPTURE(text);
    const auto got = address::parse(row.text);
    REQUIRE(got.has_value() == (row.printed != refused));
    if (!got) {
      CHECK(got.error() == std::errc::invalid_argument);
      continue;
    }
    ++taken;
    CHECK(got->to_string() == row.printed);
    CHECK(kinds_of(*got) == row.kinds);
    CHECK(got->unmap().to_string() == row.unmapped);
    CHECK(parsed(got->to_string()) == *got);
  }
  CHECK(taken > 100);
  CHECK(taken < std::size(texts));
}

TEST_CASE("address: one that is default-constructed is none") {
  const address none;
  CHECK(!none);
  CHECK(kinds_of(none).empty());
  CHECK(none.to_string() == "invalid IP");
  CHECK(none.unmap() == none);
  CHECK(none.with_zone("eth0") == none);
  CHECK(none != parsed("0.0.0.0"));
  CHECK(none != parsed("::"));
  CHECK(none.v6_bytes() == std::array<std::uint8_t, 16>{});
  CHECK(panic_text([&] { none.v4_bytes(); }) == "As4 called on IP zero value");
}

TEST_CASE("address: is made of bytes and gives them back") {
  //! [address]
  const address v4 = address::from_v4({192, 0, 2, 1});
  CHECK(v4.to_string() == "192.0.2.1");
  CHECK(v4 == address::parse("192.0.2.1").value());
  CHECK(v4 != address::parse("::ffff:192.0.2.1").value());
  CHECK(v4 == address::parse("::ffff:192.0.2.1")->unmap());
  //! [address]
  CHECK(v4.v4_bytes() == std::array<std::uint8_t, 4>{192, 0, 2, 1});
  CHECK(address::from_v6(v4.v6_bytes()).to_string() == "::ffff:192.0.2.1");
  CHECK(address::from_v6(v4.v6_bytes()).v4_bytes() == v4.v4_bytes());

  const address v6 =
      address::from_v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "eth0");
  CHECK(v6.to_string() == "fe80::1%eth0");
  CHECK(panic_text([&] { v6.v4_bytes(); }) == "As4 called on IPv6 address");

  CHECK(address::from_bytes("\x01\x02\x03\x04").value() == parsed("1.2.3.4"));
  CHECK(address::from_bytes(v6.v6_bytes()).value() == parsed("fe80::1"));
  for (const std::size_t size : {0U, 3U, 5U, 15U, 17U}) {
    const std::vector<std::byte> bytes(size);
    CHECK(address::from_bytes(bytes).error() == std::errc::invalid_argument);
  }
}

TEST_CASE("address: only IPv6 has zones") {
  CHECK(parsed("fe80::1").with_zone("eth0") == parsed("fe80::1%eth0"));
  CHECK(parsed("fe80::1%eth0").with_zone("") == parsed("fe80::1"));
  CHECK(parsed("fe80::1%eth0").zone() == "eth0");
  CHECK(parsed("1.2.3.4").with_zone("eth0") == parsed("1.2.3.4"));
  CHECK(parsed("::ffff:1.2.3.4%eth0").unmap().zone().empty());
}

TEST_CASE("address: the order is none, IPv4, IPv6, by number, then by zone") {
  const std::vector<address> ordered{address(),
                                     parsed("0.0.0.0"),
                                     parsed("1.2.3.4"),
                                     parsed("200.0.0.0"),
                                     parsed("::"),
                                     parsed("::1"),
                                     parsed("::ffff:1.2.3.4"),
                                     parsed("fe80::1"),
                                     parsed("fe80::1%a"),
                                     parsed("fe80::1%b"),
                                     parsed("fe80::2")};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK((ordered[i] <=> ordered[j]) == (i <=> j));
      CHECK((ordered[i] == ordered[j]) == (i == j));
    }
  }
}

TEST_CASE("address: is a key, and prints to streams") {
  std::unordered_set<address> seen;
  for (const char* text : {"1.2.3.4", "::ffff:1.2.3.4", "fe80::1", "fe80::1%a", "1.2.3.4"}) {
    seen.insert(parsed(text));
  }
  CHECK(seen.size() == 4);
  CHECK(seen.contains(parsed("fe80::1%a")));
  const std::hash<address> hash;
  CHECK(hash(parsed("1.2.3.4")) == hash(parsed("::ffff:1.2.3.4").unmap()));
  CHECK(hash(parsed("1.2.3.4")) != hash(parsed("::ffff:1.2.3.4")));
  std::ostringstream stream;
  stream << parsed("FE80::1%eth0");
  CHECK(stream.str() == "fe80::1%eth0");
}

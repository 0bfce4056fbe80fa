#include <ringo/net/address.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <ostream>
#include <system_error>
#include <utility>

#include <ringo/error.hpp>

namespace ringo::net {
namespace {

using v4_array = std::array<std::uint8_t, 4>;
using v6_array = std::array<std::uint8_t, 16>;

constexpr v6_array v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t v4_at = 12;
constexpr std::string_view decimal_digits = "0123456789";
constexpr std::string_view hex_digits = "0123456789abcdefABCDEF";

/// How many characters at the beginning of `text` are of `set`.
std::size_t count_leading(std::string_view text, std::string_view set) {
  return std::min(text.find_first_not_of(set), text.size());
}

unsigned hex_value(char digit) {
  if (digit <= '9') return static_cast<unsigned>(digit - '0');
  return static_cast<unsigned>((digit | 0x20) - 'a') + 10;
}

std::optional<v4_array> parse_v4(std::string_view text) {
  v4_array bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) {
      if (!text.starts_with('.')) return {};
      text.remove_prefix(1);
    }
    const std::size_t digits = count_leading(text, decimal_digits);
    // Leading zeros mean octal numbers to some readers of addresses, and decimal ones to others.
    if (digits == 0 || digits > 3 || (digits > 1 && text.front() == '0')) return {};
    unsigned value = 0;
    for (const char digit : text.substr(0, digits)) value = value * 10 + hex_value(digit);
    if (value > 0xff) return {};
    bytes[i] = static_cast<std::uint8_t>(value);
    text.remove_prefix(digits);
  }
  if (!text.empty()) return {};
  return bytes;
}

/// What parse_v6() has read: the bytes so far, and before which of them "::" stood.
struct v6_reader {
  v6_array bytes{};
  std::size_t filled = 0;
  std::optional<std::size_t> gap;

  bool add(unsigned group) {
    if (filled + 2 > bytes.size()) return false;
    bytes[filled++] = static_cast<std::uint8_t>(group >> 8);
    bytes[filled++] = static_cast<std::uint8_t>(group & 0xff);
    return true;
  }

  bool add_v4(std::string_view text) {
    const auto tail = parse_v4(text);
    if (!tail || filled + tail->size() > bytes.size()) return false;
    std::copy(tail->begin(), tail->end(), bytes.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += tail->size();
    return true;
  }

  /// Takes one group, and the colons behind it, off `text`.
  bool add_leading(std::string_view& text) {
    const std::size_t digits = count_leading(text, hex_digits);
    if (digits == 0 || digits > 4) return false;
    unsigned group = 0;
    for (const char digit : text.substr(0, digits)) group = group << 4 | hex_value(digit);
    text.remove_prefix(digits);
    if (!add(group)) return false;
    if (text.empty()) return true;
    if (text.starts_with("::")) {
      if (gap) return false;
      gap = filled;
      text.remove_prefix(2);
      return true;
    }
    if (text.front() != ':' || text.size() == 1) return false;
    text.remove_prefix(1);
    return true;
  }

  std::optional<v6_array> finish() {
    // "::" stands for one group of zeros at least.
    if (gap.has_value() == (filled == bytes.size())) return {};
    if (gap) {
      const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(*gap);
      std::rotate(from, bytes.begin() + static_cast<std::ptrdiff_t>(filled), bytes.end());
    }
    return bytes;
  }
};

/// `text` has no zone.
std::optional<v6_array> parse_v6(std::string_view text) {
  v6_reader read;
  if (text.starts_with("::")) {
    read.gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    const std::size_t digits = count_leading(text, hex_digits);
    if (digits < text.size() && text[digits] == '.') {
      if (!read.add_v4(text)) return {};
      break;
    }
    if (!read.add_leading(text)) return {};
  }
  return read.finish();
}

void append_v4(std::string& to, const v6_array& bytes) {
  for (std::size_t i = v4_at; i < bytes.size(); ++i) {
    if (i != v4_at) to += '.';
    to += std::to_string(bytes[i]);
  }
}

unsigned group_at(const v6_array& bytes, std::size_t group) {
  return static_cast<unsigned>(bytes[2 * group] << 8 | bytes[2 * group + 1]);
}

/// Where the longest run of two or more groups of zeros begins, the first of several; its length,
/// or 0: there is none.
std::pair<std::size_t, std::size_t> longest_zeros(const v6_array& bytes) {
  std::pair<std::size_t, std::size_t> longest{0, 0};
  std::size_t run = 0;
  for (std::size_t group = 0; group < 8; ++group) {
    run = group_at(bytes, group) == 0 ? run + 1 : 0;
    if (run >= 2 && run > longest.second) longest = {group + 1 - run, run};
  }
  return longest;
}

void append_v6(std::string& to, const v6_array& bytes) {
  const auto [zeros_at, zeros] = longest_zeros(bytes);
  for (std::size_t group = 0; group < 8; ++group) {
    if (zeros != 0 && group == zeros_at) {
      to += "::";
      group += zeros - 1;
      continue;
    }
    if (group != 0 && to.back() != ':') to += ':';
    const unsigned value = group_at(bytes, group);
    int shift = 12;
    while (shift > 0 && value >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) to += hex_digits[value >> shift & 0xf];
  }
}

}  // namespace

address address::from_v4(const v4_array& bytes) noexcept {
  address made;
  made.family_ = family::v4;
  made.bytes_ = v4_prefix;
  std::copy(bytes.begin(), bytes.end(), made.bytes_.begin() + v4_at);
  return made;
}

address address::from_v6(const v6_array& bytes, std::string zone) noexcept {
  address made;
  made.family_ = family::v6;
  made.bytes_ = bytes;
  made.zone_ = std::move(zone);
  return made;
}

result<address> address::from_bytes(io::const_buffer bytes) {
  if (bytes.size() == 4) {
    v4_array v4{};
    std::memcpy(v4.data(), bytes.data(), v4.size());
    return from_v4(v4);
  }
  if (bytes.size() == 16) {
    v6_array v6{};
    std::memcpy(v6.data(), bytes.data(), v6.size());
    return from_v6(v6);
  }
  return std::make_error_code(std::errc::invalid_argument);
}

result<address> address::parse(std::string_view text) {
  const auto invalid = std::make_error_code(std::errc::invalid_argument);
  const std::size_t first = text.find_first_of(".:%");
  if (first == std::string_view::npos || text[first] == '%') return invalid;
  if (text[first] == '.') {
    if (const auto v4 = parse_v4(text)) return from_v4(*v4);
    return invalid;
  }
  std::string_view zone;
  if (const std::size_t percent = text.find('%'); percent != std::string_view::npos) {
    zone = text.substr(percent + 1);
    if (zone.empty()) return invalid;
    text = text.substr(0, percent);
  }
  if (const auto v6 = parse_v6(text)) return from_v6(*v6, std::string(zone));
  return invalid;
}

std::string address::to_string() const {
  if (!*this) return "invalid IP";
  std::string text;
  if (is_v4()) {
    append_v4(text, bytes_);
    return text;
  }
  if (is_4in6()) {
    text = "::ffff:";
    append_v4(text, bytes_);
  } else {
    append_v6(text, bytes_);
  }
  if (!zone_.empty()) text.append("%").append(zone_);
  return text;
}

bool address::has_v4_prefix() const noexcept {
  return std::equal(bytes_.begin(), bytes_.begin() + v4_at, v4_prefix.begin());
}

bool address::is_4in6() const noexcept {
  return is_v6() && has_v4_prefix();
}

address address::unmap() const {
  return is_4in6() ? from_v4(v4_bytes()) : *this;
}

address address::with_zone(std::string zone) const {
  return is_v6() ? from_v6(bytes_, std::move(zone)) : *this;
}

v4_array address::v4_bytes() const {
  if (!*this) detail::panic("As4 called on IP zero value");
  if (!holds_v4()) detail::panic("As4 called on IPv6 address");
  v4_array bytes{};
  std::copy(bytes_.begin() + v4_at, bytes_.end(), bytes.begin());
  return bytes;
}

bool address::is_unspecified() const noexcept {
  const std::size_t from = is_v4() ? v4_at : 0;
  return *this && zone_.empty() &&
         std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(from),
                     bytes_.end(),
                     [](std::uint8_t byte) { return byte == 0; });
}

bool address::is_loopback() const noexcept {
  if (holds_v4()) return bytes_[v4_at] == 127;
  constexpr v6_array loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return is_v6() && bytes_ == loopback;
}

bool address::is_private() const noexcept {
  if (holds_v4()) {
    const unsigned first = bytes_[v4_at];
    const unsigned second = bytes_[v4_at + 1];
    return first == 10 || (first == 172 && (second & 0xf0U) == 16) ||
           (first == 192 && second == 168);
  }
  return is_v6() && (bytes_[0] & 0xfeU) == 0xfc;
}

bool address::is_multicast() const noexcept {
  if (holds_v4()) return (bytes_[v4_at] & 0xf0U) == 0xe0;
  return is_v6() && bytes_[0] == 0xff;
}

bool address::is_interface_local_multicast() const noexcept {
  return is_v6() && bytes_[0] == 0xff && (bytes_[1] & 0x0fU) == 1;
}

bool address::is_link_local_multicast() const noexcept {
  if (holds_v4()) {
    return bytes_[v4_at] == 224 && bytes_[v4_at + 1] == 0 && bytes_[v4_at + 2] == 0;
  }
  return is_v6() && bytes_[0] == 0xff && (bytes_[1] & 0x0fU) == 2;
}

bool address::is_link_local_unicast() const noexcept {
  if (holds_v4()) return bytes_[v4_at] == 169 && bytes_[v4_at + 1] == 254;
  return is_v6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80;
}

bool address::is_global_unicast() const noexcept {
  if (!*this || is_unspecified() || is_loopback() || is_multicast() || is_link_local_unicast()) {
    return false;
  }
  if (!holds_v4()) return true;
  const auto is = [this](std::uint8_t each) {
    return std::all_of(bytes_.begin() + v4_at, bytes_.end(), [each](auto b) { return b == each; });
  };
  return !is(0) && !is(0xff);
}

std::strong_ordering operator<=>(const address& a, const address& b) noexcept {
  if (const auto order = a.family_ <=> b.family_; order != 0) return order;
  if (const int order = std::memcmp(a.bytes_.data(), b.bytes_.data(), a.bytes_.size())) {
    return order <=> 0;
  }
  return a.zone_.compare(b.zone_) <=> 0;
}

std::ostream& operator<<(std::ostream& to, const address& from) {
  return to << from.to_string();
}

}  // namespace ringo::net

std::size_t std::hash<ringo::net::address>::operator()(
    const ringo::net::address& of) const noexcept {
  const std::string_view bytes(reinterpret_cast<const char*>(of.bytes_.data()), of.bytes_.size());
  const std::size_t numbers = std::hash<std::string_view>()(bytes);
  // An IPv4 address and the IPv6 address that holds it have the same bytes.
  const std::size_t rest =
      std::hash<std::string>()(of.zone_) + static_cast<std::size_t>(of.family_);
  return numbers ^ (rest * 0x9E3779B97F4A7C15ULL);
}

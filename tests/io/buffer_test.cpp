#include <ringo/io/buffer.hpp>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace {

std::size_t size_of(ringo::io::const_buffer from) {
  return from.size();
}
std::size_t room_of(ringo::io::buffer to) {
  return to.size();
}
std::size_t count_of(std::span<const ringo::io::const_buffer> parts) {
  return parts.size();
}

}  // namespace

TEST_CASE("buffer: is made from all that holds bytes") {
  std::string text = "abc";
  std::vector<std::byte> bytes(5);
  std::array<char, 7> chars{};
  char c_array[9] = {};  // NOLINT: what users have
  CHECK(room_of(text) == 3);
  CHECK(room_of(bytes) == 5);
  CHECK(room_of(chars) == 7);
  CHECK(room_of(c_array) == 9);
  CHECK(room_of(std::span(c_array).subspan(2)) == 7);
  static_assert(!std::is_convertible_v<const std::string&, ringo::io::buffer>);
  static_assert(!std::is_convertible_v<std::string, ringo::io::buffer>, "it would dangle");
  static_assert(!std::is_convertible_v<std::vector<int>&, ringo::io::buffer>);
}

TEST_CASE("const_buffer: is made from all that holds bytes, and from text") {
  const std::string text = "ab";
  const std::vector<unsigned char> bytes(4);
  CHECK(size_of("hello") == 5);
  CHECK(size_of("") == 0);
  CHECK(size_of(text) == 2);
  CHECK(size_of(std::string_view("xyz")) == 3);
  CHECK(size_of(bytes) == 4);
  CHECK(size_of(std::as_bytes(std::span(bytes))) == 4);
  const char full[3] = {'a', 'b', 'c'};  // NOLINT: without a zero at its end
  CHECK(size_of(full) == 3);
  std::array<char, 6> chars{};
  CHECK(size_of(ringo::io::buffer(chars)) == 6);
  const std::array<ringo::io::const_buffer, 2> parts{"a", text};
  CHECK(count_of(parts) == 2);
  static_assert(!std::is_convertible_v<std::vector<int>&, ringo::io::const_buffer>);
}

#include <doctest/doctest.h>

#include <memory>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

#include <ringo/error.hpp>
#include <ringo/result.hpp>

using ringo::errc;
using ringo::result;

namespace {

result<int> half_of(int number) {
  if (number % 2 != 0) return std::make_error_code(std::errc::invalid_argument);
  return number / 2;
}

result<std::string> closed() {
  return errc::closed;
}

}  // namespace

TEST_CASE("result: holds a value or an error, never both") {
  const auto good = half_of(8);
  CHECK(good);
  CHECK(good.has_value());
  CHECK(*good == 4);
  CHECK(good.value() == 4);
  CHECK(!good.error());
  const auto bad = half_of(3);
  CHECK(!bad);
  CHECK(bad.error() == std::errc::invalid_argument);
  CHECK(closed().error() == errc::closed);
}

TEST_CASE("result: value() of an error throws it, value_or() replaces it") {
  CHECK_THROWS_AS(static_cast<void>(half_of(3).value()), std::system_error);
  CHECK(half_of(3).value_or(7) == 7);
  CHECK(half_of(4).value_or(7) == 2);
  try {
    static_cast<void>(closed().value());
    CHECK(false);
  } catch (const std::system_error& error) {
    CHECK(error.code() == errc::closed);
  }
}

TEST_CASE("result: works for types that only move") {
  result<std::unique_ptr<int>> owned = std::make_unique<int>(5);
  CHECK(*owned->get() == 5);
  const std::unique_ptr<int> taken = *std::move(owned);
  CHECK(*taken == 5);
  result<std::string> text = std::string("abc");
  text->push_back('d');
  CHECK(std::move(text).value_or("") == "abcd");
}

TEST_CASE("result: every way to read it gives the same object") {
  result<std::string> one = std::string("value");
  CHECK(&*one == &one.value());
  CHECK(one->size() == 5);
  one->push_back('!');
  (*one)[0] = 'V';
  const result<std::string>& same = one;
  CHECK(*same == "Value!");
  CHECK(same->size() == 6);
  CHECK(&same.value() == &*one);
  const std::string& still_there = *std::move(one);  // moves only when something takes it
  CHECK(still_there == "Value!");
  const std::string taken = std::move(one).value();
  CHECK(taken == "Value!");
}

TEST_CASE("result: value_or converts, and moves out of a temporary") {
  CHECK(result<std::string>(errc::eof).value_or("other") == "other");
  CHECK(result<long>(errc::eof).value_or(7) == 7);
  CHECK(result<std::string>(std::string("mine")).value_or("other") == "mine");
  const result<int> good = 3;
  CHECK(good.value_or(4) == 3);
  CHECK(*result<std::unique_ptr<int>>(std::make_unique<int>(5)).value_or(nullptr) == 5);
}

TEST_CASE("result: copies, moves and assigns, from value to error and back") {
  result<std::string> one = std::string("first");
  const result<std::string> copy = one;
  one = errc::closed;
  CHECK(!one);
  CHECK(one.error() == errc::closed);
  CHECK(*copy == "first");
  one = copy;
  CHECK(*one == "first");
  result<std::string> moved = std::move(one);
  CHECK(*moved == "first");
  moved = std::make_error_code(std::errc::timed_out);
  CHECK(moved.error() == std::errc::timed_out);
}

TEST_CASE("result: value() of an error throws a system_error with the code") {
  try {
    static_cast<void>(closed().value());
    FAIL("no exception");
  } catch (const std::system_error& error) {
    CHECK(error.code() == errc::closed);
  }
}

TEST_CASE("result: types that convert to bool or from errors stay themselves") {
  const result<bool> no = false;
  CHECK(no.has_value());
  CHECK_FALSE(*no);
  const result<int> zero = 0;
  CHECK(static_cast<bool>(zero));
  static_assert(!std::is_convertible_v<result<int>, bool>);
  static_assert(std::is_same_v<result<int>::value_type, int>);
  static_assert(std::is_same_v<result<int>::error_type, std::error_code>);
  static_assert(std::is_convertible_v<errc, result<int>>);
  static_assert(std::is_convertible_v<std::error_code, result<int>>);
  static_assert(std::is_convertible_v<const char*, result<std::string>>);
}

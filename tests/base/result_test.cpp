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

result<std::string> closed() { return errc::closed; }

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

#include <ringo/detail/closure.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

using ringo::detail::closure;

namespace {

struct counts {
  int alive = 0;
  int copies = 0;
  int calls = 0;
  bool inside = false;
};

/// A callable of a given size that knows whether it lies inside the closure.
template <std::size_t Size, std::size_t Alignment = alignof(void*)>
class callable {
 public:
  callable(counts& book, const closure& home) : book_(&book), home_(&home) { ++book_->alive; }
  callable(const callable& other) : book_(other.book_), home_(other.home_) {
    ++book_->alive;
    ++book_->copies;
  }
  callable(callable&& other) noexcept : book_(other.book_), home_(other.home_) { ++book_->alive; }
  callable& operator=(const callable&) = delete;
  callable& operator=(callable&&) = delete;
  ~callable() { --book_->alive; }
  void operator()() {
    ++book_->calls;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    const auto home = reinterpret_cast<std::uintptr_t>(home_);
    book_->inside = self >= home && self < home + sizeof(closure);
    if (self % Alignment != 0) throw std::logic_error("misaligned");
  }

 private:
  counts* book_;
  const closure* home_;
  alignas(Alignment) std::array<std::byte, Size - 2 * sizeof(void*)> padding_{};
};

template <typename Callable>
counts use() {
  counts book;
  closure one;
  one.emplace(Callable(book, one));
  CHECK(book.alive == 1);
  one();
  CHECK(book.alive == 1);
  one.destroy();
  CHECK(book.alive == 0);
  CHECK(book.calls == 1);
  CHECK(book.copies == 0);
  return book;
}

}  // namespace

TEST_CASE("closure: what fits lies inside, what does not on the heap") {
  CHECK(use<callable<24>>().inside);
  CHECK(use<callable<closure::inline_size>>().inside);
  CHECK_FALSE(use<callable<closure::inline_size + sizeof(void*)>>().inside);
  CHECK_FALSE(use<callable<10'000>>().inside);
  use<callable<64, 64>>();  // overaligned: wherever it fits its alignment
}

TEST_CASE("closure: takes lvalues by copy") {
  counts book;
  closure one;
  {
    const callable<24> original(book, one);
    one.emplace(original);
    CHECK(book.copies == 1);
    CHECK(book.alive == 2);
  }
  one();
  one.destroy();
  CHECK(book.alive == 0);
}

TEST_CASE("closure: takes move-only callables, functions and std::function") {
  int result = 0;
  closure one;
  one.emplace([owned = std::make_unique<int>(5), &result] { result = *owned; });
  one();
  CHECK(result == 5);
  one.destroy();

  static int calls = 0;
  calls = 0;
  one.emplace(+[] { ++calls; });
  one();
  one.destroy();
  CHECK(calls == 1);

  const std::function<void()> function = [&result] { result = 7; };
  one.emplace(function);
  one();
  one.destroy();
  CHECK(result == 7);
}

TEST_CASE("closure: may be used again after destroy, and exceptions pass") {
  counts book;
  closure one;
  for (int i = 0; i < 10; ++i) {
    one.emplace(callable<200>(book, one));
    one();
    one.destroy();
    one.emplace([] { throw std::runtime_error("out"); });
    CHECK_THROWS_AS(one(), std::runtime_error);
    one.destroy();
  }
  CHECK(book.alive == 0);
  CHECK(book.calls == 10);
}

TEST_CASE("closure: destroyed without being called, it leaks nothing") {
  counts book;
  closure one;
  one.emplace(callable<24>(book, one));
  one.destroy();
  one.emplace(callable<500>(book, one));
  one.destroy();
  CHECK(book.alive == 0);
  CHECK(book.calls == 0);
}

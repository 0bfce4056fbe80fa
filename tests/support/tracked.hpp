#pragma once

#include <atomic>
#include <utility>

#include "expect.hpp"

namespace ringo::test {

/// What became of the `tracked` values that name this ledger. It must outlive them.
struct ledger {
  std::atomic<int> live{0};    // constructed, not yet destroyed; moved-from ones too
  std::atomic<int> values{0};  // of these, the ones that still hold their value
  std::atomic<int> copies{0};
};

/// An element type that tells of copies, leaks and double destruction. Moving takes the value
/// along.
class tracked {
 public:
  tracked(ledger& book, int value) : book_(&book), value_(value) {
    ++book_->live;
    ++book_->values;
  }
  tracked(const tracked& other) : book_(other.book_), value_(other.value_), full_(other.full_) {
    ++book_->live;
    if (full_) ++book_->values;
    ++book_->copies;
  }
  tracked(tracked&& other) noexcept
      : book_(other.book_), value_(other.value_), full_(std::exchange(other.full_, false)) {
    ++book_->live;
  }
  tracked& operator=(tracked other) noexcept {
    std::swap(book_, other.book_);
    std::swap(value_, other.value_);
    std::swap(full_, other.full_);
    return *this;
  }
  ~tracked() {
    EXPECT(alive_ == alive_mark);
    alive_ = 0;
    --book_->live;
    if (full_) --book_->values;
  }

  int value() const { return value_; }
  bool holds_value() const { return full_; }

 private:
  static constexpr unsigned alive_mark = 0x5eedf00d;

  ledger* book_;
  int value_;
  bool full_ = true;
  unsigned alive_ = alive_mark;
};

}  // namespace ringo::test

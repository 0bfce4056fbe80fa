#pragma once

// Streams whose every step a test has written down.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/stream.hpp>

namespace ringo::test {

/// What one read gives: bytes (of which the next read gets what does not fit), or an error.
struct read_step {
  read_step(const char* text) : bytes(text) {}                  // NOLINT: a table of them
  read_step(std::string text) : bytes(std::move(text)) {}       // NOLINT: as above
  read_step(std::error_code failure) : error(failure) {}        // NOLINT: as above
  read_step(errc failure) : error(make_error_code(failure)) {}  // NOLINT: as above

  std::string bytes;
  std::error_code error;
};

/// Plays the steps, then reports the end of the stream for ever.
class scripted_reader {
 public:
  scripted_reader(std::initializer_list<read_step> steps) : steps_(steps) {}
  explicit scripted_reader(std::vector<read_step> steps) : steps_(steps.begin(), steps.end()) {}

  result<std::size_t> read(io::buffer into) {
    ++reads_;
    largest_ = std::max(largest_, into.size());
    if (steps_.empty()) return errc::eof;
    read_step& step = steps_.front();
    if (step.error) {
      const std::error_code error = step.error;
      steps_.pop_front();
      return error;
    }
    const std::size_t count = std::min(into.size(), step.bytes.size());
    std::copy_n(reinterpret_cast<const std::byte*>(step.bytes.data()), count, into.data());
    step.bytes.erase(0, count);
    if (step.bytes.empty()) steps_.pop_front();
    return count;
  }
  result<std::size_t> read(const context& ctx, io::buffer into) {
    if (const auto given_up = ctx.err()) return given_up;
    return read(into);
  }

  std::size_t reads() const { return reads_; }
  /// The largest buffer it was ever given.
  std::size_t largest() const { return largest_; }
  /// Steps that nobody has read.
  std::size_t left() const { return steps_.size(); }

 private:
  std::deque<read_step> steps_;
  std::size_t reads_ = 0;
  std::size_t largest_ = 0;
};

/// Keeps what is written, each write for itself, and fails after `room` bytes.
class recording_writer {
 public:
  explicit recording_writer(std::size_t room = std::numeric_limits<std::size_t>::max(),
                            std::error_code failure = make_error_code(std::errc::broken_pipe))
      : room_(room), failure_(failure) {}

  std::error_code write(io::const_buffer bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::size_t count = std::min(room_, text.size());
    room_ -= count;
    writes_.emplace_back(text.substr(0, count));
    return count < text.size() ? failure_ : std::error_code{};
  }
  std::error_code write(const context& ctx, io::const_buffer bytes) {
    if (const auto given_up = ctx.err()) return given_up;
    return write(bytes);
  }

  const std::vector<std::string>& writes() const { return writes_; }
  std::string text() const {
    std::string all;
    for (const std::string& one : writes_) all += one;
    return all;
  }
  void make_room(std::size_t room) { room_ = room; }

 private:
  std::vector<std::string> writes_;
  std::size_t room_;
  std::error_code failure_;
};

inline context done_context() {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  return ctx;
}

}  // namespace ringo::test

#include <ringo/io/memory_pipe.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <utility>

#include <ringo/context.hpp>
#include <ringo/detail/bubble_id.hpp>
#include <ringo/error.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/time/now.hpp>

/// Two directions under one lock. In each:
///
/// - A writer waits for its turn, then offers its bytes and waits until they are taken. Readers
///   copy from the offer under the lock; so a writer that gives up takes the offer back under the
///   lock, and nobody touches its memory any more.
/// - Everybody waits in a condition variable and looks again at all that could end his wait. A
///   deadline is a number that is compared with the clock; the timer only makes the waiter look, so
///   that a timer of an earlier deadline does no harm. Setting one wakes all who follow it.
/// - Of those who want an offer, or the turn, one is woken. A context that ends his wait has taken
///   no notification, and all other reasons to fail he shares with those behind him, who are woken
///   for them too; so none is lost. Who leaves a part of an offer wakes the next reader.
/// - What was taken is written, whatever else has happened before its writer looks.

namespace ringo::io {
namespace detail {
namespace {

using time_point = std::chrono::steady_clock::time_point;
using guard = std::unique_lock<mutex>;

struct direction {
  condition_variable readers;  // wait for an offer
  condition_variable writers;  // wait for their turn
  condition_variable taken;    // the writer whose turn it is
  // Guarded by the pipe's lock:
  const_buffer offer;             // what is left to take of it; empty: there is none
  bool busy = false;              // it is some writer's turn
  bool content_with_one = false;  // that one offers to one reader only
  std::size_t count = 0;          // how much of the last offer was taken
  time_point read_deadline = time_point::max();
  time_point write_deadline = time_point::max();
  std::error_code read_end;   // empty: open; else what reads end with
  std::error_code write_end;  // the same for writes

  void wake_all() noexcept {
    readers.notify_all();
    writers.notify_all();
    taken.notify_all();
  }
};

bool has_passed(time_point deadline) noexcept {
  return deadline != time_point::max() && deadline <= now();
}

/// Until notified, the deadline, or the context; only the last is told.
std::error_code sleep(condition_variable& on,
                      guard& lock,
                      const context* ctx,
                      time_point deadline) {
  if (deadline == time_point::max()) {
    if (ctx != nullptr) return on.wait(*ctx, lock);
    on.wait(lock);
    return {};
  }
  const auto limited = with_deadline(ctx != nullptr ? *ctx : background(), deadline);
  if (!on.wait(limited.ctx, lock)) return {};
  return ctx != nullptr ? ctx->err() : std::error_code{};
}

/// As a socket would.
std::error_code broken() noexcept {
  return {static_cast<int>(std::errc::broken_pipe), std::system_category()};
}

}  // namespace

/// What both ends share.
struct memory_core {
  mutex lock;
  std::array<direction, 2> directions;  // the end of that number reads from it
  const ringo::detail::bubble_id group = ringo::detail::current_bubble();
};

class memory_end {
 public:
  memory_end(std::shared_ptr<memory_core> core, std::size_t number) noexcept
      : core_(std::move(core)),
        in_(core_->directions[number]),
        out_(core_->directions[1 - number]) {}
  memory_end(const memory_end&) = delete;
  memory_end& operator=(const memory_end&) = delete;
  ~memory_end() {
    // What a bubble has left behind is not woken from outside.
    if (core_->group == 0 || core_->group == ringo::detail::current_bubble()) {
      (void)close_in_turn(errc::eof, broken());
    }
  }

  result<std::size_t> read(const context* ctx, buffer into);
  result<std::size_t> write(const context* ctx, std::span<const const_buffer> pieces, bool some);
  std::error_code set_deadlines(const time_point* reads, const time_point* writes);
  std::error_code close_write();
  std::error_code close(std::error_code for_reads, std::error_code for_writes) {
    enter(nullptr);
    return close_in_turn(for_reads, for_writes);
  }

 private:
  const std::shared_ptr<memory_core> core_;
  direction& in_;
  direction& out_;
  bool closed_ = false;  // guarded by the pipe's lock

  class turn;

  /// What each call begins with.
  std::error_code enter(const context* ctx) const {
    if (core_->group != 0) ringo::detail::check_bubble(core_->group, "memory_pipe");
    return ctx != nullptr ? ctx->err() : std::error_code{};
  }
  std::error_code close_in_turn(std::error_code for_reads, std::error_code for_writes);
  std::error_code read_error() const;
  std::error_code write_error() const;
  std::size_t take(buffer into);
  std::error_code wait_until_taken(guard& lock, const context* ctx);
};

std::error_code memory_end::read_error() const {
  if (in_.read_end) return in_.read_end;
  return has_passed(in_.read_deadline) ? errc::deadline_exceeded : std::error_code{};
}

std::error_code memory_end::write_error() const {
  if (out_.write_end) return out_.write_end;
  return has_passed(out_.write_deadline) ? errc::deadline_exceeded : std::error_code{};
}

/// Of what is offered.
std::size_t memory_end::take(buffer into) {
  const const_buffer from = in_.offer;
  const std::size_t count = std::min(into.size(), from.size());
  std::memcpy(into.data(), from.data(), count);
  in_.count += count;
  in_.offer = in_.content_with_one ? const_buffer()
                                   : const_buffer(from.data() + count, from.size() - count);
  (in_.offer.empty() ? in_.taken : in_.readers).notify_one();
  return count;
}

result<std::size_t> memory_end::read(const context* ctx, buffer into) {
  if (const auto given_up = enter(ctx)) return given_up;
  guard lock(core_->lock);
  std::error_code error;
  while (!(error = read_error()) && !into.empty() && in_.offer.empty()) {
    if ((error = sleep(in_.readers, lock, ctx, in_.read_deadline))) break;
  }
  std::size_t count = 0;
  if (!error && !into.empty()) count = take(into);
  if (error) return error;
  return count;
}

/// A writer's turn; at its end nothing is offered any more.
class memory_end::turn {
 public:
  turn(direction& out, bool some) noexcept : out_(out) {
    out_.busy = true;
    out_.content_with_one = some;
    out_.count = 0;
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() {
    out_.offer = {};
    out_.busy = false;
    out_.writers.notify_one();
  }

 private:
  direction& out_;
};

std::error_code memory_end::wait_until_taken(guard& lock, const context* ctx) {
  for (;;) {
    const std::error_code given_up = sleep(out_.taken, lock, ctx, out_.write_deadline);
    if (out_.offer.empty()) return {};
    if (given_up) return given_up;
    if (const auto error = write_error()) return error;
  }
}

result<std::size_t> memory_end::write(const context* ctx,
                                      std::span<const const_buffer> pieces,
                                      bool some) {
  if (const auto given_up = enter(ctx)) return given_up;
  guard lock(core_->lock);
  const auto is_empty = [](const const_buffer& piece) { return piece.empty(); };
  const bool nothing = std::all_of(pieces.begin(), pieces.end(), is_empty);
  std::error_code error;
  while (!(error = write_error()) && !nothing && out_.busy) {
    if ((error = sleep(out_.writers, lock, ctx, out_.write_deadline))) break;
  }
  if (error) return error;
  if (nothing) return std::size_t{0};
  const turn mine(out_, some);
  for (const const_buffer& piece : pieces) {
    if (piece.empty()) continue;
    out_.offer = piece;
    out_.readers.notify_one();
    if ((error = wait_until_taken(lock, ctx))) return error;
  }
  return out_.count;
}

std::error_code memory_end::set_deadlines(const time_point* reads, const time_point* writes) {
  enter(nullptr);
  const guard lock(core_->lock);
  if (in_.read_end == errc::closed || in_.write_end == errc::closed) return errc::closed;
  if (reads != nullptr) {
    in_.read_deadline = *reads;
    in_.readers.notify_all();
  }
  if (writes != nullptr) {
    out_.write_deadline = *writes;
    out_.writers.notify_all();
    out_.taken.notify_all();
  }
  return {};
}

std::error_code memory_end::close_write() {
  enter(nullptr);
  const guard lock(core_->lock);
  if (closed_) return errc::closed;
  if (!out_.write_end) out_.write_end = broken();
  if (!out_.read_end) out_.read_end = errc::eof;
  out_.wake_all();
  return {};
}

std::error_code memory_end::close_in_turn(std::error_code for_reads, std::error_code for_writes) {
  const guard lock(core_->lock);
  if (std::exchange(closed_, true)) return errc::closed;
  in_.read_end = errc::closed;
  out_.write_end = errc::closed;
  if (!in_.write_end) in_.write_end = for_writes;
  if (!out_.read_end) out_.read_end = for_reads;
  in_.wake_all();
  out_.wake_all();
  return {};
}

}  // namespace detail

memory_conns memory_pipe() {
  const auto core = std::make_shared<detail::memory_core>();
  return {memory_conn(std::make_shared<detail::memory_end>(core, 0)),
          memory_conn(std::make_shared<detail::memory_end>(core, 1))};
}

namespace {

result<std::size_t> read_from(detail::memory_end* end, const context* ctx, buffer into) {
  if (end == nullptr) return errc::closed;
  return end->read(ctx, into);
}
result<std::size_t> write_some_to(detail::memory_end* end, const context* ctx, const_buffer bytes) {
  if (end == nullptr) return errc::closed;
  return end->write(ctx, {&bytes, 1}, true);
}
std::error_code write_to(detail::memory_end* end,
                         const context* ctx,
                         std::span<const const_buffer> pieces) {
  if (end == nullptr) return errc::closed;
  return end->write(ctx, pieces, false).error();
}

}  // namespace

result<std::size_t> memory_conn::read(buffer into) const {
  return read_from(end_.get(), nullptr, into);
}
result<std::size_t> memory_conn::read(const context& ctx, buffer into) const {
  return read_from(end_.get(), &ctx, into);
}
std::error_code memory_conn::write(const_buffer bytes) const {
  return write_to(end_.get(), nullptr, {&bytes, 1});
}
std::error_code memory_conn::write(const context& ctx, const_buffer bytes) const {
  return write_to(end_.get(), &ctx, {&bytes, 1});
}
std::error_code memory_conn::write(std::span<const const_buffer> pieces) const {
  return write_to(end_.get(), nullptr, pieces);
}
std::error_code memory_conn::write(const context& ctx, std::span<const const_buffer> pieces) const {
  return write_to(end_.get(), &ctx, pieces);
}
result<std::size_t> memory_conn::write_some(const_buffer bytes) const {
  return write_some_to(end_.get(), nullptr, bytes);
}
result<std::size_t> memory_conn::write_some(const context& ctx, const_buffer bytes) const {
  return write_some_to(end_.get(), &ctx, bytes);
}

std::error_code memory_conn::set_deadline(std::chrono::steady_clock::time_point at) const {
  return end_ == nullptr ? errc::closed : end_->set_deadlines(&at, &at);
}
std::error_code memory_conn::set_read_deadline(std::chrono::steady_clock::time_point at) const {
  return end_ == nullptr ? errc::closed : end_->set_deadlines(&at, nullptr);
}
std::error_code memory_conn::set_write_deadline(std::chrono::steady_clock::time_point at) const {
  return end_ == nullptr ? errc::closed : end_->set_deadlines(nullptr, &at);
}
std::error_code memory_conn::close_write() const {
  return end_ == nullptr ? errc::closed : end_->close_write();
}
std::error_code memory_conn::close() const {
  return close_with_error({});
}
std::error_code memory_conn::close_with_error(std::error_code error) const {
  if (end_ == nullptr) return errc::closed;
  return end_->close(error ? error : make_error_code(errc::eof), error ? error : detail::broken());
}

}  // namespace ringo::io

#include "io/kernel_copy.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>

#include <poll.h>
#include <unistd.h>

#include <ringo/blocking.hpp>

#include "io/io_turn.hpp"
#include "io/kept_meanwhile.hpp"
#include "io/kernel_calls.hpp"
#include "sched/current.hpp"
#include "source/pipe_pool.hpp"

namespace ringo::io::detail {

using ringo::detail::descriptor;
using ringo::detail::descriptor_kind;
using ringo::detail::direction;
using ringo::detail::io_outcome;
using ringo::detail::io_turn;
using ringo::detail::pipe_pool;
using ringo::detail::reason_of;
using ringo::detail::wait_patience;

namespace {

// At a time: so long at most nobody asks whether the copy was called off.
constexpr std::uint64_t step_max = std::uint64_t{4} << 20;
// Of what arrives, less than this is better read: see docs/decisions/0018-copying_in_the_kernel.md.
constexpr std::int64_t splice_worth_min = copy_buffer_size;
constexpr std::uint64_t file_worth_min = std::uint64_t{16} << 10;

std::size_t step_of(std::uint64_t left) noexcept {
  return static_cast<std::size_t>(std::min(left, step_max));
}

}  // namespace

class pipe_lease final : public ringo::detail::io_holder {
 public:
  pipe_lease() noexcept : pipe_(pipe_pool::instance().take()) {}
  ~pipe_lease() {
    if (!pipe_) return;
    // Other threads may still be here when the run is over.
    if (inside == 0 && ringo::detail::current_worker() != nullptr) {
      pipe_pool::instance().give_back(pipe_);
    } else {
      pipe_pool::close(pipe_);
    }
  }
  pipe_lease(const pipe_lease&) = delete;
  pipe_lease& operator=(const pipe_lease&) = delete;

  explicit operator bool() const noexcept { return static_cast<bool>(pipe_); }
  int reader() const noexcept { return pipe_.reader; }
  int writer() const noexcept { return pipe_.writer; }
  void give_back() noexcept override { pipe_pool::close(pipe_); }

  std::int64_t inside = 0;  // bytes

 private:
  ringo::detail::kernel_pipe pipe_;
};

kernel_copy::kernel_copy(const kernel_pair& ends) noexcept : ends_(ends) {
  if (ends.from.number == nullptr || ends.to.number == nullptr) {
    way_ = way::none;
  } else {
    due_ = ends.from.number->kind() == descriptor_kind::file;
  }
}

kernel_copy::way kernel_copy::find_way() const noexcept {
  const end_kind from = kind_of(*ends_.from.number);
  const end_kind to = kind_of(*ends_.to.number);
  if (from == end_kind::other || to == end_kind::other) return way::none;
  if (from == end_kind::file) {
    if (to == end_kind::socket) return way::send_file;
    return to == end_kind::file ? way::copy_range : way::none;
  }
  if (to == end_kind::file) return way::none;
  return from == end_kind::pipe || to == end_kind::pipe ? way::splice : way::through_pipe;
}

transfer kernel_copy::move(const writer_ref& rest, std::uint64_t limit) {
  due_ = false;
  if (ends_.from.left != nullptr) limit = std::min(limit, *ends_.from.left);
  if (ends_.from.number->kind() == descriptor_kind::file) {
    // And no more: told to send more than there is, sendfile(2) holds back the last segment.
    limit = std::min(limit, rest_of_file(*ends_.from.number));
    if (limit < file_worth_min) return {};
  }
  if (way_ == way::unknown) way_ = find_way();
  if (way_ == way::none) return {};
  return way_ == way::through_pipe ? move_through_pipe(rest, limit) : move_directly(limit);
}

transfer kernel_copy::move_directly(std::uint64_t limit) {
  transfer done;
  while (done.bytes < limit) {
    done.error = ends_.from.number->obstacle(direction::reading, ends_.stop);
    if (done.error) break;
    descriptor& to = *ends_.to.number;
    io_turn out(to, direction::writing, ends_.stop, reason_of(to, direction::writing));
    if (out.error()) return {done.bytes, out.error()};
    const io_outcome moved = move_once(out, step_of(limit - done.bytes));
    took(moved.count);
    done = {done.bytes + static_cast<std::uint64_t>(moved.count), moved.error};
    if (moved.count == 0 || (!from_file() && moved.count < splice_worth_min)) break;
  }
  return done;
}

/// 0 without an error: the loop is to go on.
io_outcome kernel_copy::move_once(io_turn& out, std::size_t size) {
  descriptor& from = *ends_.from.number;
  wait_patience patience;
  for (;;) {
    if (const auto error = out.begin_call()) return {0, error};
    {
      io_turn in(from, direction::reading, std::try_to_lock, reason_of(from, direction::reading));
      if (in.error()) return {};
      if (const auto error = in.begin_call()) return {0, error};
      const std::int64_t result = call(in, out, size);
      if (result >= 0) return {result, {}};
      if (result != -EAGAIN) return failed(result);
      if (!only_lacks_room(in.number(), out.number())) return {};
    }
    if (const auto error = out.wait_for(POLLOUT, patience, nullptr)) return {0, error};
  }
}

namespace {

struct both_turns final : ringo::detail::io_holder {
  io_turn& in;
  io_turn& out;

  both_turns(io_turn& first, io_turn& second) noexcept : in(first), out(second) {}
  void give_back() noexcept override {
    in.holder().give_back();
    out.holder().give_back();
  }
};

}  // namespace

std::int64_t kernel_copy::call(io_turn& in, io_turn& out, std::size_t size) const {
  const int from = in.number();
  const int to = out.number();
  if (way_ == way::splice) {
    const bool to_socket = ends_.to.number->is_socket();
    return splice_to(from, to, size, to_socket ? end_kind::socket : end_kind::pipe);
  }
  both_turns turns(in, out);
  const ringo::detail::kept_meanwhile kept(&turns);
  const ringo::detail::blocking_section section;
  return way_ == way::send_file ? send_file(from, to, size) : copy_range(from, to, size);
}

/// Of a call that has moved nothing: its error, or none, and the loop is to go on without us.
io_outcome kernel_copy::failed(std::int64_t result) noexcept {
  if (!is_refusal(result)) return ringo::detail::outcome_of(result);
  way_ = way::none;
  return {};
}

transfer kernel_copy::move_through_pipe(const writer_ref& rest, std::uint64_t limit) {
  transfer done;
  pipe_lease between;
  if (!between) way_ = way::none;
  while (way_ != way::none && done.bytes < limit) {
    const io_outcome filled = fill(between, step_of(limit - done.bytes));
    if (filled.count == 0) return {done.bytes, filled.error};
    const io_outcome emptied = empty(between, rest);
    done = {done.bytes + static_cast<std::uint64_t>(emptied.count), emptied.error};
    if (done.error || filled.count < splice_worth_min) break;
  }
  return done;
}

/// 0 without an error: the loop is to go on.
io_outcome kernel_copy::fill(pipe_lease& between, std::size_t size) {
  descriptor& from = *ends_.from.number;
  io_turn in(from, direction::reading, ends_.stop, reason_of(from, direction::reading));
  if (in.error()) return {0, in.error()};
  if (const auto error = in.begin_call()) return {0, error};
  const std::int64_t result = splice_to(in.number(), between.writer(), size, end_kind::pipe);
  if (result == -EAGAIN) return {};
  if (result < 0) return failed(result);
  took(result);
  between.inside = result;
  return {result, {}};
}

namespace {

/// To where nothing can be spliced to: by the loop's write.
io_outcome write_what_is_in(pipe_lease& between, const writer_ref& rest) {
  const std::unique_ptr<std::byte[]> room(new std::byte[copy_buffer_size]);
  io_outcome done;
  while (between.inside > 0) {
    const ssize_t count = ::read(between.reader(), room.get(), copy_buffer_size);
    if (count <= 0) return {done.count, std::make_error_code(std::errc::io_error)};  // never
    between.inside -= count;
    const transfer part = rest.write({room.get(), static_cast<std::size_t>(count)});
    done = {done.count + static_cast<std::int64_t>(part.bytes), part.error};
    if (done.error) break;
  }
  return done;
}

}  // namespace

io_outcome kernel_copy::empty(pipe_lease& between, const writer_ref& rest) {
  io_outcome done;
  {
    descriptor& to = *ends_.to.number;
    io_turn out(to, direction::writing, ends_.stop, reason_of(to, direction::writing));
    if (out.error()) return {0, out.error()};
    wait_patience patience;
    while (between.inside > 0) {
      if (const auto error = out.begin_call()) return {done.count, error};
      const auto size = static_cast<std::size_t>(between.inside);
      const auto result = splice_to(between.reader(), out.number(), size, end_kind::socket);
      if (result > 0) {
        done.count += result;
        between.inside -= result;
      } else if (result == -EAGAIN) {
        const auto error = out.wait_for(POLLOUT, patience, &between);
        if (error) return {done.count, error};
      } else {
        if (const auto error = failed(result).error) return {done.count, error};
        break;
      }
    }
  }
  if (between.inside == 0) return done;
  const io_outcome written = write_what_is_in(between, rest);
  return {done.count + written.count, written.error};
}

}  // namespace ringo::io::detail

#include "io/descriptor.hpp"

#include <cerrno>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "io/system_call.hpp"
#include "sched/bubble.hpp"
#include "sched/cancellation.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "source/poll_entry.hpp"

namespace ringo::detail {

descriptor::~descriptor() {
  if (!is_closed() && begin_use()) {
    uses_.fetch_or(closed);
    end_use();
  }
}

descriptor_kind kind_of_socket(int fd) noexcept {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0;
  return known && protocol == IPPROTO_TCP ? descriptor_kind::tcp : descriptor_kind::socket;
}

void retain(descriptor& d) noexcept {
  d.handles_.fetch_add(1, std::memory_order_relaxed);  // relaxed: the caller has a handle
}

void release(descriptor& d) noexcept {
  if (d.handles_.fetch_sub(1) == 1) delete &d;
}

bool descriptor::begin_use() noexcept {
  std::uint32_t seen = uses_.load(std::memory_order_relaxed);  // relaxed: the exchange decides
  do {
    if ((seen & closed) != 0) return false;
  } while (!uses_.compare_exchange_weak(seen, seen + use));
  return true;
}

void descriptor::end_use() noexcept {
  if (uses_.fetch_sub(use) == (use | closed)) finish();
}

/// The last use of a closed descriptor is over.
void descriptor::finish() noexcept {
  for (side& s : sides_) s.slot.retire();
  if (poll_entry* entry = entry_.exchange(nullptr)) drop_entry(*entry);
  if (!released_.load()) ::close(fd_);
  unused_.finish();
}

std::error_code descriptor::close_number(number then) {
  std::uint32_t seen = uses_.load();
  do {
    if ((seen & closed) != 0) return errc::closed;
  } while (!uses_.compare_exchange_weak(seen, (seen | closed) + use));
  released_.store(then == number::kept);  // this use comes before the last one's end
  for (side& s : sides_) s.slot.close();
  end_use();
  unused_.wait();
  return {};
}

std::error_code descriptor::close() {
  explore_point();
  return close_number(number::closed);
}

result<int> descriptor::release() {
  explore_point();
  if (const auto error = close_number(number::kept)) return error;
  return fd_;
}

std::error_code descriptor::obstacle(direction d, const cancellation* stop) const noexcept {
  if (is_closed()) return errc::closed;
  if (const auto code = code_if_done(stop)) return code;
  if (sides_[static_cast<std::size_t>(d)].slot.expired()) return errc::deadline_exceeded;
  return {};
}

std::error_code descriptor::set_deadline(direction d, time_point until) noexcept {
  if (!begin_use()) return errc::closed;
  sides_[static_cast<std::size_t>(d)].slot.move_deadline(real_time(until));
  end_use();
  return {};
}

/// Null: the engine here needs none.
poll_entry* descriptor::entry() {
  const worker* w = current_worker();
  if (w == nullptr || !w->source().needs_entry()) return nullptr;
  poll_entry* known = entry_.load();
  if (known != nullptr) return known;
  poll_entry* taken = take_poll_entry();
  if (entry_.compare_exchange_strong(known, taken)) return taken;
  give_back(*taken);
  return known;
}

namespace {

io_outcome outcome_of(std::int64_t result) noexcept {
  if (result >= 0) return {result, {}};
  return {0, {static_cast<int>(-result), std::system_category()}};
}

}  // namespace

namespace {

/// A fiber whose calls never have to wait (it accepts from a long queue, it copies to /dev/null)
/// would keep its worker from all others.
void give_way() noexcept {
  worker* const w = current_worker();
  if (w != nullptr && RINGO_UNLIKELY(w->calls_enough())) yield();
}

}  // namespace

io_turn::io_turn(descriptor& of, direction d, cancellation* stop, io_reason reason)
    : of_(of), side_(of.side_of(d)), stop_(stop), reason_(reason) {
  explore_point();
  give_way();
  if (stop != nullptr && (error_ = code_if_done(stop))) return;
  if (of.is_closed()) {
    error_ = errc::closed;
    return;
  }
  if (stop == nullptr) {
    side_.turn.lock();
  } else if ((error_ = side_.turn.lock_unless(stop))) {
    return;
  }
  begin_use();
}

io_turn::io_turn(descriptor& of, direction d, std::try_to_lock_t /*unused*/, io_reason reason)
    : of_(of), side_(of.sides_[static_cast<std::size_t>(d)]), stop_(nullptr), reason_(reason) {
  if (side_.turn.try_lock()) {
    begin_use();
  } else {
    error_ = std::make_error_code(std::errc::resource_unavailable_try_again);
  }
}

void io_turn::begin_use() noexcept {
  holds_ = of_.begin_use();
  if (RINGO_LIKELY(holds_)) return;
  side_.turn.unlock();
  error_ = errc::closed;
}

io_turn::~io_turn() {
  if (holds_) io_turn::give_back();
}

/// Not instrumented: reads another fiber's stack, which is at rest.
RINGO_NO_TSAN void io_turn::fetch() const noexcept {
  __builtin_prefetch(&of_, 1);
  for (const descriptor::side& s : of_.sides_) __builtin_prefetch(&s, 1);
}

void io_turn::give_back() noexcept {
  descriptor& of = of_;
  if (also_ != nullptr) also_->give_back();
  side_.turn.unlock();
  of.end_use();
}

std::error_code io_turn::obstacle() const noexcept {
  return of_.obstacle(way(), stop_);
}

/// obstacle() would find none.
inline bool io_turn::is_clear() const noexcept {
  // relaxed: looked at anew by who waits
  const time_point until = side_.slot.deadline.load(std::memory_order_relaxed);
  return stop_ == nullptr && until == never && !of_.is_closed();
}

std::error_code io_turn::begin_call() noexcept {
  if (way() == direction::reading) of_.drained_ = false;
  return obstacle();
}

std::error_code io_turn::wait_for(std::uint32_t events, wait_patience& patience, io_holder* also) {
  if (const auto error = obstacle()) return error;
  operation readiness;
  readiness.fd = of_.fd_;
  readiness.events = events;
  also_ = also;
  const std::int64_t result = wait(readiness);
  also_ = nullptr;
  if (result >= 0 || patience.again(result, this)) return {};
  return outcome_of(result).error;
}

/// With epoll an edge that has come since the last try says that it is worth it. Whether a short
/// read has emptied a socket is sure of TCP alone, but behind urgent data (see
/// poll_entry::hung_up): others keep messages apart, or what came with a descriptor.
bool io_turn::would_wait(operation& op) noexcept {
  if (way() != direction::reading || !std::exchange(of_.drained_, false)) return false;
  if (op.code != opcode::receive) return false;
  poll_entry* const entry = op.entry = of_.entry();
  if (entry == nullptr) return true;
  return entry->generation.load() == engine_generation() && !entry->hung_up.load() &&
         of_.kind_ == descriptor_kind::tcp && !entry->take_ready(poll_entry::reading);
}

/// A short read has emptied a stream (epoll(7)); a full one says nothing.
void io_turn::learn(const operation& op, std::int64_t result) noexcept {
  if (op.code != opcode::receive) return;
  of_.drained_ = result > 0 && static_cast<std::size_t>(result) < op.size;
}

io_outcome io_turn::run_on_file(operation& op) {
  wait_patience patience;
  for (;;) {
    if (const auto error = obstacle()) return {0, error};
    const std::int64_t result = call_file(op, of_.file_, {&side_.slot, stop_, this});
    if (result >= 0 || !patience.again(result, this)) return outcome_of(result);
  }
}

io_outcome io_turn::run(operation& op) {
  wait_patience patience;
  op.fd = of_.fd_;
  if (of_.kind_ == descriptor_kind::file) return run_on_file(op);
  op.in_shared_mode = of_.kind_ == descriptor_kind::shared_stream;
  // Good for one wait: this one takes the edge that the next one would rely on, even if it gives
  // up.
  bool wait_first = would_wait(op);
  for (;;) {
    if (RINGO_UNLIKELY(!is_clear())) {
      if (const auto error = obstacle()) return {0, error};
    }
    if (!wait_first) {
      const std::int64_t result = make_call(op);
      if (result != -EAGAIN) {
        learn(op, result);
        return outcome_of(result);
      }
    }
    wait_first = false;
    const std::int64_t result = wait(op);
    if (result >= 0) {
      learn(op, result);
      return outcome_of(result);
    }
    if (!patience.again(result, this)) return outcome_of(result);
  }
}

std::int64_t io_turn::wait(operation& op) {
  if (op.entry == nullptr) op.entry = of_.entry();
  const auto d = static_cast<poll_entry::direction>(way());
  if (op.entry != nullptr && op.entry->take_ready(d)) return -EAGAIN;
  // The kernel would do without the care that make_call() takes: of SIGPIPE, of a shared mode.
  const bool only_here = op.code == opcode::write || op.in_shared_mode;
  if (op.entry != nullptr || !only_here) {
    const std::int64_t result = wait_for_operation(op, &side_.slot, stop_, reason_, this);
    if (result != -EAGAIN || op.entry != nullptr || op.code == opcode::poll) return result;
  }
  return wait_until_ready(op);
}

/// A ring on an old kernel does not wait by itself on a non-blocking descriptor. A function of its
/// own, so that those that do wait by themselves have no second operation in their frame.
[[gnu::noinline]] std::int64_t io_turn::wait_until_ready(const operation& op) {
  operation readiness;
  readiness.fd = op.fd;
  readiness.events = op.events;
  const std::int64_t waited = wait_for_operation(readiness, &side_.slot, stop_, reason_, this);
  return waited >= 0 ? -EAGAIN : waited;
}

io_reason reason_of(const descriptor& d, direction way) noexcept {
  if (way == direction::reading) return d.is_socket() ? io_reason::net_read : io_reason::io_read;
  return d.is_socket() ? io_reason::net_write : io_reason::io_write;
}

namespace {

void describe_write(operation& op, const descriptor& to, io::const_buffer from) noexcept {
  op.code = to.is_socket() ? opcode::send : opcode::write;
  op.events = POLLOUT;
  op.flags = to.is_socket() ? MSG_NOSIGNAL : 0;
  op.data = const_cast<std::byte*>(from.data());  // the kernel only reads it
  op.size = from.size();
}

/// The pieces from `first` on, less the first `skipped` bytes of that one.
std::size_t fill(std::span<iovec> to,
                 std::span<const io::const_buffer> from,
                 std::size_t first,
                 std::size_t skipped) noexcept {
  std::size_t count = 0;
  for (std::size_t i = first; i < from.size() && count < to.size(); ++i) {
    const std::size_t skip = i == first ? skipped : 0;
    to[count].iov_base = const_cast<std::byte*>(from[i].data() + skip);  // only read
    to[count].iov_len = from[i].size() - skip;
    ++count;
  }
  return count;
}

io_outcome send_pieces(io_turn& turn, std::span<const io::const_buffer> from) {
  constexpr std::size_t pieces_max = 32;  // at a time: they are on the fiber's stack
  std::array<iovec, pieces_max> pieces;
  std::int64_t done = 0;
  std::size_t first = 0;
  std::size_t skipped = 0;
  for (;;) {
    while (first < from.size() && skipped >= from[first].size()) {
      skipped -= from[first].size();
      ++first;
    }
    if (first == from.size()) return {done, {}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = fill(pieces, from, first, skipped);
    operation op;
    op.code = opcode::send_message;
    op.events = POLLOUT;
    op.flags = MSG_NOSIGNAL;
    op.data = &message;
    const io_outcome part = turn.run(op);
    done += part.count;
    if (part.error) return {done, part.error};
    skipped += static_cast<std::size_t>(part.count);
  }
}

io_outcome write_rest(io_turn& turn, const descriptor& to, io::const_buffer from) {
  std::size_t done = 0;
  while (done < from.size()) {
    operation op;
    describe_write(op, to, {from.data() + done, from.size() - done});
    const io_outcome part = turn.run(op);
    done += static_cast<std::size_t>(part.count);
    if (part.error) return {static_cast<std::int64_t>(done), part.error};
  }
  return {static_cast<std::int64_t>(done), {}};
}

}  // namespace

io_outcome read_some(descriptor& from, io::buffer to, cancellation* stop) {
  io_turn turn(from, direction::reading, stop, reason_of(from, direction::reading));
  if (turn.error() || to.empty()) return {0, turn.error()};
  operation op;
  op.code = from.is_socket() ? opcode::receive : opcode::read;
  op.events = POLLIN;
  op.data = to.data();
  op.size = to.size();
  io_outcome outcome = turn.run(op);
  if (!outcome.error && outcome.count == 0) outcome.error = errc::eof;
  return outcome;
}

io_outcome write_some(descriptor& to, io::const_buffer from, cancellation* stop) {
  io_turn turn(to, direction::writing, stop, reason_of(to, direction::writing));
  if (turn.error() || from.empty()) return {0, turn.error()};
  operation op;
  describe_write(op, to, from);
  return turn.run(op);
}

io_outcome write_all(descriptor& to, io::const_buffer from, cancellation* stop) {
  io_turn turn(to, direction::writing, stop, reason_of(to, direction::writing));
  if (turn.error()) return {0, turn.error()};
  return write_rest(turn, to, from);
}

io_outcome write_all(descriptor& to, std::span<const io::const_buffer> from, cancellation* stop) {
  io_turn turn(to, direction::writing, stop, reason_of(to, direction::writing));
  io_outcome total{0, turn.error()};
  if (to.is_socket()) return total.error ? total : send_pieces(turn, from);
  for (std::size_t i = 0; i < from.size() && !total.error; ++i) {
    const io_outcome piece = write_rest(turn, to, from[i]);
    total = {total.count + piece.count, piece.error};
  }
  return total;
}

}  // namespace ringo::detail

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

#include <ringo/detail/completion.hpp>
#include <ringo/detail/counted.hpp>
#include <ringo/detail/spinlock.hpp>
#include <ringo/error.hpp>
#include <ringo/io/buffer.hpp>
#include <ringo/result.hpp>
#include <ringo/sync/mutex.hpp>

#include "io/file_call.hpp"
#include "io/io_wait.hpp"
#include "source/operation.hpp"

/// A file descriptor that fibers share: what stands behind every connection, listener, pipe and
/// file.
///
/// Invariants (Go's fdMutex):
/// - `uses_` counts who may use the number `fd_`; closed is a bit of the same word, and once it is
///   set the count only falls. Whoever brings it to 0 then closes the number, so that nobody ever
///   uses a number that stands for something else meanwhile.
/// - In each direction one user at a time has the turn, so that what it reads or writes stays in
///   one piece. Those who wait for a turn have no use: they find out that the descriptor is closed
///   when their turn has come, one after the other.
///
/// - A file has one position for both directions, and so one turn; calls that name their place in
///   the file take no turn, only a use.
///
/// close(): mark it closed; call off who waits in either direction; give up the use of close()
/// itself; wait until the last use is over, whose end closes the number.

namespace ringo::detail {

/// What became of a call: a count, and an error if it did not do all. Not a result<>: a write that
/// fails may have written something.
struct io_outcome {
  std::int64_t count = 0;
  std::error_code error;
};

enum class direction : std::uint8_t { reading, writing };

enum class descriptor_kind : std::uint8_t {
  tcp,            ///< a socket of TCP, which never keeps anything back from a read that has room
  socket,         ///< any other socket
  stream,         ///< a pipe, a terminal: readiness can be waited for
  shared_stream,  ///< the same, but others share its mode: it may block
  file            ///< a regular file: always ready, and the calls take as long as they take
};

/// As the system says.
descriptor_kind kind_of_socket(int fd) noexcept;

class alignas(cache_line) descriptor {
 public:
  /// Takes over a number that is non-blocking, unless it is of a file, a socket, or shared.
  descriptor(int fd, descriptor_kind kind, file_mode mode = {}) noexcept
      : fd_(fd), kind_(kind), file_{.mode = mode} {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  /// Closes it if nobody has.
  ~descriptor();

  descriptor_kind kind() const noexcept { return kind_; }
  bool is_socket() const noexcept {
    return kind_ == descriptor_kind::tcp || kind_ == descriptor_kind::socket;
  }

  /// Wakes whoever is blocked on it, and waits until nobody uses the number any more.
  [[nodiscard]] std::error_code close();
  /// The same, but gives the number away.
  [[nodiscard]] result<int> release();
  bool is_closed() const noexcept { return (uses_.load() & closed) != 0; }

  /// Why a call in this direction would fail before it is made: errc::closed, the cancellation's
  /// code, errc::deadline_exceeded. Empty: it may be made.
  std::error_code obstacle(direction d, const cancellation* stop) const noexcept;

  /// `until` is the caller's time; never: none. errc::closed.
  [[nodiscard]] std::error_code set_deadline(direction d, time_point until) noexcept;

  /// Calls fn(fd) while the number is sure to stay. errc::closed.
  template <typename Fn>
  [[nodiscard]] std::error_code with_number(Fn&& fn) {
    if (!begin_use()) return errc::closed;
    const int failed = std::forward<Fn>(fn)(fd_);
    end_use();
    return failed == 0 ? std::error_code{} : std::error_code(failed, std::system_category());
  }

 private:
  static constexpr std::uint32_t closed = 1;
  static constexpr std::uint32_t use = 2;

  struct alignas(cache_line) side {
    mutex turn;
    io_slot slot;
  };

  // One line, and the first one of a side, are all that a call needs which does not wait.
  std::atomic<std::uint32_t> uses_{0};
  const int fd_;
  std::atomic<poll_entry*> entry_{nullptr};
  const descriptor_kind kind_;
  // The last read took less than it could: the next one would have to wait. The holder's of the
  // turn to read.
  bool drained_ = false;
  std::atomic<bool> released_{false};  // the number is given away instead of closed
  file_traits file_;
  std::atomic<std::uint32_t> handles_{1};
  completion unused_;  // the last use is over, and so is the number
  std::array<side, 2> sides_;

  bool begin_use() noexcept;
  void end_use() noexcept;
  void finish() noexcept;
  enum class number { closed, kept };
  std::error_code close_number(number then);
  poll_entry* entry();

  side& side_of(direction d) noexcept {
    return sides_[kind_ == descriptor_kind::file ? 0 : static_cast<std::size_t>(d)];
  }

  friend class io_turn;
  friend class io_use;
  friend void retain(descriptor& d) noexcept;
  friend void release(descriptor& d) noexcept;
};

using descriptor_handle = counted<descriptor>;

/// The right to read, or to write, for a scope.
class io_turn final : io_holder {
 public:
  /// Waits for it. A cancellation that is done on entry wins.
  io_turn(descriptor& of, direction d, cancellation* stop, io_reason reason);
  /// Takes it if it is free, and never blocks; else std::errc::resource_unavailable_try_again.
  io_turn(descriptor& of, direction d, std::try_to_lock_t, io_reason reason);
  ~io_turn();

  /// Why there is none: errc::closed, or the cancellation's code.
  const std::error_code& error() const noexcept { return error_; }

  /// While there is no error.
  int number() const noexcept { return of_.fd_; }
  io_holder& holder() noexcept { return *this; }

  /// Does the operation: tries, and waits until it can be done. An error: errc::closed,
  /// errc::deadline_exceeded, the cancellation's code, or the system's; then nothing was done. For
  /// `receive`, 0 means what recv(2) means by it.
  io_outcome run(operation& op);

  // For calls that are no operations: whoever has the turn makes them by itself, without blocking.

  /// To be called before each; see descriptor::obstacle().
  std::error_code begin_call() noexcept;
  /// After one that would have had to wait for `events`: waits until it may be worth another trial,
  /// or says why there is none. `also` is given back, too, if the fiber never goes on.
  std::error_code wait_for(std::uint32_t events, wait_patience& patience, io_holder* also);

 private:
  descriptor& of_;
  descriptor::side& side_;
  cancellation* const stop_;
  const io_reason reason_;
  io_holder* also_ = nullptr;
  std::error_code error_;
  bool holds_ = false;

  void begin_use() noexcept;
  direction way() const noexcept { return static_cast<direction>(&side_ - of_.sides_.data()); }
  std::error_code obstacle() const noexcept;
  bool is_clear() const noexcept;
  io_outcome run_on_file(operation& op);
  bool would_wait(operation& op) noexcept;
  void learn(const operation& op, std::int64_t result) noexcept;
  std::int64_t wait(operation& op);
  std::int64_t wait_until_ready(const operation& op);
  void fetch() const noexcept override;
  void give_back() noexcept override;
};

/// The right to use the number for a scope, without a turn: for calls on files that do not depend
/// on each other.
class io_use final : io_holder {
 public:
  /// Never blocks. A cancellation that is done on entry wins.
  io_use(descriptor& of, cancellation* stop) noexcept;
  ~io_use();

  /// Why there is none: errc::closed, or the cancellation's code.
  const std::error_code& error() const noexcept { return error_; }

  /// While there is no error.
  int number() const noexcept { return of_.fd_; }
  io_holder& holder() noexcept { return *this; }

  /// As io_turn::run(). What is no file is asked once, and says what it thinks of it.
  io_outcome run(operation& op);
  /// A yield().
  void let_others_run() noexcept;

 private:
  descriptor& of_;
  cancellation* const stop_;
  std::error_code error_;

  void give_back() noexcept override;
};

/// Of a turn.
io_reason reason_of(const descriptor& d, direction way) noexcept;

// What streams are made of. Each takes its turn, and blocks until it is done.

/// Up to `to.size()` bytes; none if that is 0, else 0 bytes and errc::eof at the end of a stream.
io_outcome read_some(descriptor& from, io::buffer to, cancellation* stop);
/// At least one byte; none if there are none to write.
io_outcome write_some(descriptor& to, io::const_buffer from, cancellation* stop);
/// All bytes, or the count of those that were written before the error.
io_outcome write_all(descriptor& to, io::const_buffer from, cancellation* stop);
/// The same for several pieces, one after the other.
io_outcome write_all(descriptor& to, std::span<const io::const_buffer> from, cancellation* stop);

// What takes no turn. `offset` is not negative.

/// All of `to`, or up to the end of the file; errc::eof if there is nothing.
io_outcome read_at(descriptor& from, io::buffer to, std::int64_t offset, cancellation* stop);
/// All bytes, or the count of those that were written before the error.
io_outcome write_at(descriptor& to, io::const_buffer from, std::int64_t offset, cancellation* stop);
/// fsync(2), or fdatasync(2).
enum class sync_extent : std::uint8_t { all, data };
std::error_code sync(descriptor& file, sync_extent extent, cancellation* stop);

}  // namespace ringo::detail

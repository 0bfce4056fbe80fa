#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <system_error>
#include <utility>

#include <ringo/detail/completion.hpp>
#include <ringo/detail/counted.hpp>
#include <ringo/detail/spinlock.hpp>
#include <ringo/error.hpp>
#include <ringo/result.hpp>

#include "io/file_call.hpp"
#include "io/io_outcome.hpp"
#include "io/io_wait.hpp"
#include "io/turn.hpp"

/// A file descriptor that fibers share: what stands behind every connection, listener, pipe and
/// file.
///
/// Invariants:
/// - `uses_` counts who may use the number `fd_`; closed is a bit of the same word, and once it is
///   set the count only falls. Whoever brings it to 0 then closes the number, so that nobody ever
///   uses a number that stands for something else meanwhile.
/// - In each direction one user at a time has the turn, so that what it reads or writes stays in
///   one piece. All turns of a direction share one use, which is over when that is closed and
///   nobody has the turn: taking one's turn and giving it back are one step each.
/// - A file has one position for both directions, and so one turn; calls that name their place in
///   the file take no turn, only a use.
///
/// close(): take a use, and mark it closed; in each direction close the turn, whose use is over if
/// nobody has it, and call off who waits; give up the use of close() itself; wait until the last
/// use is over, whose end closes the number. It waits for no turn: a fiber that never goes on after
/// that would keep its use for ever.

namespace ringo::detail {

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
  io_error obstacle(direction d, const cancellation* stop) const noexcept;

  /// `until` is the caller's time; never: none. errc::closed.
  [[nodiscard]] std::error_code set_deadline(direction d, time_point until) noexcept;

  /// Into the CPU's cache, what a call needs that does not wait. Not instrumented: by whoever, at
  /// any time.
  RINGO_NO_TSAN void fetch() const noexcept {
    __builtin_prefetch(this, 1);
    for (const side& s : sides_) __builtin_prefetch(&s, 1);
  }

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
    turn lock;
    // Of the side to read from: the last read took less than it could, and the next one would have
    // to wait. The holder's of the turn.
    bool drained = false;
    io_slot slot;

    explicit side(poll_entry::direction d) noexcept : slot(d) {}
  };

  // One line, and the first one of a side, are all that a call needs which does not wait.
  std::atomic<std::uint32_t> uses_{2 * use};  // of two directions
  const int fd_;
  std::atomic<poll_entry*> entry_{nullptr};
  const descriptor_kind kind_;
  std::atomic<bool> released_{false};  // the number is given away instead of closed
  file_traits file_;
  std::atomic<std::uint32_t> handles_{1};
  completion unused_;  // the last use is over, and so is the number
  std::array<side, 2> sides_{side(poll_entry::reading), side(poll_entry::writing)};

  bool begin_use() noexcept {
    std::uint32_t seen = uses_.load(std::memory_order_relaxed);  // relaxed: the exchange decides
    do {
      if (RINGO_UNLIKELY((seen & closed) != 0)) return false;
    } while (!uses_.compare_exchange_weak(seen, seen + use));
    return true;
  }
  void end_use() noexcept {
    if (RINGO_UNLIKELY(uses_.fetch_sub(use) == (use | closed))) finish();
  }
  void end_turn(side& s) noexcept {
    if (RINGO_UNLIKELY(s.lock.give_back())) end_use();
  }
  void finish() noexcept;
  /// By one who has marked it closed, with a use.
  void close_sides() noexcept;
  enum class number { closed, kept };
  std::error_code close_number(number then);
  /// What was changed before, but not announced in it, is seen after it.
  poll_entry& make_entry();

  side& side_of(direction d) noexcept {
    return sides_[kind_ == descriptor_kind::file ? 0 : static_cast<std::size_t>(d)];
  }

  friend class io_turn;
  friend class io_use;
  friend class short_way;
  friend void retain(descriptor& d) noexcept;
  friend void release(descriptor& d) noexcept;
};

using descriptor_handle = counted<descriptor>;

}  // namespace ringo::detail

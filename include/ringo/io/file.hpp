#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/counted.hpp>
#include <ringo/io/buffer.hpp>
#include <ringo/result.hpp>

namespace ringo::io {

namespace detail {

struct open_file;
void retain(open_file& f) noexcept;
void release(open_file& f) noexcept;
using file_ref = ringo::detail::counted<open_file>;

struct file_access;

}  // namespace detail

/// A file, a pipe, a FIFO, a terminal or another device: Go's os.File. A handle: copies mean the
/// same open file; the last one that goes closes it. A default-constructed (or moved-from) one is
/// nil: whatever is asked of it fails with std::errc::invalid_argument.
///
/// Calls block only the fiber, or the plain thread. Of read() and of write() one at a time is at
/// work, in parallel with the other; more wait for their turn. Those with a context give up with
/// ctx.err(), at once if it is done on entry, and panic "nil context". When a call has returned,
/// whatever the reason, nobody touches its buffer any more. Members are thread-safe, but for
/// assigning to one handle while another thread uses that same handle. No member throws.
///
/// Errors of all: errc::closed after close(); what the system says, but never EINTR or EAGAIN. A
/// write to a pipe that nobody reads any more fails with EPIPE, and without a signal; only a write
/// to the numbers 1 and 2 raises SIGPIPE as well, so that a program ends whose output nobody reads,
/// unless it handles the signal.
class file {
 public:
  /// Nil.
  file() = default;

  /// Takes over a number that was made elsewhere: inherited, received, given away by release(). It
  /// is closed on exec from now on. What can be waited for (pipes, terminals) is made non-blocking,
  /// which whoever shares the open file description sees too: for inherited ones there are
  /// standard_input() and its like. Never blocks. Errors, when the number still belongs to the
  /// caller: EBADF. Source: Go's os.NewFile.
  static result<file> from_fd(int fd);

  /// False: nil.
  explicit operator bool() const noexcept { return file_.get() != nullptr; }

  /// Reads what there is, at most `to.size()` bytes; waits until there is something. Returns how
  /// many, at least one; at the end the error is errc::eof. An empty buffer reads nothing, at once.
  result<std::size_t> read(buffer to) const;
  result<std::size_t> read(const context& ctx, buffer to) const;

  /// Writes all of it, or fails; then an unknown part may be written.
  [[nodiscard]] std::error_code write(const_buffer from) const;
  [[nodiscard]] std::error_code write(const context& ctx, const_buffer from) const;
  /// The same for several pieces, one after the other.
  [[nodiscard]] std::error_code write(std::span<const const_buffer> from) const;
  [[nodiscard]] std::error_code write(const context& ctx, std::span<const const_buffer> from) const;

  /// Writes what fits, at least one byte if there are any; waits until there is room. Returns how
  /// many were written.
  result<std::size_t> write_some(const_buffer from) const;
  result<std::size_t> write_some(const context& ctx, const_buffer from) const;

  /// Until when reads and writes may block, those under way included; then they fail with
  /// errc::deadline_exceeded, also when they would not have to wait, until the deadline is moved.
  /// time_point{} and time_point::max(): no limit. Never blocks. Errors:
  /// std::errc::operation_not_supported for what cannot be waited for, as regular files.
  [[nodiscard]] std::error_code set_deadline(std::chrono::steady_clock::time_point until) const;
  /// The same for reads only.
  [[nodiscard]] std::error_code set_read_deadline(
      std::chrono::steady_clock::time_point until) const;
  /// The same for writes only.
  [[nodiscard]] std::error_code set_write_deadline(
      std::chrono::steady_clock::time_point until) const;

  /// Closes the file: whoever is blocked on a pipe or terminal, or waits for a turn, gives up with
  /// errc::closed; calls on regular files are waited for. Returns when nobody uses the number any
  /// more. A second one returns errc::closed.
  [[nodiscard]] std::error_code close() const;  // NOLINT(modernize-use-nodiscard)

  /// Gives the number away: as close(), but the caller has to close it. What can be waited for
  /// stays non-blocking.
  result<int> release() const;

  /// Calls fn(fd) while the number is sure to stay: for what has no name here. fn returns nothing
  /// or a std::error_code, which is returned then. It must not block, nor close the number, nor
  /// call close() or release(). What it throws passes through. Error: errc::closed; fn has not been
  /// called. Source: Go's RawConn.Control.
  template <typename Fn>
  std::error_code with_fd(Fn&& fn) const {
    std::error_code said;
    std::exception_ptr thrown;
    auto call = [&](int fd) noexcept {
      try {
        if constexpr (std::is_void_v<std::invoke_result_t<Fn&, int>>) {
          fn(fd);
        } else {
          said = fn(fd);
        }
      } catch (...) {
        thrown = std::current_exception();
      }
    };
    const auto failed =
        use_number(&call, [](void* of, int fd) { (*static_cast<decltype(call)*>(of))(fd); });
    if (thrown) std::rethrow_exception(std::move(thrown));
    return failed ? failed : said;
  }

  /// Identity.
  friend bool operator==(const file& a, const file& b) noexcept {
    return a.file_.get() == b.file_.get();
  }

 private:
  detail::file_ref file_;

  explicit file(detail::file_ref opened) noexcept : file_(std::move(opened)) {}
  std::error_code use_number(void* subject, void (*call)(void* subject, int fd)) const;

  friend struct detail::file_access;
};

}  // namespace ringo::io

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/detail/cancellable.hpp>
#include <ringo/detail/counted.hpp>
#include <ringo/io/buffer.hpp>
#include <ringo/io/file_info.hpp>
#include <ringo/io/kernel_copy.hpp>
#include <ringo/result.hpp>

namespace ringo::io {

namespace detail {

struct open_file;
void retain(open_file& f) noexcept;
void release(open_file& f) noexcept;
using file_ref = ringo::detail::counted<open_file>;

struct file_access;

}  // namespace detail

/// How file::open() opens: Go's flags of os.OpenFile.
struct open_options {
  bool read = true;
  bool write = false;
  bool append = false;               ///< each write goes to what is the end then
  bool create = false;               ///< makes the file if there is none
  bool exclusive = false;            ///< with create: EEXIST if there is one
  bool truncate = false;             ///< with write: what was in it is gone
  bool sync = false;                 ///< a write returns when it is on the disk (O_SYNC)
  std::uint32_t permissions = 0666;  ///< of a file that is made, less the umask
};

/// What file::seek() counts from.
enum class seek_from : std::uint8_t { start, current, end };

/// A file, a pipe, a FIFO, a terminal or another device: Go's os.File. A handle: copies mean the
/// same open file; the last one that goes closes it. A default-constructed (or moved-from) one is
/// nil: whatever is asked of it fails with std::errc::invalid_argument.
///
/// Calls block only the fiber, or the plain thread. Those on regular files cannot be waited for:
/// what is in memory is read at once, little is written at once, and all else is carried out by the
/// kernel (io_uring) or by one of a few threads (epoll). A call that a disk is busy with cannot be
/// stopped: a context or close() only keeps it from beginning. Then it returns when it is over; if
/// it has succeeded, that counts.
///
/// Of read() and of write() one at a time is at
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

  /// Opens a file; closed on exec. Blocks; to open a FIFO means to wait for its other side. A
  /// context that is done on entry wins; it does not stop a call under way. Errors: what open(2)
  /// says, such as ENOENT, EACCES, EEXIST; EINVAL for a zero byte in the path, and for options that
  /// make no sense: neither read nor write, truncate without write, exclusive without create.
  /// Source: Go's os.OpenFile.
  static result<file> open(const std::string& path, const open_options& how = {});
  static result<file> open(const context& ctx,
                           const std::string& path,
                           const open_options& how = {});

  /// Opens a file for reading and writing; makes it, or empties it. Blocks, and errors, as open().
  /// Source: Go's os.Create.
  static result<file> create(const std::string& path, std::uint32_t permissions = 0666);
  static result<file> create(const context& ctx,
                             const std::string& path,
                             std::uint32_t permissions = 0666);

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

  /// Reads at a place in the file until `to` is full, or the file ends: then it returns fewer, and
  /// if there is nothing at all errc::eof. Takes no turn and leaves the position alone: many may be
  /// at work in parallel. Errors also: EINVAL for a negative offset, ESPIPE for what has no places,
  /// as pipes; after an error an unknown part may be read. Source: Go's ReadAt; pread(2).
  result<std::size_t> pread(buffer to, std::int64_t offset) const;
  result<std::size_t> pread(const context& ctx, buffer to, std::int64_t offset) const;

  /// Writes all at a place in the file, or fails; then an unknown part may be written. Otherwise as
  /// pread(). Errors also: EINVAL if the file was opened to append. Source: Go's WriteAt;
  /// pwrite(2).
  [[nodiscard]] std::error_code pwrite(const_buffer from, std::int64_t offset) const;
  [[nodiscard]] std::error_code pwrite(const context& ctx,
                                       const_buffer from,
                                       std::int64_t offset) const;

  /// Moves the position of read() and write(); returns where it is now, from the start. Waits for
  /// reads and writes under way. Errors: EINVAL for a place before the start, ESPIPE.
  result<std::int64_t> seek(std::int64_t offset, seek_from whence = seek_from::start) const;
  result<std::int64_t> seek(const context& ctx,
                            std::int64_t offset,
                            seek_from whence = seek_from::start) const;

  /// Returns when all that was written is on the disk: fsync(2). Errors: EIO, ENOSPC and their
  /// like, also of earlier writes; EINVAL for what has no disk.
  [[nodiscard]] std::error_code sync() const;
  [[nodiscard]] std::error_code sync(const context& ctx) const;
  /// The same, but for what is known of the file beside its contents and size: fdatasync(2).
  [[nodiscard]] std::error_code sync_data() const;
  [[nodiscard]] std::error_code sync_data(const context& ctx) const;

  /// Makes the file so long: what is beyond is gone, what is missing are zeros. The position stays.
  /// Blocks; a context that is done on entry wins. Errors: EINVAL for a negative size, for a file
  /// that is not open for writing, and for what has no size.
  [[nodiscard]] std::error_code truncate(std::int64_t size) const;
  [[nodiscard]] std::error_code truncate(const context& ctx, std::int64_t size) const;

  /// What is known about the file: fstat(2). Never blocks.
  result<file_info> stat() const;

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

/// All that is in a file. Blocks; with a context as file::read(). Errors: of file::open() and
/// file::read(). Source: Go's os.ReadFile.
result<std::string> read_file(const std::string& path);
result<std::string> read_file(const context& ctx, const std::string& path);

/// Makes a file of these bytes; what was in it is gone, its permissions stay. Not atomic: whoever
/// looks meanwhile, or after an error, may find a part. Blocks; with a context as file::write().
/// Errors: of file::open() and file::write(). Source: Go's os.WriteFile.
[[nodiscard]] std::error_code write_file(const std::string& path,
                                         const_buffer from,
                                         std::uint32_t permissions = 0666);
[[nodiscard]] std::error_code write_file(const context& ctx,
                                         const std::string& path,
                                         const_buffer from,
                                         std::uint32_t permissions = 0666);

/// The program's own streams, numbers 0, 1 and 2, whatever they are; nil if that number was not
/// open at the first call. The mode that other processes share is left as it is, so that a shell
/// does not find its terminal changed: a terminal is opened anew. One handle for all callers, never
/// closed by itself; closed by close(), it stays so. Blocks only where a terminal or an old kernel
/// gives no choice: a write to a terminal whose output is held up. Thread-safe. Source: Go's
/// os.Stdin.
file standard_input();
file standard_output();
file standard_error();

template <>
struct detail::kernel_access<file> {
  static kernel_end of(const file& f) noexcept;
};

}  // namespace ringo::io

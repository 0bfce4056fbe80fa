#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/file.hpp>

#include "io/io_turn.hpp"
#include "io/io_use.hpp"
#include "io/kept_meanwhile.hpp"
#include "io/open_file.hpp"
#include "sched/cancellation.hpp"

/// What only files have: places, a size, a disk.

namespace ringo::io {
namespace {

using namespace ringo::detail;

const std::error_code invalid = std::make_error_code(std::errc::invalid_argument);

result<std::size_t> read_place(detail::open_file* from,
                               buffer to,
                               std::int64_t offset,
                               cancellation* stop) {
  if (from == nullptr || offset < 0) return invalid;
  const io_outcome outcome = read_at(from->number, to, offset, stop);
  if (outcome.error) return outcome.error.code();
  return static_cast<std::size_t>(outcome.count);
}

std::error_code write_place(detail::open_file* to,
                            const_buffer from,
                            std::int64_t offset,
                            cancellation* stop) {
  // As in Go: the kernel would ignore the place.
  if (to == nullptr || offset < 0 || to->appends) return invalid;
  return write_at(to->number, from, offset, stop).error;
}

std::error_code sync_file(detail::open_file* file, sync_extent extent, cancellation* stop) {
  return file != nullptr ? ringo::detail::sync(file->number, extent, stop) : invalid;
}

result<std::int64_t> move(detail::open_file* in,
                          std::int64_t offset,
                          seek_from whence,
                          cancellation* stop) {
  if (in == nullptr) return invalid;
  constexpr int names[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  const io_turn turn(in->number, direction::reading, stop, io_reason::file);
  if (turn.error()) return turn.error().code();
  const off_t now = ::lseek(turn.number(), offset, names[static_cast<std::size_t>(whence)]);
  if (now < 0) return std::error_code(errno, std::system_category());
  return now;
}

std::error_code resize(detail::open_file* file, std::int64_t size, cancellation* stop) {
  if (file == nullptr) return invalid;
  io_use use(file->number, stop);
  if (use.error()) return use.error();
  const kept_meanwhile kept(&use.holder());
  const int failed = blocking([fd = use.number(), size] {
    while (::ftruncate(fd, size) != 0) {
      if (errno != EINTR) return errno;
    }
    return 0;
  });
  return {failed, std::system_category()};
}

}  // namespace

result<std::size_t> file::pread(buffer to, std::int64_t offset) const {
  return read_place(file_.get(), to, offset, nullptr);
}

result<std::size_t> file::pread(const ringo::context& ctx, buffer to, std::int64_t offset) const {
  return read_place(file_.get(), to, offset, cancellation_of(ctx));
}

std::error_code file::pwrite(const_buffer from, std::int64_t offset) const {
  return write_place(file_.get(), from, offset, nullptr);
}

std::error_code file::pwrite(const ringo::context& ctx,
                             const_buffer from,
                             std::int64_t offset) const {
  return write_place(file_.get(), from, offset, cancellation_of(ctx));
}

result<std::int64_t> file::seek(std::int64_t offset, seek_from whence) const {
  return move(file_.get(), offset, whence, nullptr);
}

result<std::int64_t> file::seek(const ringo::context& ctx,
                                std::int64_t offset,
                                seek_from whence) const {
  return move(file_.get(), offset, whence, cancellation_of(ctx));
}

std::error_code file::sync() const {
  return sync_file(file_.get(), sync_extent::all, nullptr);
}

std::error_code file::sync(const ringo::context& ctx) const {
  return sync_file(file_.get(), sync_extent::all, cancellation_of(ctx));
}

std::error_code file::sync_data() const {
  return sync_file(file_.get(), sync_extent::data, nullptr);
}

std::error_code file::sync_data(const ringo::context& ctx) const {
  return sync_file(file_.get(), sync_extent::data, cancellation_of(ctx));
}

std::error_code file::truncate(std::int64_t size) const {
  return resize(file_.get(), size, nullptr);
}

std::error_code file::truncate(const ringo::context& ctx, std::int64_t size) const {
  return resize(file_.get(), size, cancellation_of(ctx));
}

result<file_info> file::stat() const {
  if (!*this) return invalid;
  struct stat status {};
  const auto error = file_.get()->number.with_number(
      [&status](int fd) { return ::fstat(fd, &status) == 0 ? 0 : errno; });
  if (error) return error;
  return detail::info_of(status);
}

}  // namespace ringo::io

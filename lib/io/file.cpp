#include <ringo/io/file.hpp>

#include <system_error>

#include <ringo/context.hpp>

#include "io/open_file.hpp"
#include "io/read_write.hpp"

namespace ringo::io {
namespace detail {

void retain(open_file& f) noexcept {
  f.handles.fetch_add(1, std::memory_order_relaxed);  // relaxed: the caller has a handle
}

void release(open_file& f) noexcept {
  if (f.handles.fetch_sub(1) == 1) delete &f;
}

kernel_end kernel_access<file>::of(const file& f) noexcept {
  return {file_access::descriptor_of(f), nullptr};
}

}  // namespace detail

namespace {

using namespace ringo::detail;
using time_point = std::chrono::steady_clock::time_point;

const std::error_code nil = std::make_error_code(std::errc::invalid_argument);

result<std::size_t> counted_bytes(const io_outcome& outcome) {
  if (outcome.error) return outcome.error.code();
  return static_cast<std::size_t>(outcome.count);
}

result<std::size_t> read_from(detail::open_file* from, buffer to, cancellation* stop) {
  if (from == nullptr) return nil;
  return counted_bytes(ringo::detail::read_some(from->number, to, stop));
}

result<std::size_t> write_part(detail::open_file* to, const_buffer from, cancellation* stop) {
  if (to == nullptr) return nil;
  return counted_bytes(ringo::detail::write_some(to->number, from, stop));
}

std::error_code limit(detail::open_file* to, direction d, time_point until) noexcept {
  if (to == nullptr) return nil;
  if (to->number.is_closed()) return errc::closed;
  if (to->number.kind() == descriptor_kind::file) {
    return std::make_error_code(std::errc::operation_not_supported);
  }
  return to->number.set_deadline(d, until == time_point{} ? time_point::max() : until);
}

}  // namespace

result<std::size_t> file::read(buffer to) const {
  return read_from(file_.get(), to, nullptr);
}

result<std::size_t> file::read(const ringo::context& ctx, buffer to) const {
  return read_from(file_.get(), to, cancellation_of(ctx));
}

std::error_code file::write(const_buffer from) const {
  return *this ? write_all(file_.get()->number, from, nullptr).error.code() : nil;
}

std::error_code file::write(const ringo::context& ctx, const_buffer from) const {
  cancellation* const stop = cancellation_of(ctx);
  return *this ? write_all(file_.get()->number, from, stop).error.code() : nil;
}

std::error_code file::write(std::span<const const_buffer> from) const {
  return *this ? write_all(file_.get()->number, from, nullptr).error.code() : nil;
}

std::error_code file::write(const ringo::context& ctx, std::span<const const_buffer> from) const {
  cancellation* const stop = cancellation_of(ctx);
  return *this ? write_all(file_.get()->number, from, stop).error.code() : nil;
}

result<std::size_t> file::write_some(const_buffer from) const {
  return write_part(file_.get(), from, nullptr);
}

result<std::size_t> file::write_some(const ringo::context& ctx, const_buffer from) const {
  return write_part(file_.get(), from, cancellation_of(ctx));
}

std::error_code file::set_deadline(time_point until) const {
  const auto error = set_read_deadline(until);
  return error ? error : set_write_deadline(until);
}

std::error_code file::set_read_deadline(time_point until) const {
  return limit(file_.get(), direction::reading, until);
}

std::error_code file::set_write_deadline(time_point until) const {
  return limit(file_.get(), direction::writing, until);
}

std::error_code file::close() const {
  return *this ? file_.get()->number.close() : nil;
}

result<int> file::release() const {
  if (!*this) return nil;
  return file_.get()->number.release();
}

std::error_code file::use_number(void* subject, void (*call)(void* subject, int fd)) const {
  if (!*this) return nil;
  return file_.get()->number.with_number([&](int fd) {
    call(subject, fd);
    return 0;
  });
}

}  // namespace ringo::io

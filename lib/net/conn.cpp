#include <ringo/net/conn.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>

#include <sys/socket.h>

#include <ringo/context.hpp>

#include "io/read_write.hpp"
#include "io/short_way.hpp"
#include "net/message.hpp"
#include "net/socket.hpp"

namespace ringo::net {
namespace {

using ringo::detail::cancellation_of;
using ringo::detail::outcome_of;
using ringo::detail::short_way;
using namespace detail;

result<std::size_t> count_of(const io_outcome& outcome) noexcept {
  if (outcome.error) return outcome.error.code();
  return static_cast<std::size_t>(outcome.count);
}

result<std::size_t> read_unless(cancellation* stop, socket* from, io::buffer to) {
  if (from == nullptr) return nil_handle();
  // Short counts of other sockets do not say that they are empty, as read_some() takes it.
  if (from->is_tcp()) return count_of(ringo::detail::read_some(from->io, to, stop));
  return count_of(receive(*from, to, stop));
}

/// Of one that has taken in nothing.
[[gnu::cold]] result<std::size_t> end_of_read(std::int64_t result) {
  if (result == 0) return make_error_code(errc::eof);
  return outcome_of(result).error.code();
}

std::error_code write_unless(cancellation* stop, socket* to, io::const_buffer from) {
  if (to == nullptr) return nil_handle();
  if (to->is_stream()) return ringo::detail::write_all(to->io, from, stop).error;
  return send(*to, {&from, 1}, stop).error;
}

std::error_code write_unless(cancellation* stop,
                             socket* to,
                             std::span<const io::const_buffer> from) {
  if (to == nullptr) return nil_handle();
  if (to->is_stream()) return ringo::detail::write_all(to->io, from, stop).error;
  return send(*to, from, stop).error;
}

result<std::size_t> write_some_unless(cancellation* stop, socket* to, io::const_buffer from) {
  if (to == nullptr) return nil_handle();
  if (to->is_stream()) return count_of(ringo::detail::write_some(to->io, from, stop));
  return count_of(send(*to, {&from, 1}, stop));
}

int to_int(std::size_t bytes) noexcept {
  return static_cast<int>(std::min<std::size_t>(bytes, INT_MAX));
}

}  // namespace

result<std::size_t> conn::read(io::buffer to) const {
  socket* const from = get();
  if (RINGO_LIKELY(from != nullptr)) {
    const std::int64_t count = short_way::read(from->io, to);
    if (RINGO_LIKELY(count > 0)) return static_cast<std::size_t>(count);
    if (count != short_way::not_taken) return end_of_read(count);
  }
  return read_unless(nullptr, get(), to);
}
result<std::size_t> conn::read(const context& ctx, io::buffer to) const {
  return read_unless(cancellation_of(ctx), get(), to);
}

std::error_code conn::write(io::const_buffer from) const {
  socket* const to = get();
  if (RINGO_LIKELY(to != nullptr)) {
    const std::int64_t count = short_way::write(to->io, from);
    if (RINGO_LIKELY(count == std::ssize(from))) return {};
    if (count != short_way::not_taken) return ringo::detail::write_on(to->io, from, count).error;
  }
  return write_unless(nullptr, get(), from);
}
std::error_code conn::write(const context& ctx, io::const_buffer from) const {
  return write_unless(cancellation_of(ctx), get(), from);
}

std::error_code conn::write(std::span<const io::const_buffer> from) const {
  return write_unless(nullptr, get(), from);
}
std::error_code conn::write(const context& ctx, std::span<const io::const_buffer> from) const {
  return write_unless(cancellation_of(ctx), get(), from);
}

result<std::size_t> conn::write_some(io::const_buffer from) const {
  return write_some_unless(nullptr, get(), from);
}
result<std::size_t> conn::write_some(const context& ctx, io::const_buffer from) const {
  return write_some_unless(cancellation_of(ctx), get(), from);
}

std::error_code conn::set_deadline(std::chrono::steady_clock::time_point until) const {
  if (const auto error = set_read_deadline(until)) return error;
  return set_write_deadline(until);
}

std::error_code conn::set_read_deadline(std::chrono::steady_clock::time_point until) const {
  return detail::set_deadline(get(), direction::reading, until);
}

std::error_code conn::set_write_deadline(std::chrono::steady_clock::time_point until) const {
  return detail::set_deadline(get(), direction::writing, until);
}

endpoint conn::remote() const {
  if (get() == nullptr) return {};
  return get()->remote.get([this]() -> endpoint {
    sockaddr_storage name{};
    socklen_t size = sizeof(name);
    const auto failed = get()->io.with_number([&](int fd) {
      return ::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 ? 0 : errno;
    });
    return failed ? endpoint{} : endpoint_from(name, size);
  });
}

std::error_code conn::set_read_buffer(std::size_t bytes) const {
  return set_option(get(), SOL_SOCKET, SO_RCVBUF, to_int(bytes));
}

std::error_code conn::set_write_buffer(std::size_t bytes) const {
  return set_option(get(), SOL_SOCKET, SO_SNDBUF, to_int(bytes));
}

}  // namespace ringo::net

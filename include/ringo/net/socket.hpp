#pragma once

#include <exception>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/detail/counted.hpp>
#include <ringo/io/kernel_copy.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>

namespace ringo::net {

class socket_handle;

namespace detail {

struct socket;
void retain(socket& s) noexcept;
void release(socket& s) noexcept;
using socket_ref = ringo::detail::counted<socket>;

/// The way from what the library makes to what the user gets.
struct handle_access {
  template <typename Handle>
  static Handle make(socket_ref socket) noexcept {
    return Handle(std::move(socket));
  }
  template <typename Handle>
  static result<Handle> make(result<socket_ref> made) {
    if (!made) return made.error();
    return make<Handle>(*std::move(made));
  }
  /// For io::copy(); of packets nothing.
  static io::detail::kernel_end end_of_stream(const socket_handle& of) noexcept;
};

/// What a number is to become a handle of.
enum class socket_role : unsigned char {
  tcp_conn,
  tcp_listener,
  udp_conn,
  unix_conn,
  unix_listener
};
result<socket_ref> adopt(int fd, socket_role role);

}  // namespace detail

/// What all connections and listeners are: handles of a socket. Copies mean the same socket; the
/// last handle that goes closes it. A default-constructed (or moved-from) one is nil: whatever is
/// asked of it fails with std::errc::invalid_argument.
///
/// Members are thread-safe, but for assigning to one handle while another thread uses that same
/// handle. They work from fibers and from plain threads, which block then, and no member throws.
/// After close() everything fails with errc::closed.
class socket_handle {
 public:
  /// Nil.
  socket_handle() = default;

  /// False: nil.
  explicit operator bool() const noexcept { return socket_.get() != nullptr; }

  /// Closes the socket: whoever is blocked on it, or waits for a turn, gives up with errc::closed.
  /// Waits until nobody uses its number any more, and no longer: what was written is still sent. A
  /// second one returns errc::closed.
  [[nodiscard]] std::error_code close() const;  // NOLINT(modernize-use-nodiscard)

  /// Its own address. Nowhere: nil, or the socket was closed before anyone asked. An IPv4 address
  /// is told as such, also by a socket that serves both families. The first call asks the system.
  endpoint local() const;

  /// Gives the number away: whoever is blocked gives up with errc::closed, and the caller has to
  /// close it. It stays non-blocking, and a Unix socket keeps its file. See from_fd(). Error:
  /// errc::closed.
  result<int> release() const;

  /// Calls fn(fd) while the number is sure to stay: for options that have no name here. fn returns
  /// nothing or a std::error_code, which is returned then. It must not block, nor close the number,
  /// nor call close() or release(). What it throws passes through. Error: errc::closed; fn has not
  /// been called. Source: Go's RawConn.Control.
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
  friend bool operator==(const socket_handle& a, const socket_handle& b) noexcept {
    return a.socket_.get() == b.socket_.get();
  }

 protected:
  explicit socket_handle(detail::socket_ref socket) noexcept : socket_(std::move(socket)) {}
  detail::socket* get() const noexcept { return socket_.get(); }

 private:
  detail::socket_ref socket_;

  std::error_code use_number(void* subject, void (*call)(void* subject, int fd)) const;

  friend struct detail::handle_access;
};

}  // namespace ringo::net

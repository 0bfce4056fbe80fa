#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/buffer.hpp>

namespace ringo {

namespace detail {

/// What Asio's own layers, such as ssl::stream, make their timers on. It is never run: nothing
/// asynchronous ever starts on a stream whose calls block their fiber.
inline boost::asio::io_context& idle_io_context() {
  static auto& the_one = *new boost::asio::io_context;
  return the_one;
}

class boost_category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "ringo"; }
  std::string message(int code) const override { return ringo::error_category().message(code); }
};

/// ringo's codes, for Boost.
inline const boost::system::error_category& boost_error_category() {
  static const auto& the_one = *new boost_category;
  return the_one;
}

/// The code that users of Asio test for, where there is one.
inline boost::system::error_code to_boost(const std::error_code& error) {
  if (!error) return {};
  if (error == errc::eof) return boost::asio::error::eof;
  if (error == errc::canceled) return boost::asio::error::operation_aborted;
  if (error == errc::deadline_exceeded) return boost::asio::error::timed_out;
  if (error == errc::closed) return boost::asio::error::bad_descriptor;
  if (error.category() == std::system_category() || error.category() == std::generic_category()) {
    return {error.value(), boost::system::system_category()};
  }
  return {error.value(), boost_error_category()};
}

}  // namespace detail

/// Makes a connection one of Asio's synchronous streams (SyncReadStream and SyncWriteStream), so
/// that libraries written for those run on it, each call blocking only its fiber: Boost.Beast's
/// HTTP, and TLS by boost::asio::ssl::stream. `Connection` is any of ringo's: it has `read`,
/// `write_some`, and `write` of several buffers, each with and without a context.
///
/// @snippet tests/docs/guide_net_test.cpp asio
///
/// Every call blocks as the connection's own does, until the context is done if there is one
/// (asio::error::operation_aborted, or timed_out for its deadline), or until the connection's
/// deadline (timed_out). The end of the stream is asio::error::eof, a closed connection
/// bad_descriptor; other errors are the system's. The forms without an error_code throw
/// boost::system::system_error, as Asio's do: they are the only ones in ringo that throw for what
/// the world does.
///
/// Not for the asynchronous calls (async_read and its like): they do not compile, and the executor,
/// which some layers ask for, is never run. As thread-safe as the connection: one reader and one
/// writer. Needs the headers of Boost.Asio; nothing else of ringo does.
/// Source: Boost.Asio's requirements on SyncReadStream and SyncWriteStream.
template <typename Connection>
class asio_stream {
 public:
  using next_layer_type = Connection;
  using lowest_layer_type = asio_stream;
  using executor_type = boost::asio::io_context::executor_type;

  explicit asio_stream(Connection connection) noexcept : connection_(std::move(connection)) {}
  /// Reads and writes that give up when the context is done.
  asio_stream(context ctx, Connection connection) noexcept
      : ctx_(std::move(ctx)), connection_(std::move(connection)) {}

  Connection& next_layer() noexcept { return connection_; }
  const Connection& next_layer() const noexcept { return connection_; }
  lowest_layer_type& lowest_layer() noexcept { return *this; }
  const lowest_layer_type& lowest_layer() const noexcept { return *this; }
  executor_type get_executor() noexcept { return detail::idle_io_context().get_executor(); }

  /// The context of the calls that follow; a nil one: none. Not while a call is under way.
  void set_context(context ctx) noexcept { ctx_ = std::move(ctx); }

  /// Reads at least one byte into the first buffer that has room; 0 if none has.
  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    const boost::asio::mutable_buffer first = first_of<boost::asio::mutable_buffer>(buffers);
    const io::buffer to(first.data(), first.size());
    return count_of(ctx_ ? connection_.read(ctx_, to) : connection_.read(to), error);
  }
  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    const std::size_t count = read_some(buffers, error);
    if (error) throw boost::system::system_error(error, "read_some");
    return count;
  }

  /// Writes at least one byte; of several buffers all, up to 16 in one go. 0 if there are none.
  template <typename Buffers>
  std::size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
    std::array<io::const_buffer, 16> pieces;
    std::size_t count = 0;
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end && count < pieces.size();
         ++at) {
      const boost::asio::const_buffer piece(*at);
      if (piece.size() != 0) pieces[count++] = io::const_buffer(piece.data(), piece.size());
    }
    if (count > 1) return write_all_of(std::span(pieces).first(count), error);
    return count_of(
        ctx_ ? connection_.write_some(ctx_, pieces[0]) : connection_.write_some(pieces[0]), error);
  }
  template <typename Buffers>
  std::size_t write_some(const Buffers& buffers) {
    boost::system::error_code error;
    const std::size_t count = write_some(buffers, error);
    if (error) throw boost::system::system_error(error, "write_some");
    return count;
  }

 private:
  context ctx_;
  Connection connection_;

  template <typename Buffer, typename Buffers>
  static Buffer first_of(const Buffers& buffers) {
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const Buffer found(*at);
      if (found.size() != 0) return found;
    }
    return {};
  }

  std::size_t write_all_of(std::span<const io::const_buffer> pieces,
                           boost::system::error_code& error) {
    error = detail::to_boost(ctx_ ? connection_.write(ctx_, pieces) : connection_.write(pieces));
    std::size_t count = 0;
    if (!error) {
      for (const io::const_buffer& piece : pieces) count += piece.size();
    }
    return count;
  }

  template <typename Result>
  static std::size_t count_of(const Result& result, boost::system::error_code& error) {
    error = detail::to_boost(result.error());
    return result ? *result : 0;
  }
};

template <typename Connection>
asio_stream(Connection) -> asio_stream<Connection>;
template <typename Connection>
asio_stream(context, Connection) -> asio_stream<Connection>;

}  // namespace ringo

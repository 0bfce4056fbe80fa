#pragma once

#include <cstdint>
#include <system_error>

#include <ringo/io/buffer.hpp>

#include "io/descriptor.hpp"
#include "io/io_outcome.hpp"
#include "io/io_wait.hpp"
#include "source/operation.hpp"

namespace ringo::detail {

/// The right to use the number for a scope, without a turn: for calls on files that do not depend
/// on each other.
class io_use final : io_holder {
 public:
  /// Never blocks. A cancellation that is done on entry wins.
  io_use(descriptor& of, cancellation* stop) noexcept;
  ~io_use();

  /// Why there is none: errc::closed, or the cancellation's code.
  const io_error& error() const noexcept { return error_; }

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
  io_error error_;

  void give_back() noexcept override;
};

// What takes no turn. `offset` is not negative.

/// All of `to`, or up to the end of the file; errc::eof if there is nothing.
io_outcome read_at(descriptor& from, io::buffer to, std::int64_t offset, cancellation* stop);
/// All bytes, or the count of those that were written before the error.
io_outcome write_at(descriptor& to, io::const_buffer from, std::int64_t offset, cancellation* stop);
/// fsync(2), or fdatasync(2).
enum class sync_extent : std::uint8_t { all, data };
std::error_code sync(descriptor& file, sync_extent extent, cancellation* stop);

}  // namespace ringo::detail

#pragma once

#include <array>
#include <cerrno>
#include <cstdint>

#include "io/io_slot.hpp"
#include "sched/cancellation.hpp"
#include "source/operation.hpp"

/// How a fiber, or a plain thread, waits for one operation; see source/operation.hpp for whose
/// frame it is.
///
/// An operation is listed in two places: in its io_slot (see there), and as the listener of a
/// cancellation.
///
/// Steps of a wait, by the holder of the slot's turn:
/// 1. See that the timer covers the deadline: it is set for no later moment. Park.
/// 2. At rest, in the departure: start the operation. Under the slot's lock: list it; closed, or
///    not covered any more: cancel it. Add the listener; refused: cancel it. Let go.
/// 3. Awake: take it out of the slot, under its lock, and remove the listener.
/// A plain thread takes the same steps without parking, polls, and has a bell instead of an engine;
/// its deadline is that of the poll.

namespace ringo::detail {

/// Why a dump says that the fiber waits.
enum class io_reason : std::uint8_t {
  net_read,
  net_write,
  net_accept,
  net_connect,
  io_read,
  io_write,
  io_wait,
  file
};

/// In the order of io_reason, what `Wait::kind` makes of its text.
template <typename Wait>
inline constexpr std::array<park_kind, 8> io_kinds{Wait::kind("net read"),
                                                   Wait::kind("net write"),
                                                   Wait::kind("net accept"),
                                                   Wait::kind("net connect"),
                                                   Wait::kind("io read"),
                                                   Wait::kind("io write"),
                                                   Wait::kind("io wait"),
                                                   Wait::kind("file")};

/// What a fiber holds while it waits; given back for it if it never goes on.
class io_holder {
 public:
  io_holder() = default;
  io_holder(const io_holder&) = delete;
  io_holder& operator=(const io_holder&) = delete;
  virtual void give_back() noexcept = 0;
  /// Into the CPU's cache, what the fiber needs as it goes on. By others, while it waits.
  virtual void fetch() const noexcept {}

 protected:
  ~io_holder() = default;
};

/// Waits until the operation has ended and returns its result; -EAGAIN, -ECANCELED: look at the
/// state of things, and try again. `slot` and `stop` may be null. Blocks.
std::int64_t wait_for_operation(
    operation& op, io_slot* slot, cancellation* stop, io_reason reason, io_holder* holder);

/// Says for one call whether a wait that has ended like this is worth another one: it was called
/// off, for whatever reason, or the kernel was short of memory for it (not for the call itself).
class wait_patience {
 public:
  /// May yield, and the holder is given back if the fiber never goes on; null: there is none.
  bool again(std::int64_t result, io_holder* holder) {
    if (result != -EAGAIN && result != -ECANCELED && result != -EINTR) {
      return is_shortage(result, holder);
    }
    shortages_ = 0;
    return true;
  }

 private:
  static constexpr int shortages_max = 10;  // in a row
  int shortages_ = 0;

  bool is_shortage(std::int64_t result, io_holder* holder);
};

}  // namespace ringo::detail

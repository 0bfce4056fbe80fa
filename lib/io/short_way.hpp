#pragma once

#include <cerrno>
#include <cstdint>
#include <limits>

#include <ringo/detail/config.hpp>
#include <ringo/detail/explore_point.hpp>
#include <ringo/io/buffer.hpp>

#include "io/descriptor.hpp"
#include "io/io_wait.hpp"
#include "io/ready_park.hpp"
#include "io/system_call.hpp"
#include "sched/current.hpp"
#include "sched/worker.hpp"
#include "source/engine.hpp"
#include "source/poll_entry.hpp"

/// What nearly every call of a server does, on a TCP connection without a deadline: take the turn,
/// which nobody else has; wait, if it is a read and the last one has emptied the socket; make one
/// system call; give the turn back.
///
/// To be inlined into the public function, and kept small. On the way back from the kernel each
/// line of code comes out of a slower cache, and each return behind a switch is predicted wrongly.
///
/// All else goes the long way, which is read_write.hpp's; nothing was done then.
///
/// A wait here looks at less than one of the long way does. The entry is registered, and whoever
/// registered it has seen an open descriptor after the entry was known: hence close() finds the
/// entry. And it announces itself there when nobody can take the turn any more, and with it the
/// announcement.

namespace ringo::detail {

/// Of one call; what it holds while it waits.
class short_way final : io_holder {
 public:
  static constexpr std::int64_t not_taken = std::numeric_limits<std::int64_t>::min();

  /// What recv(2) returns, or -errno; or `not_taken`.
  [[gnu::always_inline]] static inline std::int64_t read(descriptor& from, io::buffer to);
  /// What send(2) returns, or -errno; or `not_taken`. Unless it has sent all, the caller has the
  /// turn to write: see write_on().
  [[gnu::always_inline]] static inline std::int64_t write(descriptor& to, io::const_buffer from);

 private:
  descriptor& of_;
  descriptor::side& side_;
  const std::byte* const data_;

  short_way(descriptor& of, direction d, io::const_buffer bytes) noexcept
      : of_(of), side_(of.sides_[static_cast<std::size_t>(d)]), data_(bytes.data()) {}

  /// Has the turn then. Of a deadline only what was set before it asked for that is known.
  bool begin(worker* here, std::size_t size) noexcept {
    return here != nullptr && of_.kind_ == descriptor_kind::tcp && size != 0 &&
           !exploring.load(std::memory_order_relaxed) &&  // relaxed: set before the run began
           !has_deadline() && !here->calls_enough() && side_.lock.try_take();
  }
  bool has_deadline() const noexcept {
    // relaxed: who has set one announces it then, or the turn's last holder has seen that
    return side_.slot.deadline.load(std::memory_order_relaxed) != never;
  }
  /// The entry that will tell of the next news, of which there are none yet. Null: try.
  poll_entry* entry_without_news(const worker& here) const noexcept;
  void end() noexcept { of_.end_turn(side_); }
  /// Not instrumented: reads another fiber's stack, which is at rest.
  RINGO_NO_TSAN void fetch() const noexcept override {
    of_.fetch();
    __builtin_prefetch(data_, 1);
  }
  void give_back() noexcept override { end(); }
};

inline poll_entry* short_way::entry_without_news(const worker& here) const noexcept {
  poll_entry* const entry = side_.slot.entry.load();
  // The second: its engine may be gone with the run that registered it.
  if (entry == nullptr || here.abandoned()) return nullptr;
  if (!entry->is_quiet(engine_generation())) return nullptr;
  return entry->home.load()->attended() || !here.source().attended() ? entry : nullptr;
}

inline std::int64_t short_way::read(descriptor& from, io::buffer to) {
  short_way self(from, direction::reading, to);
  worker* const here = current_worker();
  if (RINGO_UNLIKELY(!self.begin(here, to.size()))) return not_taken;
  // Anew: with the turn it is sure that the wait will hear of a deadline that is set from now on,
  // and that of one which was set before nobody else has taken the announcement for his.
  if (RINGO_LIKELY(self.side_.drained && !self.has_deadline())) {
    self.side_.drained = false;
    if (poll_entry* const entry = self.entry_without_news(*here)) {
      here->refuse_if_forked();
      park_until_ready(
          *here, {*entry, poll_entry::reading, from.fd_}, nullptr, io_reason::net_read, &self);
    }
  }
  std::int64_t result = not_taken;
  if (RINGO_LIKELY(!self.has_deadline() && !from.is_closed())) {
    result = receive_now(from.fd_, to.data(), to.size(), 0);
    // After -EAGAIN the long way is to wait before it tries.
    self.side_.drained = empties(result, to.size()) || result == -EAGAIN;
    if (RINGO_UNLIKELY(result == -EAGAIN)) result = not_taken;
  }
  self.end();
  return result;
}

inline std::int64_t short_way::write(descriptor& to, io::const_buffer from) {
  short_way self(to, direction::writing, from);
  if (RINGO_UNLIKELY(!self.begin(current_worker(), from.size()))) return not_taken;
  if (RINGO_UNLIKELY(to.is_closed())) {
    self.end();
    return not_taken;
  }
  const std::int64_t result = send_now(to.fd_, from.data(), from.size(), MSG_NOSIGNAL);
  if (RINGO_LIKELY(result == static_cast<std::int64_t>(from.size()))) self.end();
  return result;
}

}  // namespace ringo::detail

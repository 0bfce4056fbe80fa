#include "io/descriptor.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringo/detail/explore_point.hpp>
#include <ringo/error.hpp>

#include "io/ready_wait.hpp"
#include "sched/bubble.hpp"
#include "sched/cancellation.hpp"
#include "source/poll_entry.hpp"

namespace ringo::detail {

descriptor::~descriptor() {
  if (!is_closed() && begin_use()) {
    uses_.fetch_or(closed);
    close_sides();
    end_use();
  }
}

descriptor_kind kind_of_socket(int fd) noexcept {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0;
  return known && protocol == IPPROTO_TCP ? descriptor_kind::tcp : descriptor_kind::socket;
}

void retain(descriptor& d) noexcept {
  d.handles_.fetch_add(1, std::memory_order_relaxed);  // relaxed: the caller has a handle
}

void release(descriptor& d) noexcept {
  if (d.handles_.fetch_sub(1) == 1) delete &d;
}

/// The last use of a closed descriptor is over.
void descriptor::finish() noexcept {
  for (side& s : sides_) s.slot.retire();
  if (poll_entry* entry = entry_.exchange(nullptr)) drop_entry(*entry);
  if (!released_.load()) ::close(fd_);
  unused_.finish();
}

void descriptor::close_sides() noexcept {
  for (side& s : sides_) {
    const bool unused = s.lock.close();
    s.slot.close();
    if (unused) end_use();
  }
}

std::error_code descriptor::close_number(number then) {
  std::uint32_t seen = uses_.load();
  do {
    if ((seen & closed) != 0) return errc::closed;
  } while (!uses_.compare_exchange_weak(seen, (seen | closed) + use));
  released_.store(then == number::kept);  // this use comes before the last one's end
  close_sides();
  end_use();
  unused_.wait();
  return {};
}

std::error_code descriptor::close() {
  explore_point();
  return close_number(number::closed);
}

result<int> descriptor::release() {
  explore_point();
  if (const auto error = close_number(number::kept)) return error;
  return fd_;
}

io_error descriptor::obstacle(direction d, const cancellation* stop) const noexcept {
  if (is_closed()) return errc::closed;
  if (const auto code = code_if_done(stop)) return code;
  if (sides_[static_cast<std::size_t>(d)].slot.expired()) return errc::deadline_exceeded;
  return {};
}

std::error_code descriptor::set_deadline(direction d, time_point until) noexcept {
  if (!begin_use()) return errc::closed;
  sides_[static_cast<std::size_t>(d)].slot.move_deadline(real_time(until));
  end_use();
  return {};
}

poll_entry& descriptor::make_entry() {
  poll_entry* known = nullptr;
  poll_entry* const taken = take_poll_entry();
  if (entry_.compare_exchange_strong(known, taken)) {
    known = taken;
  } else {
    give_back(*taken);
  }
  for (side& s : sides_) s.slot.entry.store(known);
  return *known;
}

}  // namespace ringo::detail

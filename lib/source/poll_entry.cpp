#include "source/poll_entry.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <ringo/detail/assert.hpp>

namespace ringo::detail {
namespace {

constexpr std::size_t chunk_entries = 64;

class poll_entry_pool {
 public:
  static poll_entry_pool& instance() {
    static auto& the_one = *new poll_entry_pool;
    return the_one;
  }

  poll_entry* take() {
    spin_guard guard(lock_);
    if (unused_ == nullptr) grow();
    poll_entry* entry = unused_;
    unused_ = entry->next;
    return entry;
  }

  void give_back(poll_entry& entry) noexcept {
    spin_guard guard(lock_);
    entry.next = unused_;
    unused_ = &entry;
  }

 private:
  spinlock lock_;
  poll_entry* unused_ RINGO_GUARDED_BY(lock_) = nullptr;
  poll_entry* chunks_ RINGO_GUARDED_BY(lock_) =
      nullptr;  // keeps them reachable, by their first entry

  /// The first entry of a chunk is the link to the chunk before.
  void grow() RINGO_REQUIRES(lock_) {
    auto* chunk = new poll_entry[chunk_entries + 1];
    chunk[0].next = chunks_;
    chunks_ = chunk;
    for (std::size_t i = chunk_entries; i > 0; --i) {
      chunk[i].next = unused_;
      unused_ = &chunk[i];
    }
  }
};

}  // namespace

std::size_t poll_entry::tell(std::uint32_t events, fiber** found) noexcept {
  constexpr std::uint32_t failed = EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLRDHUP | EPOLLPRI | failed)) != 0) hung_up.store(true);
  const bool both = (events & failed) != 0 || one_shot.load();
  std::size_t count = 0;
  if (both || (events & readable_events) != 0) {
    if (fiber* who = announce(reading)) found[count++] = who;
  }
  if (both || (events & EPOLLOUT) != 0) {
    if (fiber* who = announce(writing)) found[count++] = who;
  }
  return count;
}

void poll_entry::leave_set() noexcept {
  if (duplicate >= 0) ::close(duplicate);
  duplicate = -1;
  generation.store(0);
}

poll_entry* take_poll_entry() {
  return poll_entry_pool::instance().take();
}

void give_back(poll_entry& entry) noexcept {
  RINGO_ASSERT(entry.generation.load() == 0);
  for (auto& word : entry.waiting) {
    std::uintptr_t expected = poll_entry::ready;
    word.compare_exchange_strong(expected, poll_entry::nobody);
    RINGO_VERIFY(expected <= poll_entry::ready);
  }
  entry.hung_up.store(false);
  poll_entry_pool::instance().give_back(entry);
}

}  // namespace ringo::detail

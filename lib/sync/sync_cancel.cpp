#include "sync/sync_cancel.hpp"

namespace ringo::detail {

template <typename Word>
void call_off(cancellation::listener& listener, cancellation::walk& found) noexcept {
  using queue = sync_queue<Word>;
  auto& self = *static_cast<sync_waiter<Word>*>(static_cast<sync_listener&>(listener).waiter);
  queue* const owner = self.owner.load();
  if (owner == nullptr) return;
  const Word word = owner->lock();
  if (!self.linked) {
    self.called_off = true;
    owner->publish(word);
    return;
  }
  owner->erase(&self);
  self.outcome = wait_outcome::called_off;
  self.owner.store(nullptr);
  owner->publish(owner->empty() ? word & ~queue::waiting : word);
  found.woken.push(self.who);
}

template void call_off<std::uint32_t>(cancellation::listener& listener,
                                      cancellation::walk& found) noexcept;
template void call_off<std::uint64_t>(cancellation::listener& listener,
                                      cancellation::walk& found) noexcept;

}  // namespace ringo::detail

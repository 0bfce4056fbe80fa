#include "source/ring.hpp"

#include <algorithm>

#include <ringo/detail/assert.hpp>

/// The ring engine's life, and what the owner does between running fibers.

namespace ringo::detail {
namespace {

// Until the kernel is asked again after it was short of memory; until a test's late completion.
constexpr auto retry_patience = std::chrono::milliseconds(1);

}  // namespace

ring_engine::ring_engine(const ring_fault_plan* faults) : epoll_engine(this) {
  if (faults != nullptr) faults_ = std::make_unique<ring_faults>(*faults);
}

ring_engine::~ring_engine() {
  RINGO_ASSERT(!busy());
}

std::error_code ring_engine::open() noexcept {
  if (auto error = epoll_engine::open()) return error;
  const auto error =
      open_ring(queues_, abilities_, faults_ != nullptr ? &faults_->plan() : nullptr);
  if (error) return error;
  queues_.set_faults(faults_.get());
  return {-watch(queues_.fd()), std::system_category()};
}

bool ring_engine::owned_by_caller() const noexcept {
  // relaxed: whoever sees its own name has written it
  return owner_.load(std::memory_order_relaxed) == ::pthread_self();
}

void ring_engine::own() noexcept {
  if (RINGO_UNLIKELY(!owned_by_caller())) owner_.store(::pthread_self());
}

/// Hands everything queued to the kernel, and makes it post what it holds back.
void ring_engine::submit() noexcept {
  if (queues_.unsubmitted() != 0) {
    queues_.submit();
  } else if (queues_.attention_due()) {
    queues_.fetch();
  }
}

void ring_engine::wait(time_point deadline, fiber_queue& ended) noexcept {
  own();
  serve(ended);
  submit();
  const bool stuck = queues_.unsubmitted() != 0 || !waiting_.empty() || !mail_.empty();
  if (stuck || (faults_ != nullptr && faults_->keeps_any())) {
    deadline = std::min(deadline, steady_clock::now() + retry_patience);
  }
  if (!ended.empty() || queues_.completion_pending()) deadline = time_point::min();
  epoll_engine::wait(deadline, ended);
  collect(ended);
}

bool ring_engine::reap(fiber_queue& ended) noexcept {
  const bool by_owner = owned_by_caller();
  if (by_owner) {
    serve(ended);
    submit();
  } else if (queues_.overflown()) {
    queues_.fetch();
  }
  bool more = collect(ended);
  if (!by_owner) more |= serve_mail_for_owner(ended);
  more |= epoll_engine::reap(ended);
  return more;
}

/// A letter that comes meanwhile is announced by the wake event, and served by whoever waits for
/// that on the set's descriptor.
void ring_engine::leave() noexcept {
  own();
  queue_waiting();
  queues_.submit();
  owner_.store(pthread_t{});
}

std::unique_ptr<engine> make_ring_engine(std::error_code& error) {
  ring_fault_plan room;
  auto made = std::make_unique<ring_engine>(faults_from_environment(room));
  error = made->open();
  if (error) return nullptr;
  return made;
}

std::unique_ptr<engine> make_ring_engine(const ring_fault_plan& faults, std::error_code& error) {
  auto made = std::make_unique<ring_engine>(&faults);
  error = made->open();
  if (error) return nullptr;
  return made;
}

}  // namespace ringo::detail

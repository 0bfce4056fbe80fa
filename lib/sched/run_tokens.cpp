#include <ringo/error.hpp>

#include "sched/scheduler.hpp"

/// How run tokens move between workers; the rules are in scheduler.hpp.

namespace ringo::detail {

void scheduler::give_token(worker* to) noexcept {
  to->has_token = true;
  gate_.rest_ends();  // counted by the giver, so that nobody takes the moment in between for a deadlock
  to->source().wake();
}

worker* scheduler::spare_or_new() {
  if (!spares_.empty()) {
    worker* spare = spares_.back();
    spares_.pop_back();
    return spare;
  }
  std::error_code error;
  auto source = new_engine(error);
  if (error) fatal("thread limit reached: no engine for another worker (RLIMIT_MEMLOCK or RLIMIT_NOFILE)");
  return add_worker(std::move(source));
}

void scheduler::hand_over(worker& from, worker& home, fiber* f) noexcept {
  spin_guard guard(token_lock_);
  home.handed = f;
  if (home.has_token) return;  // it is on its way to give it up, and will see the fiber first
  from.has_token = false;
  spares_.push_back(&from);
  give_token(&home);
}

fiber* scheduler::take_handed_or_give_token(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (w.handed != nullptr) {
    fiber* f = w.handed;
    w.handed = nullptr;
    return f;
  }
  if (!w.has_token) return nullptr;
  w.has_token = false;
  const std::uint32_t before = worker_count();
  worker* heir = spare_or_new();
  if (heir->index() == before) {  // a new thread is awake from its start
    heir->has_token = true;
    start_thread(heir);
  } else {
    give_token(heir);
  }
  return nullptr;
}

bool scheduler::give_up_token(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (surplus_ == 0 || !w.has_token) return false;
  --surplus_;
  w.has_token = false;
  spares_.push_back(&w);
  return true;
}

bool scheduler::rest_begins(worker& w) noexcept {
  bool last = false;
  {
    spin_guard guard(token_lock_);
    if (w.has_token || stopping_.load()) return true;
    last = gate_.rest_begins();
  }
  if (last) check_deadlock();
  return false;
}

bool scheduler::rest_ends(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (w.has_token) return true;
  gate_.rest_ends();
  return stopping_.load();
}

std::uint32_t scheduler::set_tokens(int wanted) {
  spin_guard guard(token_lock_);
  const std::uint32_t old = tokens_.load();
  if (wanted < 1 || stopping_.load()) return old;
  const auto now = std::min(static_cast<std::uint32_t>(wanted), settings_.threads_max);
  tokens_.store(now);
  if (now < old) {
    surplus_ += old - now;
    for (std::uint32_t i = 0; i < worker_count(); ++i) worker_at(i)->call(worker::token_asked);
    return old;
  }
  std::uint32_t missing = now - old;
  const std::uint32_t kept = std::min(missing, surplus_);
  surplus_ -= kept;
  for (missing -= kept; missing > 0; --missing) {
    const std::uint32_t before = worker_count();
    worker* w = spare_or_new();
    if (w->index() == before) {
      w->has_token = true;
      start_thread(w);
    } else {
      give_token(w);
    }
  }
  return old;
}

}  // namespace ringo::detail

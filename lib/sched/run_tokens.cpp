#include <ringo/error.hpp>

#include "sched/scheduler.hpp"

/// How run tokens move between workers; the rules are in scheduler.hpp.

namespace ringo::detail {

void scheduler::give_token(worker* to) noexcept {
  to->has_token = true;
  gate_.rest_ends();  // counted by the giver, so that nobody takes the moment in between for a
                      // deadlock
  if (surplus_ > 0) to->call(worker::token_asked);  // it may have been asked while it had none
  to->source().wake();
}

worker* scheduler::spare_or_new() {
  if (!spares_.empty()) {
    worker* spare = spares_.back();
    spares_.pop_back();
    return spare;
  }
  std::error_code error;
  auto source = spare_engine(error);
  if (error) fatal("thread limit reached: no engine for another worker (RLIMIT_NOFILE)");
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
  if (w.handed != nullptr && w.has_token) {
    fiber* f = w.handed;
    w.handed = nullptr;
    return f;
  }
  if (w.has_token) {
    w.has_token = false;
    give_token_to_some_spare();
  }
  return nullptr;
}

void scheduler::give_token_to_some_spare() {
  if (stopping_.load()) return;  // nobody needs it any more, and no worker may be added
  const std::uint32_t before = worker_count();
  worker* heir = spare_or_new();
  if (heir->index() == before) {  // a new thread is awake from its start
    heir->has_token = true;
    start_thread(heir);
    if (surplus_ > 0) heir->call(worker::token_asked);
  } else {
    give_token(heir);
  }
}

/// False: it has none, or nobody needs it any more.
bool scheduler::move_token(worker& from) {
  if (!from.has_token || stopping_.load()) return false;
  from.has_token = false;
  if (from.counts_as_relieved()) count_blocked(-1);
  from.mark(worker::token_lost);
  handoffs_.fetch_add(1);
  give_token_to_some_spare();
  return true;
}

void scheduler::pass_token_on(worker& w) {
  spin_guard guard(token_lock_);
  move_token(w);
}

bool scheduler::may_add_worker() const noexcept {
  return worker_count() < settings_.threads_max;
}

void scheduler::relieve(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (spares_.empty() && !may_add_worker()) return;
  if (w.current() != nullptr) move_token(w);  // else it has just come by
}

void scheduler::relieve_one_that_blocks() noexcept {
  spin_guard guard(token_lock_);
  if (!running_.load() || (spares_.empty() && !may_add_worker())) return;
  for (std::uint32_t i = 0; i < worker_count(); ++i) {
    worker& w = *worker_at(i);
    if (w.blocks_with_token() && move_token(w)) return;
  }
}

bool scheduler::becomes_spare(worker& w, bool is_pinned) noexcept {
  spin_guard guard(token_lock_);
  if (w.has_token) return true;
  // A pinned worker's thread is not for others.
  if (!is_pinned) spares_.push_back(&w);
  return false;
}

void scheduler::give_up_token(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (surplus_ == 0 || !w.has_token || w.handed != nullptr) return;
  --surplus_;
  w.has_token = false;
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
  if (wanted < 1 || stopping_.load()) return tokens_.load();
  follows_cpus_.store(false);
  return change_tokens(static_cast<std::uint32_t>(wanted));
}

void scheduler::follow_cpus(time_point now) noexcept {
  constexpr auto interval = std::chrono::seconds(1);
  if (!follows_cpus_.load() || !is_due(cpus_at_, now, interval)) return;
  // The mask of the thread in run(): a pinned fiber may have changed that of this one.
  const std::uint32_t cpus = count_cpus_(caller_thread_.load());
  if (cpus == cpus_.load()) return;
  spin_guard guard(token_lock_);
  if (!follows_cpus_.load() || stopping_.load()) return;
  cpus_.store(cpus);
  change_tokens(cpus);
}

std::uint32_t scheduler::change_tokens(std::uint32_t wanted) {
  const std::uint32_t old = tokens_.load();
  const auto now = std::min(wanted, settings_.threads_max);
  tokens_.store(now);
  if (now < old) {
    surplus_ += old - now;
    for (std::uint32_t i = 0; i < worker_count(); ++i) worker_at(i)->call(worker::token_asked);
    return old;
  }
  std::uint32_t missing = now - old;
  const std::uint32_t kept = std::min(missing, surplus_);
  surplus_ -= kept;
  for (missing -= kept; missing > 0; --missing) give_token_to_some_spare();
  return old;
}

}  // namespace ringo::detail

#include <memory>

#include <ringo/error.hpp>

#include "base/futex.hpp"
#include "sched/scheduler.hpp"

/// How run tokens move between workers; the rules are in scheduler.hpp.

namespace ringo::detail {

void scheduler::give_token(worker* to) noexcept {
  to->set_token(true);
  // Counted by the giver, so that nobody takes the moment in between for a deadlock.
  if (to->resting) gate_.rest_ends();
  to->resting = false;
  if (surplus_ > 0) to->mark(worker::token_asked);  // it may have been asked while it had none
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

bool scheduler::hand_over(worker& from, worker& home, fiber* f) noexcept {
  spin_guard guard(token_lock_);
  if (!home.has_token() && !from.has_token()) return false;
  home.handed = f;
  if (home.has_token())
    return true;  // it is on its way to give it up, and will see the fiber first
  from.set_token(false);
  spares_.push_back(&from);
  give_token(&home);
  return true;
}

fiber* scheduler::take_handed_or_give_token(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (w.handed != nullptr && w.has_token()) {
    fiber* f = w.handed;
    w.handed = nullptr;
    return f;
  }
  if (w.has_token()) {
    w.set_token(false);
    give_token_to_some_spare();
  }
  return nullptr;
}

void scheduler::give_token_to_some_spare() {
  if (stopping_.load()) return;  // nobody needs it any more, and no worker may be added
  const std::uint32_t before = worker_count();
  worker* heir = spare_or_new();
  if (heir->index() == before) {  // a new thread is awake from its start
    heir->set_token(true);
    start_thread(heir);
    if (surplus_ > 0) heir->call(worker::token_asked);
  } else {
    give_token(heir);
  }
}

/// For somebody else, who gets it right after.
void scheduler::take_token(worker& from) noexcept {
  from.set_token(false);
  if (from.counts_as_relieved()) count_blocked(-1);
  from.mark(worker::token_lost);
  handoffs_.fetch_add(1);
}

void scheduler::pass_token_on(worker& w) {
  spin_guard guard(token_lock_);
  if (!w.has_token() || stopping_.load()) return;
  take_token(w);
  give_token_to_some_spare();
}

bool scheduler::may_add_worker() const noexcept {
  return worker_count() < settings_.threads_max;
}

/// It is still busy with a fiber, and has a token.
bool scheduler::may_relieve(const worker& w) const noexcept {
  return w.has_token() && w.current() != nullptr && !stopping_.load();
}

bool scheduler::relieve_by_spare(worker& w) noexcept {
  if (spares_.empty()) return false;
  worker* heir = spares_.back();
  spares_.pop_back();
  take_token(w);
  give_token(heir);
  return true;
}

namespace {

/// A thread that waits to be told which worker it is: so that it is known to exist before anything
/// depends on it.
class unborn_thread {
 public:
  explicit unborn_thread(const sigset_t& mask) : self_(std::make_unique<state>(mask)) {
    refused_ = ::pthread_create(&thread_, nullptr, &unborn_thread::body, self_.get()) != 0;
  }
  unborn_thread(const unborn_thread&) = delete;
  unborn_thread& operator=(const unborn_thread&) = delete;
  ~unborn_thread() {
    if (refused_ || self_ == nullptr) return;
    ::pthread_detach(thread_);
    become(nullptr);
  }

  explicit operator bool() const noexcept { return !refused_; }
  pthread_t thread() const noexcept { return thread_; }
  /// Once.
  void become(worker* w) noexcept {
    state* told = self_.release();  // the thread's from now on
    told->whose = w;
    told->born.store(1);
    futex_wake(told->born, 1);
  }

 private:
  struct state {
    sigset_t mask;
    worker* whose = nullptr;
    std::atomic<std::uint32_t> born{0};  // futex

    explicit state(const sigset_t& wanted) noexcept : mask(wanted) {}
  };

  std::unique_ptr<state> self_;
  pthread_t thread_{};
  bool refused_ = true;

  static void* body(void* argument) {
    const std::unique_ptr<state> self(static_cast<state*>(argument));
    while (self->born.load() == 0) futex_wait(self->born, 0, nanoseconds(-1));
    worker* w = self->whose;
    ::pthread_sigmask(SIG_SETMASK, &self->mask, nullptr);
    if (w != nullptr) w->run();
    return nullptr;
  }
};

}  // namespace

bool scheduler::relieve(worker& w) noexcept {
  {
    spin_guard guard(token_lock_);
    if (!may_relieve(w) || relieve_by_spare(w)) return true;
    if (!may_add_worker()) return false;
  }
  std::error_code error;
  auto source = spare_engine(error);
  if (error) return false;
  unborn_thread started(signal_mask_);
  if (!started) return false;
  spin_guard guard(token_lock_);
  if (stopping_.load() || !may_add_worker()) return false;
  worker* heir = add_worker(std::move(source));
  if (may_relieve(w)) {
    take_token(w);
    heir->set_token(true);
    if (surplus_ > 0) heir->mark(worker::token_asked);
  } else {
    heir->mark(worker::token_lost);  // it goes to the spares
  }
  keep_thread(heir, started.thread());
  started.become(heir);
  return true;
}

void scheduler::relieve_one_that_blocks() noexcept {
  bool relieved = false;
  {
    spin_guard guard(token_lock_);
    if (!running_.load() || stopping_.load()) return;
    for (std::uint32_t i = 0; i < worker_count() && !relieved; ++i) {
      worker& w = *worker_at(i);
      relieved = w.blocks_with_token() && may_relieve(w) && relieve_by_spare(w);
    }
  }
  if (!relieved) monitor_.ring();  // it may start a thread
}

bool scheduler::becomes_spare(worker& w, bool is_pinned) noexcept {
  spin_guard guard(token_lock_);
  if (w.has_token()) return true;
  // A pinned worker's thread is not for others.
  if (!is_pinned) spares_.push_back(&w);
  return false;
}

void scheduler::give_up_token(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (surplus_ == 0 || !w.has_token() || w.handed != nullptr) return;
  --surplus_;
  w.set_token(false);
}

bool scheduler::rest_begins(worker& w) noexcept {
  bool last = false;
  {
    spin_guard guard(token_lock_);
    if (w.has_token() || stopping_.load()) return true;
    w.resting = true;
    last = gate_.rest_begins();
  }
  if (last) check_deadlock();
  return false;
}

bool scheduler::rest_ends(worker& w) noexcept {
  spin_guard guard(token_lock_);
  if (w.has_token()) return true;
  if (w.resting) gate_.rest_ends();
  w.resting = false;
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
    for (std::uint32_t i = 0; i < worker_count(); ++i) worker_at(i)->mark(worker::token_asked);
    return old;
  }
  std::uint32_t missing = now - old;
  const std::uint32_t kept = std::min(missing, surplus_);
  surplus_ -= kept;
  for (missing -= kept; missing > 0; --missing) give_token_to_some_spare();
  return old;
}

}  // namespace ringo::detail

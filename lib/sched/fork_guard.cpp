#include "sched/fork_guard.hpp"

#include <atomic>

#include <pthread.h>

#include <ringo/error.hpp>

#include "sched/current.hpp"
#include "sched/scheduler.hpp"
#include "sched/traceback.hpp"
#include "sched/worker.hpp"
#include "source/engine.hpp"
#include "source/pipe_pool.hpp"

namespace ringo::detail {
namespace {

std::atomic<bool> forked{false};

void in_child() noexcept {
  leave_reports_to_parent();
  pipe_pool::instance().forget();
  next_engine_generation();  // the sets are the parent's too: nothing may be taken out of them
  if (!scheduler::instance().running()) return;  // no runtime was alive: nothing is broken
  forked.store(true);
  // A fiber that called fork() goes on in the child until its next scheduling point.
  if (worker* w = current_worker()) w->call(worker::forked);
}

}  // namespace

void install_fork_handler() noexcept {
  static const bool installed = ::pthread_atfork(nullptr, nullptr, in_child) == 0;
  static_cast<void>(installed);
}

void refuse_after_fork() noexcept {
  if (forked.load()) fatal("ringo used in the child of a fork");
}

}  // namespace ringo::detail

#include <ringo/runtime.hpp>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <string>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/error.hpp>
#include <ringo/go.hpp>

#include "fiber/fiber.hpp"
#include "sched/cpu_quota.hpp"
#include "sched/current.hpp"
#include "sched/exploration.hpp"
#include "sched/fork_guard.hpp"
#include "sched/open_files_limit.hpp"
#include "sched/run_number.hpp"
#include "sched/scheduler.hpp"
#include "sched/signal_stack.hpp"
#include "sched/statistics.hpp"
#include "sched/traceback.hpp"
#include "sched/tracer.hpp"
#include "sched/worker.hpp"

namespace ringo {
namespace detail {
namespace {

std::atomic<bool> run_in_progress{false};

const char* environment(const char* name) noexcept {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once, at start
  return value != nullptr && *value != '\0' ? value : nullptr;
}

/// The number in an environment variable; 0 when it is not set.
long long number_from(const char* variable, const char* text) {
  errno = 0;
  char* end = nullptr;
  const long long number = std::strtoll(text, &end, 10);
  if (*end != '\0' || errno != 0 || number < 1) {
    panic(std::string("run: ") + variable + ": not a positive number: \"" + text + "\"");
  }
  return number;
}

std::uint32_t wanted_workers(const options& wanted, settings& result) {
  long long number = wanted.workers;
  if (number < 0) panic("run: workers: not a positive number: \"" + std::to_string(number) + "\"");
  if (number == 0) {
    const char* text = environment("RINGO_MAXPROCS");
    number = text != nullptr ? number_from("RINGO_MAXPROCS", text) : result.cpus;
    result.workers_by_default = text == nullptr;
  }
  if (number > wanted.max_threads) {
    panic("run: workers: more than max_threads: \"" + std::to_string(number) + "\"");
  }
  return static_cast<std::uint32_t>(number);
}

std::size_t wanted_stack_size(const options& wanted) {
  std::size_t size = wanted.stack_size;
  if (size == 0) {
    const char* text = environment("RINGO_STACK_SIZE");
    size = text != nullptr ? static_cast<std::size_t>(number_from("RINGO_STACK_SIZE", text))
                           : stack_size_default;
  }
  if (size < stack_size_min || size > stack_size_max) panic("run: stack_size out of range");
  return stack_size_rounded(size);
}

settings::engine_choice wanted_engine(const options& wanted) {
  using choice = settings::engine_choice;
  switch (wanted.engine) {
    case ringo::engine::io_uring: return choice::io_uring;
    case ringo::engine::epoll: return choice::epoll;
    case ringo::engine::automatic: break;
  }
  const char* text = environment("RINGO_ENGINE");
  if (text == nullptr) return choice::automatic;
  const std::string name = text;
  if (name == "automatic") return choice::automatic;
  if (name == "io_uring") return choice::io_uring;
  if (name == "epoll") return choice::epoll;
  panic("run: RINGO_ENGINE: neither automatic, io_uring nor epoll: \"" + name + "\"");
}

settings resolve(const options& wanted) {
  if (wanted.max_threads < 1) {
    panic("run: max_threads: not a positive number: \"" + std::to_string(wanted.max_threads) +
          "\"");
  }
  if (wanted.exit_grace.count() < 0) {
    panic("run: exit_grace: negative: \"" + std::to_string(wanted.exit_grace.count()) + "\"");
  }
  settings result;
  result.cpus = scheduler::instance().count_cpus();
  result.threads_max = static_cast<std::uint32_t>(wanted.max_threads);
  result.workers = wanted_workers(wanted, result);
  result.stack_size = wanted_stack_size(wanted);
  result.engine = wanted_engine(wanted);
  result.exit_grace = wanted.exit_grace;
  return result;
}

/// Allows one run at a time.
class run_guard {
 public:
  run_guard() {
    if (current_worker() != nullptr || run_in_progress.exchange(true))
      panic("run: already running");
  }
  run_guard(const run_guard&) = delete;
  run_guard& operator=(const run_guard&) = delete;
  ~run_guard() { run_in_progress.store(false); }
};

/// As in Go, a report wins over the end of main: whoever prints it ends the process.
void wait_for_last_report() noexcept {
  while (last_report_begun()) ::pause();
}

}  // namespace

void run_main(const options& wanted, void (*body)(void*), void* argument) {
  refuse_after_fork();
  const run_guard guard;
  run_number.fetch_add(1);
  scheduler& s = scheduler::instance();
  install_overflow_handler();
  install_fork_handler();
  raise_open_files_limit();
  install_quit_handler(s.caller_word());
  s.register_caller(static_cast<std::int32_t>(::syscall(SYS_gettid)));
  const settings chosen = resolve(wanted);
  trace_as_environment_says();
  s.start(chosen);
  std::exception_ptr thrown;
  try {
    prepared_fiber prepared({.name = "main"}, __builtin_return_address(0));
    prepared.body().emplace([&s, &thrown, body, argument] {
      s.arm(true);
      try {
        body(argument);
      } catch (...) {
        if (current_fiber()->exiting.load()) throw;  // goexit: the others go on
        thrown = std::current_exception();
      }
      s.arm(false);
      current_worker()->run_no_more();
      s.main_ended();
    });
    prepared.start();
  } catch (...) {  // no memory for the main fiber
    s.stop();
    remove_quit_handler();
    throw;
  }
  __builtin_unwind_init();  // puts registers into this frame, where a search for leaks finds them
  s.serve_until_main_ended();
  wait_for_last_report();
  s.stop();
  remove_quit_handler();
  wait_for_last_report();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace detail

int workers() noexcept {
  return set_workers(0);
}

int set_workers(int n) {
  if (detail::exploring.load()) n = 0;  // one worker it is
  std::uint32_t before = 0;
  detail::scheduler::instance().visit([&](detail::scheduler& s) { before = s.set_tokens(n); });
  return static_cast<int>(before);
}

std::size_t num_fibers() noexcept {
  std::size_t count = 0;
  detail::scheduler::instance().visit([&](detail::scheduler& s) { count = s.num_fibers(); });
  return count;
}

statistics stats() noexcept {
  statistics result;
  detail::scheduler::instance().visit([&](detail::scheduler& s) { detail::count_all(s, result); });
  detail::count_stacks(result);
  return result;
}

}  // namespace ringo

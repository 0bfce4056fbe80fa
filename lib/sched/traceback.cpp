#include "sched/traceback.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ringo/error.hpp>

#include "base/print.hpp"
#include "base/signal_action.hpp"
#include "base/write_all.hpp"
#include "sched/snapshot.hpp"

namespace ringo::detail {
namespace {

enum asked : std::uint32_t { quit = 1, others = 2, others_shown = 4 };
constinit std::atomic<std::uint32_t> reports_asked{0};  // atomic: bits of the above
std::atomic<std::uint64_t> shown_already{0};            // atomic: by print_other_fibers()
// Of the thread in run(); null: there is no run. Atomic: the handler may come at any time.
constinit std::atomic<std::atomic<std::uint32_t>*> caller_word{nullptr};

void on_quit(int signal, siginfo_t* info, void* where);

bool is_ours(const struct sigaction& action) noexcept {
  return action.sa_sigaction == &on_quit;
}

RINGO_UNINSTRUMENTED void ask_caller(std::atomic<std::uint32_t>& word, asked what) noexcept {
  reports_asked.fetch_or(what);
  word.fetch_add(2);
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

RINGO_UNINSTRUMENTED void on_quit(int signal, siginfo_t* /*info*/, void* /*where*/) {
  const int saved = errno;
  if (auto* const word = caller_word.load()) {
    ask_caller(*word, quit);
  } else {
    struct sigaction by_default;  // NOLINT: initialised member by member
    by_default.sa_handler = SIG_DFL;
    by_default.sa_flags = 0;
    ::sigemptyset(&by_default.sa_mask);
    change_action(signal, &by_default, nullptr);
    ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), signal);
  }
  errno = saved;
}

}  // namespace

traceback wanted_traceback() noexcept {
  const char* text = std::getenv("RINGO_TRACEBACK");  // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr) return traceback::single;
  const auto is = [text](const char* other) { return std::strcmp(text, other) == 0; };
  if (is("none") || is("0")) return traceback::none;
  if (is("all") || is("1")) return traceback::all;
  if (is("system") || is("2")) return traceback::system;
  return is("crash") ? traceback::crash : traceback::single;
}

void print_all_fibers(std::uint64_t but) noexcept {
  if (wanted_traceback() == traceback::none) return;
  try {
    snapshot all = snapshot::take();
    std::erase_if(all.fibers, [but](const fiber_entry& f) { return f.id == but; });
    const std::string text = "\n" + text_of(all);
    static_cast<void>(write_all(2, text.data(), text.size()));
  } catch (const std::bad_alloc&) {
    print_error("ringo: no memory to list the fibers\n");
  }
}

void print_other_fibers(std::uint64_t but) noexcept {
  auto* const word = caller_word.load();
  if (wanted_traceback() < traceback::all || word == nullptr) return;
  shown_already.store(but);
  ask_caller(*word, others);
  // It needs memory, whose lock this thread may hold.
  constexpr int naps_max = 1000;
  constexpr std::timespec nap{0, 5'000'000};
  for (int naps = 0; naps < naps_max; ++naps) {
    if ((reports_asked.load() & others_shown) != 0) return;
    ::nanosleep(&nap, nullptr);
  }
}

void serve_reports() noexcept {
  const std::uint32_t asked = reports_asked.load();
  if (asked == 0) return;
  if ((asked & others) != 0) {
    reports_asked.fetch_and(~static_cast<std::uint32_t>(others));
    print_all_fibers(shown_already.load());
    reports_asked.fetch_or(others_shown);
  }
  if ((asked & quit) == 0) return;
  begin_last_report();
  print_error("SIGQUIT: quit\n");
  print_all_fibers();
  end_process();
}

void install_quit_handler(std::atomic<std::uint32_t>& word) noexcept {
  caller_word.store(&word);
  struct sigaction before {};
  if (change_action(SIGQUIT, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return;
  struct sigaction mine {};
  mine.sa_sigaction = &on_quit;
  // On the alternate stack: a fiber's own may be nearly full.
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  ::sigfillset(&mine.sa_mask);
  change_action(SIGQUIT, &mine, nullptr);
}

void leave_reports_to_parent() noexcept {
  caller_word.store(nullptr);
}

void remove_quit_handler() noexcept {
  struct sigaction now {};
  if (change_action(SIGQUIT, nullptr, &now) == 0 && is_ours(now)) {
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    change_action(SIGQUIT, &by_default, nullptr);
  }
  caller_word.store(nullptr);
  serve_reports();
}

}  // namespace ringo::detail

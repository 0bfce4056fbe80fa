#include <array>

#include <ringo/os/signal.hpp>

namespace ringo::os::signal {
namespace {

struct named {
  int number;
  const char* name;
};

constexpr std::array names = {
    named{SIGHUP, "SIGHUP"},       named{SIGINT, "SIGINT"},       named{SIGQUIT, "SIGQUIT"},
    named{SIGILL, "SIGILL"},       named{SIGTRAP, "SIGTRAP"},     named{SIGABRT, "SIGABRT"},
    named{SIGBUS, "SIGBUS"},       named{SIGFPE, "SIGFPE"},       named{SIGKILL, "SIGKILL"},
    named{SIGUSR1, "SIGUSR1"},     named{SIGSEGV, "SIGSEGV"},     named{SIGUSR2, "SIGUSR2"},
    named{SIGPIPE, "SIGPIPE"},     named{SIGALRM, "SIGALRM"},     named{SIGTERM, "SIGTERM"},
    named{SIGSTKFLT, "SIGSTKFLT"}, named{SIGCHLD, "SIGCHLD"},     named{SIGCONT, "SIGCONT"},
    named{SIGSTOP, "SIGSTOP"},     named{SIGTSTP, "SIGTSTP"},     named{SIGTTIN, "SIGTTIN"},
    named{SIGTTOU, "SIGTTOU"},     named{SIGURG, "SIGURG"},       named{SIGXCPU, "SIGXCPU"},
    named{SIGXFSZ, "SIGXFSZ"},     named{SIGVTALRM, "SIGVTALRM"}, named{SIGPROF, "SIGPROF"},
    named{SIGWINCH, "SIGWINCH"},   named{SIGIO, "SIGIO"},         named{SIGPWR, "SIGPWR"},
    named{SIGSYS, "SIGSYS"},
};

class signal_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "signal"; }
  std::string message(int signal) const override {
    return signal::name(signal) + " signal received";
  }
};

}  // namespace

std::string name(int signal) {
  for (const named& one : names) {
    if (one.number == signal) return one.name;
  }
  if (signal == SIGRTMIN) return "SIGRTMIN";
  if (signal > SIGRTMIN && signal <= SIGRTMAX) {
    return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  }
  return "signal " + std::to_string(signal);
}

const std::error_category& category() noexcept {
  // Never destroyed: an error may be compared while static destructors run.
  static const auto& instance = *new signal_category;
  return instance;
}

}  // namespace ringo::os::signal

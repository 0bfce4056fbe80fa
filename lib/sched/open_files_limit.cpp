#include "sched/open_files_limit.hpp"

namespace ringo::detail {
namespace {

struct raised_limit {
  rlimit before{};
  rlimit now{};
  bool raised = false;

  raised_limit() noexcept {
    if (::getrlimit(RLIMIT_NOFILE, &before) != 0 || before.rlim_cur == before.rlim_max) return;
    now = {.rlim_cur = before.rlim_max, .rlim_max = before.rlim_max};
    raised = ::setrlimit(RLIMIT_NOFILE, &now) == 0;
  }

  static const raised_limit& instance() noexcept {
    static const raised_limit the_one;
    return the_one;
  }
};

}  // namespace

void raise_open_files_limit() noexcept {
  static_cast<void>(raised_limit::instance());
}

std::optional<rlimit> open_files_limit_before() noexcept {
  const raised_limit& limit = raised_limit::instance();
  rlimit found{};
  if (!limit.raised || ::getrlimit(RLIMIT_NOFILE, &found) != 0) return {};
  if (found.rlim_cur != limit.now.rlim_cur) return {};
  return rlimit{.rlim_cur = limit.before.rlim_cur, .rlim_max = found.rlim_max};
}

}  // namespace ringo::detail

#include <ringo/select.hpp>

#include <vector>

#include <ringo/error.hpp>

namespace ringo {

std::size_t select(std::span<select_case> cases) {
  std::vector<detail::select_op> ops;
  std::vector<std::size_t> place;
  ops.reserve(cases.size());
  place.reserve(cases.size());
  std::size_t fallback = detail::no_case;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (!detail::select_access::is_default(cases[i])) {
      ops.push_back(detail::select_access::op(cases[i]));
      place.push_back(i);
      continue;
    }
    if (fallback != detail::no_case) detail::panic("select: more than one otherwise");
    fallback = i;
  }
  const std::size_t ran =
      fallback == detail::no_case ? detail::select_blocking(ops) : detail::select_now(ops);
  const std::size_t chosen = ran == detail::no_case ? fallback : place[ran];
  detail::select_access::complete(cases[chosen], ran != detail::no_case && ops[ran].ok);
  return chosen;
}

}  // namespace ringo

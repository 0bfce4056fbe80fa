#pragma once

// Which of several endpoints to connect to: one after the other, and both families side by side
// ("Happy Eyeballs", RFC 8305, section 5, in the simpler form of RFC 6555 that Go has).
//
// dial(ctx, endpoint) -> result<Connection> makes one connection, and gives up when ctx is done. It
// is called by two fibers at a time. Dropping the last handle of a Connection closes it.

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/group/task_group.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>
#include <ringo/select.hpp>
#include <ringo/time/now.hpp>
#include <ringo/time/timer.hpp>

#include "net/dial_plan.hpp"

namespace ringo::net::detail {

/// How long the family of the first endpoint is alone, unless told otherwise.
inline constexpr std::chrono::milliseconds fallback_delay_default{300};

template <typename Dial>
using dialled = std::invoke_result_t<Dial&, const context&, const endpoint&>;

/// Tries one endpoint after the other. Blocks only the fiber. Returns the first connection. Errors:
/// ctx.err(), when it is done before a trial; else that of the first endpoint, which tells the
/// most; std::errc::destination_address_required when there are no endpoints. A deadline of `ctx`
/// is shared out by partial_deadline().
template <typename Dial>
dialled<Dial> dial_serially(const context& ctx, std::span<const endpoint> endpoints, Dial& dial) {
  std::error_code first_error;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (const auto done = ctx.err()) return done;
    const auto deadline = ctx.deadline();
    const auto until = partial_deadline(now(), deadline, endpoints.size() - i);
    if (!until) return first_error ? first_error : until.error();
    const auto try_one = [&]() -> dialled<Dial> {
      if (*until == deadline) return dial(ctx, endpoints[i]);
      const auto [part, cancel] = with_deadline(ctx, **until);
      const cancel_guard guard(cancel);
      return dial(part, endpoints[i]);
    };
    auto made = try_one();
    if (made) return made;
    if (!first_error) first_error = made.error();
  }
  if (first_error) return first_error;
  return std::make_error_code(std::errc::destination_address_required);
}

/// Tries the primaries, one after the other, and after `fallback_delay`, or at once when they have
/// all failed, the fallbacks too, side by side with them. Returns the first connection. The other
/// side is cancelled then, and has ended when this returns; what it may have connected to all the
/// same is closed: nothing is left behind. Errors: as dial_serially() for the primaries.
template <typename Dial>
dialled<Dial> dial_race(const context& ctx,
                        const dial_plan& plan,
                        std::chrono::nanoseconds fallback_delay,
                        Dial& dial) {
  if (plan.fallbacks.empty()) return dial_serially(ctx, plan.primaries, dial);
  struct finish {
    bool primary;
    dialled<Dial> made;
  };
  // Room for both, so that the second need not wait for anyone; it is closed with the channel.
  const auto finished = make_chan<finish>(2);
  task_group racers(ctx);  // goes first: cancels and waits
  const auto start = [&](const std::vector<endpoint>& endpoints, bool primary) {
    racers.go([&, primary] {
      finished.send({primary, dial_serially(racers.ctx(), endpoints, dial)});
    });
  };
  start(plan.primaries, true);
  const timer alone(fallback_delay);
  bool fallback_started = false;
  std::error_code primary_error;
  for (int failures = 0;;) {
    std::optional<finish> next;
    select(recv(finished, next), recv(alone.channel(), [](auto) {}));
    if (next) {
      if (next->made) return std::move(next->made);
      if (next->primary) primary_error = next->made.error();
      if (++failures == 2) return primary_error;
    }
    if (fallback_started) continue;
    fallback_started = true;
    alone.stop();
    start(plan.fallbacks, false);
  }
}

/// Connects to one of `endpoints`, which are sorted, the best first: dial_race() of its two
/// families; dial_serially() if `fallback_delay` is negative.
template <typename Dial>
dialled<Dial> dial_any(const context& ctx,
                       std::span<const endpoint> endpoints,
                       std::chrono::nanoseconds fallback_delay,
                       Dial& dial) {
  if (fallback_delay < std::chrono::nanoseconds::zero()) return dial_serially(ctx, endpoints, dial);
  return dial_race(ctx, plan_dial(endpoints), fallback_delay, dial);
}

}  // namespace ringo::net::detail

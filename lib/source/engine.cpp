#include "source/engine.hpp"

#include <ctime>

namespace ringo::detail {
namespace {

// In the upper bits, those of the generation: who comes late from an earlier one does not count.
constexpr unsigned count_bits = 48;
constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;
std::atomic<std::uint64_t> ended_waits{std::uint64_t{1} << count_bits};

void count_ended(std::uint64_t generation) noexcept {
  std::uint64_t seen = ended_waits.load();
  while (seen >> count_bits == (generation & (~std::uint64_t{0} >> count_bits)) &&
         !ended_waits.compare_exchange_weak(seen, seen + 1)) {
  }
}

}  // namespace

void next_engine_generation() noexcept {
  ended_waits.store((current_generation.fetch_add(1) + 1) << count_bits);
}

std::uint64_t waits_ended() noexcept {
  return ended_waits.load() & count_mask;
}

fiber* call_off(poll_entry& entry, poll_entry::direction d) noexcept {
  const std::uint64_t generation = engine_generation();
  fiber* const who = entry.announce(d);
  if (who != nullptr) count_ended(generation);
  return who;
}

void engine::end_waits(fiber** found, std::size_t count, fiber_queue& ended) noexcept {
  if (count == 0) return;
  expect_hand_over(static_cast<std::uint32_t>(count));
  ended_waits.fetch_add(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + fetch_ahead < count) __builtin_prefetch(found[i + fetch_ahead], 1);
    ended.push(found[i]);
  }
}

void give_up(poll_entry& entry) noexcept {
  {
    spin_guard guard(entry.lock);
    if (entry.generation.load() == engine_generation()) entry.home.load()->forget(entry);
    entry.leave_set();
  }
  give_back(entry);
}

std::unique_ptr<engine> make_engine(engine_kind kind, std::error_code& error) {
  return kind == engine_kind::io_uring ? make_ring_engine(error) : make_epoll_engine(error);
}

std::unique_ptr<engine> make_engine_patiently(engine_kind kind, std::error_code& error) {
  constexpr int tries_max = 50;
  for (int tries = 0;; ++tries) {
    auto made = make_engine(kind, error);
    if (made || error != std::errc::not_enough_memory || tries == tries_max) return made;
    const std::timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
}

}  // namespace ringo::detail

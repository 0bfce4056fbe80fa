#include "sched/exploration.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <ringo/error.hpp>

#include "sched/bubble.hpp"
#include "sched/current.hpp"
#include "sched/park.hpp"
#include "sched/scheduler.hpp"
#include "sched/worker.hpp"

namespace ringo::detail {

std::atomic<bool> exploring{false};

namespace {

constexpr std::uint32_t priority_middle = UINT32_MAX / 2;

/// Seeds in a row shall not give schedules alike (Steele et al., "Fast splittable pseudorandom
/// number generators").
std::uint64_t scatter(std::uint64_t seed) noexcept {
  seed += 0x9E3779B97F4A7C15ULL;
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9ULL;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EBULL;
  return seed ^ (seed >> 31);
}

void after_nothing(void* /*subject*/) noexcept {}
bool claim_always(void* /*subject*/) noexcept {
  return true;
}
constexpr park_kind stopped{"failed", &after_nothing, &claim_always};

bool is_of(const fiber& f, const bubble* group) noexcept {
  return bubble::of(f) == group;
}

}  // namespace

exploration& exploration::instance() noexcept {
  static auto& the_one = *new exploration;
  return the_one;
}

void exploration::stop() noexcept {
  exploring.store(false);
  set_last_words("");
  group_.store(nullptr);
  running_ = nullptr;
  failure_.clear();
}

void exploration::begin(std::uint64_t seed, bubble& group) {
  std::array<char, 100> words{};
  const auto number = static_cast<unsigned long long>(seed);
  std::snprintf(words.data(),
                words.size(),
                "ringo: while exploring seed %llu; RINGO_SEED=%llu replays it\n",
                number,
                number);
  set_last_words(words.data());
  spin_guard guard(lock_);
  random_.restart(scatter(seed));
  current_worker()->restart_random(scatter(~seed));
  group_.store(&group);
  note_.store(note::leaves);
  running_ = nullptr;
  failure_.clear();
  priorities_.clear();
  steps_ = 0;
  in_a_row_ = 0;
  lowest_ = priority_middle;
  strategy_ = seed % 2 == 0 ? strategy::random_walk : strategy::priorities;
  preempt_one_in_ = 1U << (1 + 2 * random_.below(3));
  // How long the program is nobody knows: a horizon of any order of magnitude.
  const std::uint32_t horizon = 8U << random_.below(10);
  change_at_.clear();
  for (std::uint32_t changes = random_.below(4); changes > 0; --changes) {
    change_at_.push_back(1 + random_.below(horizon));
  }
}

std::uint32_t exploration::priority_of(const fiber& f) {
  const auto [place, is_new] = priorities_.try_emplace(f.id.load(), 0);
  if (is_new) place->second = priority_middle + 1 + random_.below(priority_middle - 1);
  return place->second;
}

void exploration::gather(worker& from) {
  if (fiber* f = from.next_slot().take()) queued_.push_back(f);
  while (fiber* f = from.queue().pop()) queued_.push_back(f);
  fiber* f = nullptr;
  while (scheduler::instance().injected().take(&f, 1) == 1) queued_.push_back(f);
}

/// Of those that are queued.
std::size_t exploration::draw() {
  const bool over = !failure_.empty();
  for (std::size_t i = 0; i < queued_.size(); ++i) {
    // Who is outside only drives the exploration, and waits for the bubble.
    if (group_.load() == nullptr || !is_of(*queued_[i], group_)) return i;
  }
  if (over || queued_.empty()) return queued_.size();
  if (strategy_ == strategy::random_walk) {
    return random_.below(static_cast<std::uint32_t>(queued_.size()));
  }
  std::size_t best = 0;
  for (std::size_t i = 1; i < queued_.size(); ++i) {
    if (priority_of(*queued_[i]) > priority_of(*queued_[best])) best = i;
  }
  return best;
}

/// A fiber that has passed a point need not be preempted there.
bool exploration::goes_on(const fiber& f) {
  if (strategy_ == strategy::random_walk) return random_.below(preempt_one_in_) != 0;
  const bool changes = std::find(change_at_.begin(), change_at_.end(), steps_) != change_at_.end();
  if (changes || ++in_a_row_ > patience) lower(f);
  return false;  // the highest priority decides
}

fiber* exploration::choose(worker& on) {
  spin_guard guard(lock_);
  const note why = note_.exchange(note::leaves);
  gather(on);
  fiber* const before = std::exchange(running_, nullptr);
  const auto place = std::find(queued_.begin(), queued_.end(), before);
  auto chosen = static_cast<std::size_t>(place - queued_.begin());
  const bool stays = place != queued_.end() && is_of(*before, group_) && failure_.empty();
  if (stays && why != note::leaves && ++steps_ > steps_max) fail_now("no end in sight");
  if (stays && why == note::yields && strategy_ == strategy::priorities) lower(*before);
  if (!stays || why != note::passes_point || !goes_on(*before)) chosen = draw();
  if (chosen == queued_.size()) return nullptr;
  running_ = queued_[chosen];
  if (running_ != before) in_a_row_ = 0;
  queued_.erase(queued_.begin() + static_cast<std::ptrdiff_t>(chosen));
  return running_;
}

void exploration::point() noexcept {
  worker* w = current_worker();
  if (w == nullptr || w->current() == nullptr) return;
  bubble* const group = bubble::of(*w->current());
  if (group == nullptr || group != group_.load()) return;
  note_.store(note::passes_point);
  w->yield();
}

void exploration::fail_now(std::string what) {
  if (!failure_.empty()) return;
  failure_ = std::move(what);
  group_.load()->give_up();
}

void exploration::fail(std::string what) {
  {
    spin_guard guard(lock_);
    fail_now(std::move(what));
  }
  for (;;) park(stopped, nullptr);
}

std::string exploration::failure() {
  spin_guard guard(lock_);
  return failure_;
}

fiber* exploration::take_left_over() noexcept {
  if (queued_.empty()) return nullptr;
  fiber* f = queued_.back();
  queued_.pop_back();
  return f;
}

void take_explore_point() noexcept {
  exploration::instance().point();
}

}  // namespace ringo::detail

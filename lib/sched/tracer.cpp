#include "sched/tracer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <new>

#include <sys/syscall.h>
#include <unistd.h>

#include "base/futex.hpp"
#include "base/print.hpp"
#include "base/quiet_thread.hpp"
#include "sched/scheduler.hpp"
#include "sched/trace_file.hpp"
#include "sched/trace_text.hpp"
#include "sched/worker.hpp"

/// The steps are in tracer.hpp.

namespace ringo::detail {
namespace {

// Between two looks at the rings: the shorter the fuller they were.
constexpr auto interval_min = std::chrono::milliseconds(5);
constexpr auto interval_max = std::chrono::milliseconds(20);
// What is written at a time, and the latest it is: the kernel takes much at once for less.
constexpr std::size_t flush_size = std::size_t{1} << 18;
constexpr auto flush_patience = std::chrono::milliseconds(250);
// Two readings of both clocks so far apart tell how long a tick is, to one part in 10 000.
constexpr std::int64_t calibration_ns = 10'000'000;

/// Of several readings the one that took least: another thread may have run in the middle of it.
clock_pair both_clocks() noexcept {
  clock_pair best;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t before = tick_now();
    const std::int64_t ns = steady_clock::now().time_since_epoch().count();
    const std::uint64_t took = tick_now() - before;
    if (took >= least) continue;
    least = took;
    best = {before + took / 2, ns};
  }
  return best;
}

}  // namespace

tracer& tracer::instance() noexcept {
  static auto& the_one = *new tracer;
  return the_one;
}

std::error_code tracer::start(trace_sink& to) noexcept {
  const std::lock_guard control(control_);
  if (sink_ != nullptr) return std::make_error_code(std::errc::device_or_resource_busy);
  {
    spin_guard guard(lock_);
    for (const place& p : places_) p.ring->reset();
  }
  failed_.clear();
  written_ = 0;
  is_cut_ = false;
  stopping_.store(0);
  adopted_.store(0);
  began_ = both_clocks();
  sink_ = &to;
  if (const auto error = start_thread()) {
    sink_ = nullptr;
    return error;
  }
  {
    spin_guard guard(lock_);
    on_ = true;
  }
  switch_workers(true);
  return {};
}

std::error_code tracer::start_thread() noexcept {
  const auto body = [](void* self) -> void* {
    static_cast<tracer*>(self)->run();
    return nullptr;
  };
  if (const int refused = start_quiet_thread(thread_, "ringo-trace", body, this); refused != 0) {
    return {refused, std::system_category()};
  }
  // Or else a run that is stuck at once would take it for a thread that may still wake somebody.
  while (adopted_.load() == 0) futex_wait(adopted_, 0, nanoseconds(-1));
  return {};
}

std::error_code tracer::stop(const trace_sink& to) noexcept {
  const std::lock_guard control(control_);
  if (sink_ != &to) return {};
  {
    spin_guard guard(lock_);
    on_ = false;
  }
  switch_workers(false);
  stopping_.store(1);
  futex_wake(stopping_, 1);
  ::pthread_join(thread_, nullptr);
  sink_ = nullptr;
  return failed_;
}

void tracer::switch_workers(bool on) noexcept {
  scheduler::instance().visit([&](scheduler& s) {
    const std::uint32_t count = s.worker_count();
    for (std::uint32_t i = 0; i < count; ++i) {
      worker* w = s.worker_at(i);
      if (on) {
        attach(*w);
      } else {
        w->ask_for_trace(false);
      }
    }
  });
}

void tracer::attach(worker& w) noexcept {
  spin_guard guard(lock_);
  if (!on_) {
    // It may have been told to while its run was not known to run yet.
    if (w.trace() != nullptr) w.ask_for_trace(false);
    return;
  }
  if (w.trace() == nullptr) w.trace_to(take_ring());
  if (w.trace() != nullptr) w.ask_for_trace(true);
}

void tracer::detach(worker& w) noexcept {
  spin_guard guard(lock_);
  const trace_ring* ring = w.trace();
  if (ring == nullptr) return;
  for (place& p : places_) {
    if (p.ring.get() == ring) p.taken = false;
  }
}

/// The first free one, so that workers keep their numbers from run to run. Null: no memory.
trace_ring* tracer::take_ring() noexcept {
  for (place& p : places_) {
    if (p.taken) continue;
    p.taken = true;
    return p.ring.get();
  }
  try {
    places_.push_back({std::make_unique<trace_ring>(), true});
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  return places_.back().ring.get();
}

std::vector<trace_ring*> tracer::rings() {
  spin_guard guard(lock_);
  std::vector<trace_ring*> all;
  for (const place& p : places_) all.push_back(p.ring.get());
  return all;
}

/// Waits until enough time has gone by to tell.
double tracer::find_ns_per_tick() const noexcept {
  clock_pair now = both_clocks();
  while (now.ns - began_.ns < calibration_ns) {
    ::usleep(1'000);
    now = both_clocks();
  }
  return static_cast<double>(now.ns - began_.ns) / static_cast<double>(now.tick - began_.tick);
}

void tracer::run() noexcept {
  const auto self = static_cast<std::int32_t>(::syscall(SYS_gettid));
  scheduler::instance().adopt_thread(self);
  adopted_.store(1);
  futex_wake(adopted_, 1);
  try {
    trace_text text(began_.tick);
    text.text() = "[\n";
    write_all(text);
  } catch (const std::bad_alloc&) {
    failed_ = std::make_error_code(std::errc::not_enough_memory);
  }
  scheduler::instance().disown_thread(self);
}

void tracer::write_all(trace_text& text) {
  const double ns_per_tick = find_ns_per_tick();
  text.set_ns_per_tick(ns_per_tick);
  const auto settling = static_cast<std::uint64_t>(settle_ns / ns_per_tick);
  nanoseconds interval = interval_min;
  time_point flushed = steady_clock::now();
  while (stopping_.load() == 0) {
    const std::uint64_t fullest = collect(text, tick_now() - settling);
    if (const time_point now = steady_clock::now(); now - flushed >= flush_patience) {
      flush(text);
      flushed = now;
    }
    if (fullest > trace_ring::capacity / 4) continue;
    interval = fullest > trace_ring::capacity / 16
                   ? nanoseconds(interval_min)
                   : std::min<nanoseconds>(2 * interval, interval_max);
    futex_wait(stopping_, 0, interval);
  }
  const std::uint64_t end = tick_now();
  collect(text, end);
  if (!is_cut_) text.finish(end, false);
  flush(text);
}

void tracer::cut_if_full(trace_text& text, std::uint64_t now) {
  constexpr std::size_t one_event = 2048;
  const std::size_t size = written_ + text.text().size() + text.ending_size() + one_event;
  if (size <= sink_->limit()) return;
  text.finish(now, true);
  is_cut_ = true;
}

/// All that was told until then. How many events there were in the fullest ring.
std::uint64_t tracer::collect(trace_text& text, std::uint64_t until) {
  struct source {
    trace_ring* ring;
    std::uint64_t at;
    std::uint64_t end;
  };
  std::vector<source> from;
  std::uint64_t fullest = 0;
  for (trace_ring* ring : rings()) {
    from.push_back({ring, ring->tail(), ring->head()});
    fullest = std::max(fullest, from.back().end - from.back().at);
  }
  for (;;) {
    source* first = nullptr;
    std::uint64_t earliest = until;
    for (source& s : from) {
      if (s.at == s.end) continue;
      if (const std::uint64_t at = s.ring->at(s.at).at; at < earliest) {
        earliest = at;
        first = &s;
      }
    }
    if (first == nullptr) break;
    if (!is_cut_) {
      text.add(static_cast<std::size_t>(first - from.data()), first->ring->at(first->at));
      cut_if_full(text, earliest);
    }
    first->ring->advance(++first->at);
    if (text.text().size() >= flush_size) flush(text);
  }
  return fullest;
}

/// After an error the rest is thrown away: the workers go on.
void tracer::flush(trace_text& text) noexcept {
  if (!failed_) failed_ = sink_->write(text.text());
  written_ += text.text().size();
  text.text().clear();
}

namespace {

trace_file* whole_process = nullptr;
::pid_t traced_process = 0;

void end_of_process() {
  if (::getpid() != traced_process) return;  // a child has no such thread
  static_cast<void>(tracer::instance().stop(*whole_process));
}

}  // namespace

void trace_as_environment_says() noexcept {
  static const bool once = [] {
    const char* path = std::getenv("RINGO_TRACE");  // NOLINT(concurrency-mt-unsafe)
    if (path == nullptr || *path == '\0') return true;
    std::error_code error;
    auto file = trace_file::create(path, error);
    if (!error) error = tracer::instance().start(*file);
    if (error) {
      print_error("ringo: RINGO_TRACE=%s: %s\n", path, error.message().c_str());
      return true;
    }
    whole_process = file.release();  // lives as long as the process
    traced_process = ::getpid();
    std::atexit(end_of_process);
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace ringo::detail

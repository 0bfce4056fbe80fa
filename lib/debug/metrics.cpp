#include <ringo/debug/metrics.hpp>

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <utility>

#include <ringo/runtime.hpp>

namespace ringo::debug {
namespace {

/// Writes one family of metrics after the other.
class exposition {
 public:
  void counter(const char* name, const char* help, std::uint64_t value) {
    begin(name, help, "counter");
    sample(name, "", value);
  }
  void gauge(const char* name, const char* help, std::uint64_t value) {
    begin(name, help, "gauge");
    sample(name, "", value);
  }
  void begin(const char* name, const char* help, const char* type) {
    text_ += "# HELP ringo_";
    text_ += name;
    text_ += ' ';
    text_ += help;
    text_ += "\n# TYPE ringo_";
    text_ += name;
    text_ += ' ';
    text_ += type;
    text_ += '\n';
  }
  void sample(const char* name, const char* labels, std::uint64_t value) {
    std::array<char, 160> line{};
    std::snprintf(line.data(), line.size(), "ringo_%s%s %" PRIu64 "\n", name, labels, value);
    text_ += line.data();
  }
  void seconds(const char* name, std::chrono::nanoseconds value) {
    std::array<char, 160> line{};
    const auto ns = value.count();
    std::snprintf(line.data(),
                  line.size(),
                  "ringo_%s %" PRId64 ".%09" PRId64 "\n",
                  name,
                  static_cast<std::int64_t>(ns / 1'000'000'000),
                  static_cast<std::int64_t>(ns % 1'000'000'000));
    text_ += line.data();
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_fibers(exposition& to, const statistics& now) {
  to.begin("fibers", "Fibers that exist, by what they do.", "gauge");
  to.sample("fibers", "{state=\"running\"}", now.running);
  to.sample("fibers", "{state=\"runnable\"}", now.runnable);
  to.sample("fibers", "{state=\"blocking\"}", now.blocking);
  to.sample("fibers", "{state=\"parked\"}", now.parked);
  to.counter("fibers_spawned_total", "Fibers that were started.", now.spawned);
  to.counter("fibers_ended_total", "Fibers that have ended.", now.ended);
}

void add_workers(exposition& to, const statistics& now) {
  to.gauge("workers", "Fibers that may run at a time.", now.workers);
  to.gauge("threads", "Threads that run fibers, or rest.", now.threads);
  to.counter("switches_total", "Scheduling points of workers.", now.switches);
  to.counter("parks_total", "Times a fiber went to wait for something.", now.parks);
  to.counter("steals_total", "Times a worker took fibers from another one.", now.steals);
  to.counter("sleeps_total", "Times a worker went to sleep.", now.sleeps);
  to.counter(
      "handoffs_total", "Turns taken from fibers that blocked or computed for long.", now.handoffs);
  to.counter("engine_calls_total", "System calls of the engines.", now.engine_calls);
  to.counter("completions_total", "Operations that engines have ended.", now.completions);
}

void add_stacks(exposition& to, const statistics& now) {
  to.gauge("stack_reserved_bytes", "Address space of all stacks.", now.stack_bytes_reserved);
  to.begin("stacks_unused", "Stacks without a fiber, by whether their pages are kept.", "gauge");
  to.sample("stacks_unused", "{pages=\"kept\"}", now.stacks_warm);
  to.sample("stacks_unused", "{pages=\"given_back\"}", now.stacks_cold);
  to.gauge("stacks_unguarded", "Stacks whose overflow would go unnoticed.", now.unguarded_stacks);
}

/// Cumulative, as the format wants it.
void add_waits(exposition& to, const wait_histogram& waits) {
  to.begin("run_queue_wait_seconds",
           "How long fibers that were ready waited for a worker; a sample.",
           "histogram");
  std::uint64_t count = 0;
  for (std::size_t i = 0; i + 1 < waits.counts.size(); ++i) {
    count += waits.counts[i];
    std::array<char, 32> label{};
    const auto us = static_cast<std::int64_t>(wait_histogram::limit(i).count());
    std::snprintf(label.data(),
                  label.size(),
                  "{le=\"%" PRId64 ".%06" PRId64 "\"}",
                  us / 1'000'000,
                  us % 1'000'000);
    to.sample("run_queue_wait_seconds_bucket", label.data(), count);
  }
  count += waits.counts.back();
  to.sample("run_queue_wait_seconds_bucket", "{le=\"+Inf\"}", count);
  to.seconds("run_queue_wait_seconds_sum", waits.total);
  to.sample("run_queue_wait_seconds_count", "", count);
}

}  // namespace

std::string prometheus() {
  const statistics now = stats();
  exposition text;
  add_fibers(text, now);
  add_workers(text, now);
  add_stacks(text, now);
  add_waits(text, now.run_queue_wait);
  return text.take();
}

}  // namespace ringo::debug

#pragma once

// What the C++ rivals share: arguments, calibration, printing, readings of /proc. Its twin is
// go/harness.go; the two must calibrate alike, or sizes, and with them cache misses, would differ
// between rivals.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <time.h>

namespace compare {

using std::chrono::nanoseconds;

struct arguments {
  int workers = 1;
  std::string only;
  // Names separated by commas.
  std::string exact;
  double seconds = 0.35;
  std::int64_t bystanders = 0;
  // For the rows that are not calibrated (parked_million, idle); 0: their own.
  std::int64_t size = 0;
  // Read by the workloads that need one.
  std::string file;
  bool list = false;
};

/// One line of a rival's table. It either measures n operations (run), or prints rows of its own
/// (rows), or says why this rival has no such row (missing).
struct workload {
  const char* name;
  /// At most this many operations per round: the suite's table, or what the rival can hold.
  std::int64_t n_max = 0;
  /// Sizes are multiples of this, e.g. the number of senders.
  std::int64_t step = 1;
  /// Does n operations and returns how long they took. What it sets up first is outside the clock.
  std::function<nanoseconds(std::int64_t n)> run = {};
  /// For figures that are not a time per operation. Only when asked for by name: it needs a clean
  /// process. Gets arguments::size, or 0.
  std::function<void(std::int64_t size)> rows = {};
  const char* missing = nullptr;
  /// Printed with the row: where the work differs from the other rivals'.
  const char* note = nullptr;
  /// Only where a file was named.
  bool needs_file = false;
};

/// Parts of a rival's table that are in files of their own.
std::vector<workload> sync_workloads();
std::vector<workload> time_workloads();
std::vector<workload> file_workloads(const std::string& file);

inline std::vector<workload> join(std::vector<workload> first,
                                  const std::vector<workload>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class stopwatch {
 public:
  nanoseconds elapsed() const { return clock::now() - start_; }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
};

inline void must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "wrong result: %s\n", what);
  std::exit(1);
}

/// The sum of 0 … n-1.
inline std::int64_t sum_below(std::int64_t n) {
  return n * (n - 1) / 2;
}

/// fib(n); n is read anew for each call, since a compiler may compute a pure call once for a loop.
__attribute__((noinline)) inline std::int64_t fib(int n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
inline std::int64_t fib_27() {
  static volatile int n = 27;
  return fib(n);
}

/// The number after key in a /proc status file; 0 for a thread that is gone.
inline std::int64_t status(const std::filesystem::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::atoll(line.c_str() + key.size());
  }
  return 0;
}

/// Resident memory plus page tables, in bytes.
inline std::int64_t memory() {
  return 1024 * (status("/proc/self/status", "VmRSS:") + status("/proc/self/status", "VmPTE:"));
}

inline std::int64_t context_switches() {
  std::int64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    sum += status(task.path() / "status", "voluntary_ctxt_switches:");
    sum += status(task.path() / "status", "nonvoluntary_ctxt_switches:");
  }
  return sum;
}

inline void print_row(const char* name, double value, const std::string& fields) {
  std::printf("%s\t%.4g\t%s\n", name, value, fields.c_str());
  std::fflush(stdout);
}

inline std::string note_field(const char* note) {
  return note == nullptr ? std::string() : "\tnote=" + std::string(note);
}

/// Measures the process for a second, from a thread that may sleep, and prints the rows of `idle`.
/// The reading of /proc is outside the CPU figure; the sleeper's own wake-up is inside both.
inline void print_idle(std::int64_t n, const char* note = nullptr) {
  auto cpu_seconds = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::int64_t switches = context_switches();
  const double cpu = cpu_seconds();
  const stopwatch watch;
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const double took = std::chrono::duration<double>(watch.elapsed()).count();
  const double cpu_used = cpu_seconds() - cpu;
  const auto woken = static_cast<double>(context_switches() - switches);
  const std::string fields = "n=" + std::to_string(n);
  print_row("idle/cpu", 100 * cpu_used / took, fields + "\tunit=%" + note_field(note));
  print_row("idle/wakeups", woken / took, fields + "\tunit=1/s" + note_field(note));
}

constexpr int hog_ticks = 1000;
constexpr auto hog_tick = std::chrono::milliseconds(1);

/// The row of one kind of hog: how late 99 of 100 ticks are at most. Tick i is due i ms after the
/// start, whatever became of those before: a hold-up counts for each tick that falls into it.
inline void print_hog(const char* name, std::vector<nanoseconds> lateness) {
  const std::size_t rank = lateness.size() * 99 / 100;
  std::nth_element(
      lateness.begin(), lateness.begin() + static_cast<std::ptrdiff_t>(rank), lateness.end());
  print_row(name,
            static_cast<double>(lateness[rank].count()),
            "n=" + std::to_string(lateness.size()));
}

struct parked_figures {
  nanoseconds spawn;
  nanoseconds wake;
  std::int64_t bytes;
};

inline void print_parked(std::int64_t n,
                         const parked_figures& figures,
                         const char* note = nullptr) {
  const auto each = static_cast<double>(n);
  const std::string fields = "n=" + std::to_string(n);
  const std::string end = note_field(note);
  print_row(
      "parked_million/spawn", static_cast<double>(figures.spawn.count()) / each, fields + end);
  print_row("parked_million/wake", static_cast<double>(figures.wake.count()) / each, fields + end);
  print_row("parked_million/bytes",
            static_cast<double>(figures.bytes) / each,
            fields + "\tunit=bytes" + end);
}

inline arguments parse(int argc, char** argv) {
  arguments parsed;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--list") {
      parsed.list = true;
      continue;
    }
    const char* value = i + 1 < argc ? argv[++i] : "";
    if (name == "--workers") {
      parsed.workers = std::atoi(value);
    } else if (name == "--only") {
      parsed.only = value;
    } else if (name == "--exact") {
      parsed.exact = value;
    } else if (name == "--seconds") {
      parsed.seconds = std::atof(value);
    } else if (name == "--bystanders") {
      parsed.bystanders = std::atoll(value);
    } else if (name == "--size") {
      parsed.size = std::atoll(value);
    } else if (name == "--file") {
      parsed.file = value;
    } else {
      std::fprintf(stderr,
                   "usage: %s [--workers N] [--only SUBSTRING] [--exact NAME,...] [--seconds S]\n"
                   "  [--bystanders N] [--size N] [--file PATH] [--list]\n",
                   argv[0]);
      std::exit(1);
    }
  }
  return parsed;
}

inline bool is_wanted(const workload& row, const arguments& args) {
  if (row.needs_file && args.file.empty()) return false;
  if (!args.exact.empty()) {
    const std::string list = ',' + args.exact + ',';
    return list.find(',' + std::string(row.name) + ',') != std::string::npos;
  }
  if (row.rows && args.only.empty()) return false;
  return std::string_view(row.name).find(args.only) != std::string_view::npos;
}

inline std::int64_t clamp(double n, const workload& row) {
  const double most = static_cast<double>(row.n_max);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(n, most)) / row.step) *
         row.step;
}

/// Grows n until a run is long enough to tell its speed, then returns the size that fills a round.
inline std::int64_t calibrate(const workload& row, double seconds) {
  std::int64_t n = row.step;
  for (;;) {
    const double took = std::max(1e3, static_cast<double>(row.run(n).count()));
    const double growth = seconds * 1e9 / took;
    if (growth <= 8 || n >= row.n_max) return clamp(static_cast<double>(n) * growth, row);
    // Ten times at most: the first runs are cold and promise too little.
    n = clamp(static_cast<double>(n) * std::clamp(growth / 6, 2.0, 10.0), row);
  }
}

inline int run_workloads(const arguments& args, const std::vector<workload>& table) {
  bool found = false;
  for (const workload& row : table) {
    if (!is_wanted(row, args)) continue;
    found = true;
    if (row.missing != nullptr) {
      std::printf("%s\tn/a\tnote=%s\n", row.name, row.missing);
    } else if (row.rows) {
      row.rows(args.size);
    } else {
      const std::int64_t n = calibrate(row, args.seconds);
      const auto took = static_cast<double>(row.run(n).count());
      print_row(row.name,
                took / static_cast<double>(n),
                "n=" + std::to_string(n) + "\tms=" + std::to_string(std::int64_t(took / 1e6)) +
                    note_field(row.note));
    }
  }
  if (!found) std::fprintf(stderr, "no workload of that name\n");
  return found ? 0 : 1;
}

inline int print_list(const std::vector<workload>& table) {
  for (const workload& row : table) std::printf("%s\n", row.name);
  return 0;
}

}  // namespace compare

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sched/trace_line.hpp"
#include "sched/trace_ring.hpp"

/// From what workers have told to the trace event format, which Perfetto and chrome://tracing read:
/// an array of JSON objects.
///
/// Each worker is a track. On it each run of a fiber is a slice, which says how long the fiber was
/// queued before and how the run ended; what the worker does between fibers is a slice too. An
/// arrow leads from the run that made a fiber ready to that fiber's next run. Both ends of an arrow
/// are written at once, when that run begins, so that none has one end only. What timers and the
/// engine make ready has no arrow: it would lead from nobody, and in a server nearly all runs begin
/// so.
///
/// Source: "Trace Event Format",
/// docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

namespace ringo::detail {

struct fiber;

/// One owner.
class trace_text {
 public:
  /// `began`: the tick that is 0 in the trace.
  explicit trace_text(std::uint64_t began) : began_(began), known_(known_max) {}

  /// How long a tick takes. Before the first event: the ends of one thing are converted apart.
  void set_ns_per_tick(double ns) noexcept { ns_per_tick_ = ns; }

  /// The next event of that worker; in the order of time. Adds some 2 KiB at most.
  void add(std::size_t worker, const trace_event& event);
  /// Ends what has no end yet. Adds ending_size() bytes at most.
  void finish(std::uint64_t now, bool is_cut);
  std::size_t ending_size() const noexcept { return (tracks_.size() + 1) * 1024; }

  /// What was written since the last time.
  std::string& text() noexcept { return text_; }
  std::uint64_t lost() const noexcept { return lost_; }

 private:
  // Fibers that are so many apart share a place: the later one takes it, and the label of the other
  // is looked up again, its arrow lost.
  static constexpr std::size_t known_max = std::size_t{1} << 16;
  static constexpr std::size_t nobody = ~std::size_t{0};
  static constexpr std::uint64_t not_known = ~std::uint64_t{0};

  struct track {
    bool known = false;
    std::uint64_t runs = 0;    // the fiber's id; 0: none
    std::uint64_t since = 0;   // the tick
    std::uint64_t queued = 0;  // ticks before that; not_known
    std::uint64_t last = 0;    // of the last event
    std::uint64_t newest = 0;  // the fiber that is about to run for the first time
    std::string label;         // as known_fiber's
  };
  struct known_fiber {
    std::uint64_t id = 0;
    std::uint64_t woken_at = 0;  // the tick; 0: nobody has made it ready since it ran
    std::size_t woken_by = 0;    // worker, whose fiber did it; nobody
    std::string label;           // a string of JSON, without the quotes; empty: not known yet
  };

  std::uint64_t began_;
  double ns_per_tick_ = 1;
  trace_line line_;
  std::string text_;
  std::vector<track> tracks_;
  std::vector<known_fiber> known_;  // by id, modulo its size
  std::unordered_map<const void*, std::string> sites_;
  std::uint64_t arrows_ = 0;
  std::uint64_t lost_ = 0;

  track& track_of(std::size_t worker);
  known_fiber& known(std::uint64_t id) noexcept;
  void turn_to(std::size_t worker, const trace_event& event);
  void end_run(std::size_t worker, std::uint64_t at, const char* how);
  void note_first(track& on, const trace_event& event);
  void note_span(std::size_t worker, const trace_event& event);
  void note_mark(std::size_t worker, const trace_event& event);
  void note_lost(std::size_t worker, const trace_event& event);
  const std::string& label_of(known_fiber& runs, const fiber* block);
  const std::string& label_of_site(const void* site);
  void arrow(const known_fiber& from, std::size_t to, std::uint64_t at);

  // Of the line that is being composed; close() ends it.
  void open(char phase, std::size_t worker, std::uint64_t at);
  void put_name(std::string_view name);
  void put_duration(std::uint64_t ticks);
  template <std::size_t N>
  void close_with(const char (&argument)[N], std::uint64_t value);
  void close();
  std::uint64_t to_ns(std::uint64_t ticks) const noexcept;
};

}  // namespace ringo::detail

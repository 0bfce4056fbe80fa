#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <tuple>
#include <unordered_map>

#include "sched/snapshot.hpp"
#include "sched/symbol.hpp"
#include "sched/traceback.hpp"

namespace ringo::detail {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t listed_max = 8;  // of those that are alike

/// Go's words from a minute on; finer before.
std::string text_of(nanoseconds waited) {
  const auto count = [](long long n, const char* unit) {
    return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
  };
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
  if (seconds >= 60) return count(seconds / 60, "minute");
  return seconds > 0 ? count(seconds, "second") : std::string();
}

/// Fibers that a dump shows as one.
struct kin {
  const fiber_entry* first;
  std::vector<const fiber_entry*> all;
};

class writer {
 public:
  explicit writer(const snapshot& shown) : shown_(shown) {}

  std::string write() {
    for (const kin& k : kins()) write(k);
    return std::move(text_);
  }

 private:
  const snapshot& shown_;
  std::string text_;
  const bool show_runtime_ = wanted_traceback() >= traceback::system;
  std::unordered_map<const void*, std::string> frames_;

  std::vector<kin> kins() const {
    using likeness = std::tuple<std::uint32_t, std::string_view, const char*, const void*, bool>;
    std::map<likeness, std::size_t> known;
    std::vector<kin> result;
    for (const fiber_entry& f : shown_.fibers) {
      const auto [at, is_new] = known.try_emplace(
          likeness(f.stack, f.name, f.reason(), f.spawn_site, f.is_pinned), result.size());
      if (is_new) result.push_back({&f, {}});
      result[at->second].all.push_back(&f);
    }
    return result;
  }

  void write(const kin& k) {
    if (!text_.empty()) text_ += '\n';
    const fiber_entry& f = *k.first;
    const bool is_one = k.all.size() == 1;
    text_ += is_one ? "fiber " + std::to_string(f.id) : std::to_string(k.all.size()) + " fibers";
    if (!f.name.empty()) text_ += " \"" + f.name + "\"";
    text_ += std::string(" [") + f.reason();
    if (is_one && !f.detail.empty()) text_ += " " + f.detail;
    write_times(k);
    if (f.is_pinned) text_ += ", locked to thread";
    text_ += "]:";
    if (!is_one) write_numbers(k);
    text_ += '\n';
    write_stack(f);
    text_ += std::string("created by ") + symbol_of(f.spawn_site).text + "\n";
  }

  void write_times(const kin& k) {
    const auto [least, most] =
        std::minmax_element(k.all.begin(), k.all.end(), [](const auto* a, const auto* b) {
          return a->waited < b->waited;
        });
    const std::string from = text_of((*least)->waited);
    const std::string to = text_of((*most)->waited);
    if (to.empty()) return;
    if (from == to) {
      text_ += ", " + to;
    } else {
      text_ += from.empty() ? ", up to " + to : ", " + from + " to " + to;
    }
  }

  void write_numbers(const kin& k) {
    const std::size_t listed = std::min(k.all.size(), listed_max);
    for (std::size_t i = 0; i < listed; ++i) {
      const fiber_entry& f = *k.all[i];
      text_ += (i == 0 ? " " : ", ") + std::to_string(f.id);
      if (!f.detail.empty()) text_ += " (" + f.detail + ")";
    }
    if (listed < k.all.size()) text_ += ", and " + std::to_string(k.all.size() - listed) + " more";
  }

  void write_stack(const fiber_entry& f) {
    const auto frames = shown_.stacks.at(f.stack);
    std::size_t first = 0;
    std::size_t last = frames.size;
    if (!show_runtime_) {
      const auto cut = [&](auto is_not_shown) {
        first = 0;
        last = frames.size;
        while (first < last && is_not_shown(frame(frames.begin[first]))) ++first;
        while (first < last && is_not_shown(frame(frames.begin[last - 1]))) --last;
        return first < last;
      };
      // Nothing is the user's alone: it may be inlined into what calls it. Else something is shown.
      if (!cut(is_ringos) && !cut(is_runtime)) {
        first = 0;
        last = frames.size;
      }
    }
    for (; first < last; ++first) text_ += "    " + frame(frames.begin[first]) + "\n";
    // As Go says it.
    if (frames.size == 0 && f.state == fiber_state::running) {
      text_ += "    running on another thread; stack unavailable\n";
    }
  }

  /// Of the library, whatever is inlined into it.
  static bool is_ringos(std::string_view frame) noexcept {
    // The last ones: how an exception comes to an end in the fiber's first frame.
    constexpr std::array beginnings{"ringo::",
                                    "_ZN5ringo",
                                    "ringo_first_frame",
                                    "_Unwind_RaiseException",
                                    "__cxa_throw",
                                    "libstdc++.so"};
    return begins_with(frame, beginnings) || is_runtime(frame);
  }

  /// How a fiber comes to rest, and how it began; not what has a function of the user's inlined.
  static bool is_runtime(std::string_view frame) noexcept {
    constexpr std::array beginnings{
        "ringo::detail::", "_ZN5ringo6detail", "ringo_call_with_personality", "make_fcontext"};
    if (frame.find("{lambda") != std::string_view::npos) return false;
    return begins_with(frame, beginnings);
  }

  template <std::size_t Count>
  static bool begins_with(std::string_view frame, const std::array<const char*, Count>& any) {
    return std::any_of(any.begin(), any.end(), [frame](std::string_view beginning) {
      return frame.substr(0, beginning.size()) == beginning;
    });
  }

  const std::string& frame(const void* code) {
    const auto [at, is_new] = frames_.try_emplace(code);
    if (is_new) at->second = symbol_of(code, true).text;
    return at->second;
  }
};

}  // namespace

std::string text_of(const snapshot& shown) {
  return writer(shown).write();
}

}  // namespace ringo::detail

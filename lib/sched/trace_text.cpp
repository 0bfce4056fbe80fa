#include "sched/trace_text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "fiber/fiber.hpp"
#include "fiber/name_guard.hpp"
#include "sched/symbol.hpp"

namespace ringo::detail {
namespace {

constexpr std::size_t label_max = 80;

const char* text_in(std::uint64_t word) noexcept {
  const char* text = reinterpret_cast<const char*>(word);
  return text != nullptr ? text : "";
}

/// "go at serve()", of "(anonymous namespace)::serve()+0x12 (module+0x3456)".
std::string spawned_at(const void* site) {
  constexpr std::string_view nameless = "(anonymous namespace)::";
  std::string label = symbol_of(site, true).text;
  if (const auto end = label.rfind(" ("); end != std::string::npos) label.resize(end);
  if (const auto end = label.rfind('+'); end != std::string::npos) label.resize(end);
  for (auto at = label.find(nameless); at != std::string::npos; at = label.find(nameless, at)) {
    label.erase(at, nameless.size());
  }
  if (label.size() > label_max) label.resize(label_max);
  return "go at " + label;
}

/// As a string of JSON, without the quotes. What is no printable ASCII may be anything.
std::string escaped(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += c < 0x20 || c >= 0x7F ? '?' : c;
  }
  return made;
}

}  // namespace

trace_text::track& trace_text::track_of(std::size_t worker) {
  if (tracks_.size() <= worker) tracks_.resize(worker + 1);
  track& on = tracks_[worker];
  if (!on.known) {
    on.known = true;
    on.last = began_;
    line_.put(R"({"ph":"M","pid":1,"tid":)");
    line_.put(worker + 1);
    line_.put(R"(,"name":"thread_name","args":{"name":"worker )");
    line_.put(worker);
    line_.put("\"}");
    close();
  }
  return on;
}

trace_text::known_fiber& trace_text::known(std::uint64_t id) noexcept {
  known_fiber& place = known_[id % known_.size()];
  if (place.id != id) {
    place.id = id;
    place.woken_at = 0;
    place.label.clear();
  }
  return place;
}

void trace_text::add(std::size_t worker, const trace_event& event) {
  if (event.at < began_) return;  // of an earlier trace
  track& on = track_of(worker);
  switch (event.kind) {
    case trace_kind::run: turn_to(worker, event); break;
    case trace_kind::wake: {
      known_fiber& woken = known(event.words[0]);
      woken.woken_at = event.at;
      woken.woken_by = on.runs != 0 ? worker : nobody;
      break;
    }
    case trace_kind::first: note_first(on, event); break;
    case trace_kind::name: {
      std::array<char, sizeof event.words + 1> name{};
      for (unsigned i = 0; i + 1 < name.size(); ++i) {
        name[i] = static_cast<char>(event.words[i / 8] >> i % 8 * 8);
      }
      known(on.newest).label = escaped(name.data());
      break;
    }
    case trace_kind::span: note_span(worker, event); break;
    case trace_kind::mark: note_mark(worker, event); break;
    case trace_kind::lost: note_lost(worker, event); break;
  }
  tracks_[worker].last = std::max(tracks_[worker].last, event.at);
}

void trace_text::turn_to(std::size_t worker, const trace_event& event) {
  end_run(worker, event.at, text_in(event.words[2]));
  const std::uint64_t id = event.words[1];
  if (id == 0) return;
  track& on = tracks_[worker];
  on.runs = id;
  on.since = event.at;
  known_fiber& runs = known(id);
  on.label = label_of(runs, reinterpret_cast<const fiber*>(event.words[0]));
  const std::uint64_t since = std::exchange(runs.woken_at, 0);
  on.queued = since != 0 && since <= event.at ? event.at - since : not_known;
  if (on.queued != not_known && runs.woken_by != nobody) arrow(runs, worker, event.at);
}

void trace_text::end_run(std::size_t worker, std::uint64_t at, const char* how) {
  track& on = tracks_[worker];
  if (on.runs == 0) return;
  open('X', worker, on.since);
  put_name(on.label);
  put_duration(at - on.since);
  line_.put(R"(,"args":{"fiber":)");
  line_.put(on.runs);
  if (on.queued != not_known) {
    line_.put(R"(,"queued_us":)");
    line_.put_micros(to_ns(on.queued));
  }
  line_.put(R"(,"then":")");
  line_.put(std::string_view(how));
  line_.put("\"}");
  close();
  on.runs = 0;
}

void trace_text::note_first(track& on, const trace_event& event) {
  on.newest = event.words[0];
  known(on.newest).label = label_of_site(reinterpret_cast<const void*>(event.words[1]));
}

/// One that lies within a run stays within it; between runs, it begins after the last one.
void trace_text::note_span(std::size_t worker, const trace_event& event) {
  const std::uint64_t since = std::max(event.words[1], began_);
  if (since > event.at) return;
  open('X', worker, since);
  put_name(text_in(event.words[0]));
  put_duration(event.at - since);
  close_with("count", event.words[2]);
}

void trace_text::note_mark(std::size_t worker, const trace_event& event) {
  open('i', worker, event.at);
  put_name(text_in(event.words[0]));
  line_.put(R"(,"s":"t")");
  close_with("value", event.words[2]);
}

/// What ran is not known to have run any longer than until the last event before.
void trace_text::note_lost(std::size_t worker, const trace_event& event) {
  const std::uint64_t from = tracks_[worker].last;
  end_run(worker, from, "not known: events were lost");
  lost_ += event.words[0];
  open('X', worker, from);
  put_name("events lost");
  put_duration(event.at - from);
  close_with("count", event.words[0]);
}

void trace_text::finish(std::uint64_t now, bool is_cut) {
  for (std::size_t worker = 0; worker < tracks_.size(); ++worker) {
    end_run(worker, std::max(now, tracks_[worker].last), "still running");
  }
  line_.put(R"({"ph":"M","pid":1,"name":"process_name","args":{"name":"ringo"})");
  close();
  text_ += R"({"ph":"M","pid":1,"name":"ringo_trace","args":{"events_lost":)";
  text_ += std::to_string(lost_);
  text_ += is_cut ? R"(,"cut":true)" : R"(,"cut":false)";
  text_ += "}}\n]\n";
}

const std::string& trace_text::label_of(known_fiber& runs, const fiber* block) {
  static const std::string unknown = "fiber";
  const std::uint64_t id = runs.id;
  if (!runs.label.empty()) return runs.label;
  if (block == nullptr) return unknown;
  std::string name;
  const void* site = nullptr;
  {
    const name_guard names;
    // Its maker has written the rest before the state.
    if (block->current_state() == fiber_state::unused || block->id.load() != id) return unknown;
    if (const char* found = block->name.load()) name.assign(found, ::strnlen(found, label_max));
    site = block->spawn_site.load();
    if (block->id.load() != id) return unknown;  // it has ended, the block is another one's by now
  }
  runs.label = !name.empty() ? escaped(name) : label_of_site(site);
  return runs.label;
}

const std::string& trace_text::label_of_site(const void* site) {
  std::string& label = sites_[site];
  if (label.empty()) label = escaped(spawned_at(site));
  return label;
}

void trace_text::arrow(const known_fiber& from, std::size_t to, std::uint64_t at) {
  ++arrows_;
  open('s', from.woken_by, at - tracks_[to].queued);
  line_.put(R"(,"name":"wake","cat":"wake","id":)");
  line_.put(arrows_);
  close();
  open('f', to, at);
  line_.put(R"(,"name":"wake","cat":"wake","bp":"e","id":)");
  line_.put(arrows_);
  close();
}

std::uint64_t trace_text::to_ns(std::uint64_t ticks) const noexcept {
  return static_cast<std::uint64_t>(static_cast<double>(ticks) * ns_per_tick_);
}

void trace_text::open(char phase, std::size_t worker, std::uint64_t at) {
  line_.put(R"({"ph":")");
  line_.put(std::string_view(&phase, 1));
  line_.put(R"(","pid":1,"tid":)");
  line_.put(worker + 1);
  line_.put(R"(,"ts":)");
  line_.put_micros(at > began_ ? to_ns(at - began_) : 0);
}

void trace_text::put_name(std::string_view name) {
  line_.put(R"(,"name":")");
  line_.put(name);
  line_.put("\"");
}

void trace_text::put_duration(std::uint64_t ticks) {
  line_.put(R"(,"dur":)");
  line_.put_micros(to_ns(ticks));
}

template <std::size_t N>
void trace_text::close_with(const char (&argument)[N], std::uint64_t value) {
  line_.put(R"(,"args":{")");
  line_.put(argument);
  line_.put("\":");
  line_.put(value);
  line_.put("}");
  close();
}

void trace_text::close() {
  line_.put("},\n");
  text_ += line_.view();
  line_.clear();
}

}  // namespace ringo::detail

// After Go's reflect.TestSelect: selects with every combination of case kinds, enumerated, in two
// permutations, with a partner fiber where nothing else could ever wake them.

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/select.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/seed.hpp"

using namespace ringo::test;
using ringo::chan;
using ringo::make_chan;

namespace {

/// Enumerates all paths through code that asks `choose(n)`: run it again while `next()` is true.
class exhaustive {
 public:
  bool next() {
    if (!started_) return started_ = true;
    while (!choices_.empty() && choices_.back().index + 1 == choices_.back().count) {
      choices_.pop_back();
    }
    position_ = 0;
    if (choices_.empty()) return false;
    ++choices_.back().index;
    return true;
  }

  std::size_t choose(std::size_t count) {
    if (position_ == choices_.size()) choices_.push_back({0, count});
    return choices_[position_++].index;
  }
  bool maybe() { return choose(2) == 1; }

 private:
  struct choice {
    std::size_t index;
    std::size_t count;
  };
  std::vector<choice> choices_;
  std::size_t position_ = 0;
  bool started_ = false;
};

enum class kind {
  ready_send,
  ready_recv,
  blocking_send,
  blocking_recv,
  nil_send,
  nil_recv,
  closed_send,
  closed_recv,
  otherwise
};

struct planned {
  kind what;
  int number;
  chan<int> ch = {};
  std::optional<int> received = -1;  // what a receive case stored
  bool may_run = false;

  bool receives() const {
    return what == kind::ready_recv || what == kind::blocking_recv || what == kind::nil_recv ||
           what == kind::closed_recv;
  }
  bool blocks() const { return what == kind::blocking_send || what == kind::blocking_recv; }
};

/// One select: the cases it has, the ones that may run, the partner that makes one of them run.
class plan {
 public:
  explicit plan(exhaustive& choices) {
    for (const kind what : {kind::ready_send,
                            kind::ready_recv,
                            kind::blocking_send,
                            kind::blocking_recv,
                            kind::nil_send,
                            kind::nil_recv,
                            kind::closed_send,
                            kind::closed_recv}) {
      if (choices.maybe()) add(what);
    }
    bool blocks = true;
    std::vector<std::size_t> with_partner;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (cases_[i].may_run) blocks = false;
      if (cases_[i].blocks()) with_partner.push_back(i);
    }
    if (blocks && (with_partner.empty() || choices.maybe())) {
      add(kind::otherwise);
      cases_.back().may_run = true;
    } else if (blocks) {
      partner_ = with_partner[choices.choose(with_partner.size())];
      cases_[*partner_].may_run = true;
    } else if (choices.maybe()) {
      add(kind::otherwise);
    }
  }

  void run(std::size_t rotation) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < cases_.size(); ++i) order.push_back((i + rotation) % cases_.size());
    std::vector<ringo::select_case> cases;
    for (const std::size_t i : order) cases.push_back(case_of(cases_[i]));

    watched_fiber partner;
    if (partner_) partner = watched_fiber::start([this] { play_partner(cases_[*partner_]); });
    std::size_t index = 0;
    const std::string panic = panic_text([&] { index = ringo::select(cases); });
    if (panic.empty()) {
      check(order[index]);
    } else {
      EXPECT_EQ(panic, "send on closed channel");
      EXPECT(may_panic());
    }
    if (partner_) EXPECT_EQ(partner.wait(), "");
  }

 private:
  std::vector<planned> cases_;
  std::optional<std::size_t> partner_;

  void add(kind what) {
    planned entry{.what = what, .number = static_cast<int>(cases_.size())};
    switch (what) {
      case kind::ready_send: entry.ch = make_chan<int>(1); break;
      case kind::ready_recv:
        entry.ch = make_chan<int>(1);
        entry.ch.send(entry.number);
        break;
      case kind::blocking_send:
      case kind::blocking_recv: entry.ch = make_chan<int>(); break;
      case kind::closed_send:
      case kind::closed_recv:
        entry.ch = make_chan<int>();
        entry.ch.close();
        break;
      case kind::nil_send:
      case kind::nil_recv:
      case kind::otherwise: break;
    }
    entry.may_run = what == kind::ready_send || what == kind::ready_recv ||
                    what == kind::closed_send || what == kind::closed_recv;
    cases_.push_back(std::move(entry));
  }

  static ringo::select_case case_of(planned& entry) {
    if (entry.what == kind::otherwise) return ringo::otherwise;
    if (entry.receives()) return ringo::recv(entry.ch, entry.received);
    return ringo::send(entry.ch, entry.number);
  }

  static void play_partner(planned& entry) {
    if (entry.what == kind::blocking_send) {
      EXPECT_EQ(entry.ch.recv(), std::optional<int>(entry.number));
    } else {
      entry.ch.send(entry.number);
    }
  }

  bool may_panic() const {
    for (const planned& entry : cases_) {
      if (entry.what == kind::closed_send) return true;
    }
    return false;
  }

  void check(std::size_t chosen) {
    EXPECT(cases_[chosen].may_run);
    EXPECT(cases_[chosen].what != kind::closed_send);
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      planned& entry = cases_[i];
      if (i != chosen) {
        EXPECT_EQ(entry.received, std::optional<int>(-1));
      } else if (entry.what == kind::closed_recv) {
        EXPECT_EQ(entry.received, std::nullopt);
      } else if (entry.receives()) {
        EXPECT_EQ(entry.received, std::optional<int>(entry.number));
      }
      if (entry.what == kind::ready_send) {
        EXPECT_EQ(entry.ch.len(), static_cast<std::size_t>(i == chosen ? 1 : 0));
      }
      if (entry.what == kind::ready_recv) {
        EXPECT_EQ(entry.ch.len(), static_cast<std::size_t>(i == chosen ? 0 : 1));
      }
    }
  }
};

}  // namespace

TEST_CASE("SE-28: selects over every combination of case kinds choose a case that may run") {
  run_on_each([] {
    exhaustive choices;
    std::size_t count = 0;
    std::size_t rotation = 0;
    for (; choices.next() && count < sizes::exhaustive_selects; ++count) {
      plan(choices).run(rotation++);
    }
    EXPECT(count > 500 || count == sizes::exhaustive_selects);
  });
}

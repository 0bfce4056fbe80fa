// What a program says about its fibers: debug::dump(), debug::fibers(), and the reports that end
// it.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/debug.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/go.hpp>
#include <ringo/net.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/thread_pin.hpp>
#include <ringo/time/after.hpp>

#include "sched/snapshot.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/run_program.hpp"
#include "support/seed.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::debug::fiber_info;
namespace net = ringo::net;

namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

bool has(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern));
}

program_result run_dump(const char* mode, std::vector<std::string> environment = {}) {
  environment.emplace_back("RINGO_MAXPROCS=2");
  return run_program({.name = "dump", .arguments = {mode}, .environment = std::move(environment)});
}

const fiber_info* find(const std::vector<fiber_info>& all, const std::string& name) {
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const fiber_info& one) { return one.name == name; });
  return at != all.end() ? &*at : nullptr;
}

/// Fibers of the test program's, and the twenty that are alike.
void check_all_listed(const std::string& output) {
  for (const char* const header : {R"("main" \[)",
                                   R"("receiver" \[chan receive\]:)",
                                   R"("locker" \[sync.Mutex.Lock\]:)",
                                   R"("selector" \[select \(no cases\)\]:)",
                                   R"("pinned" \[chan receive, locked to thread\]:)"}) {
    CAPTURE(header);
    CHECK(has(output, "fiber [0-9]+ " + std::string(header)));
  }
  for (const char* const name :
       {"\"main\"", "\"receiver\"", "\"locker\"", "\"selector\"", "\"pinned\""}) {
    CAPTURE(name);
    CHECK(count_of(output, name) == 1);
  }
  CHECK(has(output, R"(20 fibers \[chan receive\]: [0-9]+(, [0-9]+){7}, and 12 more)"));
}

}  // namespace

#if defined(__x86_64__)
constexpr bool has_frames = true;
#else
constexpr bool has_frames = false;
#endif

TEST_CASE("DG-1: SIGQUIT prints every fiber once and ends the process with status 2") {
  const auto result = run_dump("quit");
  CAPTURE(result.output);
  CHECK(result.exited_with(2));
  CHECK(result.printed("SIGQUIT: quit\n"));
  check_all_listed(result.output);
}

TEST_CASE("DG-1: with RINGO_TRACEBACK=crash SIGQUIT ends in a core dump") {
  const auto result = run_dump("quit", {"RINGO_TRACEBACK=crash"});
  CAPTURE(result.output);
  CHECK(result.killed_by(SIGABRT));
  check_all_listed(result.output);
}

TEST_CASE(
    "DG-1: a program that has subscribed to SIGQUIT gets it; after stop() it is a dump again") {
  const auto result = run_dump("subscribed");
  CAPTURE(result.output);
  CHECK(result.printed("received 3"));
  CHECK(result.exited_with(2));
  CHECK(count_of(result.output, "SIGQUIT: quit") == 1);
}

TEST_CASE("DG-1: before and after a run SIGQUIT does what it did without ringo") {
  const auto result = run_dump("after");
  CAPTURE(result.output);
  CHECK(result.killed_by(SIGQUIT));
  CHECK_FALSE(result.printed("SIGQUIT: quit"));
}

TEST_CASE("DG-2: an entry has the frames of the fiber's own stack, and where it was created") {
  const auto result = run_dump("quit");
  CAPTURE(result.output);
  const std::string code = R"([^\n]*\(program_dump\+0x[0-9a-f]+\)\n)";
  CHECK(has(result.output, "\ncreated by [^\n]*main" + code));
  if (!has_frames) return;
  const std::string frame = "    [^\n]*wait_deep_down" + code;
  // What is not inlined comes first.
  CHECK(has(result.output,
            "\"receiver\" [^\n]*\n(    [^\n]*receive_into[^\n]*\n)?(" + frame + "){4}"));
}

TEST_CASE("DG-2: waiting time is shown in minutes, as Go does, and in seconds before the first") {
  using ringo::detail::fiber_entry;
  struct row {
    std::chrono::nanoseconds waited;
    const char* shown;
  };
  for (const row& r : {row{900ms, "fiber 7 [chan receive]:"},
                       row{1s, "fiber 7 [chan receive, 1 second]:"},
                       row{59'999ms, "fiber 7 [chan receive, 59 seconds]:"},
                       row{61s, "fiber 7 [chan receive, 1 minute]:"},
                       row{150min, "fiber 7 [chan receive, 150 minutes]:"}}) {
    CAPTURE(r.shown);
    static constexpr ringo::detail::park_kind receives{"chan receive", nullptr, nullptr};
    fiber_entry entry;
    entry.id = 7;
    entry.state = ringo::detail::fiber_state::parked;
    entry.kind = &receives;
    entry.waited = r.waited;
    ringo::detail::snapshot taken;
    taken.fibers.push_back(entry);
    CHECK(text_of(taken).find(r.shown) == 0);
    entry.id = 9;
    entry.waited = 3min;
    taken.fibers.push_back(entry);
    CHECK(text_of(taken).find("2 fibers [chan receive, ") == 0);
    CHECK(text_of(taken).find("]: 7, 9\n") != std::string::npos);
  }
}

TEST_CASE("DG-2: how long a fiber has waited grows with the time that it waits") {
  run_on(2, [] {
    const auto empty = ringo::make_chan<int>();
    ringo::go({.name = "waits"}, [empty] { (void)empty.recv(); });
    wait_until_parked(1);
    const auto first = find(ringo::debug::fibers(), "waits")->waited;
    EXPECT(first < 10s);
    (void)ringo::after(200ms).recv();
    const auto later = find(ringo::debug::fibers(), "waits")->waited;
    EXPECT(later - first >= 150ms);
    empty.close();
  });
}

// DG-3's table of reasons is tests/sched/wait_reason_test.cpp.
TEST_CASE("DG-3: fibers that run, are about to, or block their thread say so") {
  run_on(2, [] {
    std::atomic<bool> go_on{false};
    std::atomic<int> begun{0};
    auto blocking = ringo::spawn({.name = "blocks"}, [&] {
      ringo::blocking([&] {
        ++begun;
        while (!go_on) std::this_thread::yield();
      });
    });
    eventually([&] { return begun == 1; });
    const auto all = ringo::debug::fibers();
    const fiber_info* blocks = find(all, "blocks");
    const fiber_info* self = find(all, "main");
    go_on = true;
    blocking.join();
    EXPECT(blocks != nullptr && self != nullptr);
    EXPECT_EQ(blocks->reason, std::string("syscall"));
    EXPECT(blocks->frames.empty());
    EXPECT_EQ(self->reason, std::string("running"));
    EXPECT(!self->frames.empty());
    EXPECT(self->waited == 0ns);
  });
}

TEST_CASE("DG-3: who waits for the network says for whom") {
  for_each_worker_count([](std::size_t workers) {
    run_on(workers, [] {
      const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
      const std::string address = listener.local().to_string();
      auto accepting = ringo::spawn({.name = "accepts"}, [&] {
        const auto accepted = listener.accept().value();
        ringo::go({.name = "reads"}, [accepted] {
          char byte = 0;
          (void)accepted.read({&byte, 1});
        });
        (void)listener.accept();
      });
      const auto client = net::dial(net::tcp, address).value();
      wait_until_parked(2);
      const auto all = ringo::debug::fibers();
      EXPECT_EQ(find(all, "accepts")->reason, std::string("net accept"));
      EXPECT_EQ(find(all, "accepts")->detail, address);
      EXPECT_EQ(find(all, "reads")->reason, std::string("net read"));
      EXPECT_EQ(find(all, "reads")->detail, client.local().to_string());
      EXPECT(ringo::debug::dump().find("[net accept " + address + "]") != std::string::npos);
      EXPECT(!client.close());
      EXPECT(!listener.close());
      accepting.join();
    });
  });
}

TEST_CASE("DG-4: RINGO_TRACEBACK says how many fibers a report shows") {
  struct row {
    const char* mode;
    const char* level;
    bool culprit;
    bool others;
  };
  for (const row& r : {row{"throw_in_fiber", "none", false, false},
                       row{"throw_in_fiber", "single", true, false},
                       row{"throw_in_fiber", "", true, false},
                       row{"throw_in_fiber", "all", true, true},
                       row{"throw_in_fiber", "system", true, true},
                       row{"overflow", "single", true, false},
                       row{"overflow", "all", true, true},
                       row{"deadlock", "none", false, false},
                       row{"deadlock", "single", false, true},
                       row{"quit", "none", false, false}}) {
    // ASan has the faulting signal before us, and to TSan a handler may not allocate.
    if ((RINGO_ASAN || RINGO_TSAN) && r.mode == std::string("overflow")) continue;
    CAPTURE(r.mode);
    CAPTURE(r.level);
    const auto result = run_dump(r.mode, {std::string("RINGO_TRACEBACK=") + r.level});
    CAPTURE(result.output);
    CHECK(result.exited_with(2));
    CHECK((count_of(result.output, "\"thrower\"") + count_of(result.output, "\"deep\"") == 1) ==
          r.culprit);
    CHECK(result.printed("\"receiver\" [chan receive]:") == r.others);
    // Ringo's own frames, behind the user's.
    const std::size_t begin = result.output.find("\"receiver\"");
    const std::string entry =
        begin == std::string::npos
            ? std::string()
            : result.output.substr(begin, result.output.find("\n\n", begin) - begin);
    CHECK((entry.find("ringo_call_with_personality") != std::string::npos) ==
          (has_frames && r.others && r.level == std::string("system")));
  }
}

TEST_CASE("DG-5: ringo's own work is not shown: a program of one fiber has one entry") {
  for_each_worker_count([](std::size_t workers) {
    run_on(workers, [] {
      (void)ringo::after(1ms).recv();
      const auto listener = net::listen(net::tcp, "127.0.0.1:0").value();
      const auto client = net::dial(net::tcp, listener.local()).value();
      eventually([] { return ringo::debug::fibers().size() == 1; });
      const std::string text = ringo::debug::dump();
      EXPECT_EQ(count_of(text, "created by "), std::size_t{1});
      EXPECT(text.find("fiber ") == 0);
    });
  });
}

TEST_CASE("DG-6: fibers that differ in their names are shown each, others once") {
  run_on(2, [] {
    const auto empty = ringo::make_chan<int>();
    const auto receive = [empty] { (void)empty.recv(); };
    for (int i = 0; i < 10; ++i) ringo::go(receive);
    for (int i = 0; i < 3; ++i) ringo::go({.name = "label " + std::to_string(i)}, receive);
    wait_until_parked(13);
    const std::string text = ringo::debug::dump();
    CAPTURE(text);
    EXPECT(has(text, R"((^|\n)10 fibers \[chan receive\]: )"));
    for (const char* name : {"\"label 0\"", "\"label 1\"", "\"label 2\""}) {
      EXPECT_EQ(count_of(text, name), std::size_t{1});
    }
    empty.close();
  });
}

TEST_CASE("DG-7: a fiber captures the dump of its own program, and goes on") {
  const auto result = run_dump("self");
  CAPTURE(result.output);
  CHECK(result.exited_with(0));
  check_all_listed(result.output);
  CHECK_FALSE(result.printed("failed"));
}

TEST_CASE("DG-7: there is one entry for each fiber") {
  for_each_worker_count([](std::size_t workers) {
    run_on(workers, [] {
      const auto empty = ringo::make_chan<int>();
      for (int i = 0; i < 1000; ++i) ringo::go([empty] { (void)empty.recv(); });
      wait_until_parked(1000);
      const auto all = ringo::debug::fibers();
      EXPECT_EQ(all.size(), ringo::num_fibers());
      EXPECT(std::is_sorted(
          all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; }));
      EXPECT(!has_frames || std::all_of(all.begin(), all.end(), [](const auto& one) {
        return !one.frames.empty();
      }));
      empty.close();
    });
  });
}

TEST_CASE("debug: a dump to a descriptor that refuses is an error") {
  run_on(1, [] {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    EXPECT(full >= 0);
    EXPECT_EQ(ringo::debug::dump(full), std::errc::no_space_on_device);
    ::close(full);
    EXPECT_EQ(ringo::debug::dump(-1), std::errc::bad_file_descriptor);
  });
}

TEST_CASE("debug: a plain thread may dump, while a runtime runs and while none does") {
  CHECK(ringo::debug::fibers().empty());
  run_on(2, [] {
    std::string text;
    ringo::blocking([&] { std::thread([&] { text = ringo::debug::dump(); }).join(); });
    EXPECT(text.find("fiber 1 \"main\" [syscall]") != std::string::npos ||
           text.find("\"main\" [syscall]") != std::string::npos);
  });
  CHECK(ringo::debug::dump().empty());
}

TEST_CASE("debug: symbol names the function that an address lies in") {
  const std::string text = ringo::debug::symbol(reinterpret_cast<const void*>(&::getpid));
  CAPTURE(text);
  CHECK(text.find("getpid+0x0 (libc.so") != std::string::npos);
  CHECK(ringo::debug::symbol(nullptr).find("nil") != std::string::npos);
}

// Every fiber that waits is held again and again while others wake it: a wake-up that the dump
// loses, or queues twice, hangs the test or breaks an invariant.
TEST_CASE("debug: dumps under a storm of fibers that begin, wait, wake each other and end") {
  const std::uint64_t chosen = seed();
  for_each_worker_count([chosen](std::size_t workers) {
    run_on(workers, [chosen, workers] {
      std::atomic<bool> over{false};
      fiber_group group;
      for (std::size_t pair = 0; pair < 2 * workers; ++pair) {
        const auto there = ringo::make_chan<int>(static_cast<std::ptrdiff_t>((chosen + pair) % 2));
        const auto back = ringo::make_chan<int>();
        group.go([there, back, &over] {
          for (int i = 0; !over; ++i) {
            there.send(i);
            if (back.recv() != i) EXPECT(false);
          }
          there.close();
        });
        group.go([there, back] {
          while (const auto value = there.recv()) back.send(*value);
        });
        group.go([&over] {
          while (!over) {
            ringo::wait_group children;
            children.add(2);
            ringo::go({.name = "a name that is long enough for the heap"},
                      [&] { children.done(); });
            ringo::go([&] { children.done(); });
            children.wait();
          }
        });
      }
      for (int dumps = 0; dumps < 100; ++dumps) {
        const auto all = ringo::debug::fibers();
        EXPECT(all.size() >= 6 * workers);
        ringo::yield();
      }
      over = true;
      group.join();
    });
  });
}

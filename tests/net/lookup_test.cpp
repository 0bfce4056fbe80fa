// Look-ups of names, with a DNS server, a hosts file and a resolv.conf of our own.

#include <ringo/net/lookup.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/task.hpp>
#include <ringo/testing/bubble.hpp>
#include <ringo/time/now.hpp>

#include "net/destination_order.hpp"
#include "net/dns_server.hpp"
#include "support/eventually.hpp"
#include "support/expect.hpp"
#include "support/fibers.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using namespace std::chrono_literals;
using ringo::background;
using ringo::result;
using ringo::with_cancel;
using ringo::net::address;
using ringo::net::endpoint;
using ringo::net::lookup_errc;
using ringo::net::resolver;
using ringo::net::resolver_options;
using addresses = std::vector<address>;

namespace {

/// A file that is gone at the end of the scope.
class temporary_file {
 public:
  explicit temporary_file(const std::string& text = "") {
    static std::atomic<int> number{0};
    path_ = std::filesystem::temp_directory_path() /
            ("ringo_lookup_" + std::to_string(::getpid()) + "_" + std::to_string(++number));
    write(text);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() { std::filesystem::remove(path_); }

  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

const char* const nothing = "/nonexistent/ringo";

/// Asks only the server, and once: it has time enough to answer on the slowest machine.
resolver_options asking(const dns_server& server) {
  return {.servers = {server.where()},
          .timeout = 30s,
          .attempts = 1,
          .hosts_file = nothing,
          .config_file = nothing};
}

addresses parsed(const std::vector<std::string>& texts) {
  addresses made;
  for (const auto& text : texts) made.push_back(address::parse(text).value());
  return made;
}

addresses sorted(const std::vector<std::string>& texts) {
  addresses made = parsed(texts);
  ringo::net::detail::sort_for_dialing(made);
  return made;
}

std::size_t threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

std::size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("lookup: asks for both families, and returns the best address first") {
  run_freely_on_each([] {
    dns_server server({{"both.test", {.addresses = {"127.0.0.1", "::1", "127.0.0.2"}}},
                       {"four.test", {.addresses = {"192.0.2.1"}}},
                       {"six.test", {.addresses = {"2001:db8::1"}}},
                       {"www.test", {.addresses = {"192.0.2.7"}, .alias = "real.test"}}});
    //! [resolver]
    const resolver names({.servers = {server.where()}});
    const auto found = names.lookup("four.test");
    EXPECT(found && found->front().to_string() == "192.0.2.1");
    //! [resolver]
    const resolver own(asking(server));
    EXPECT(own.lookup("both.test").value() == sorted({"127.0.0.1", "127.0.0.2", "::1"}));
    EXPECT(own.lookup(background(), "six.test").value() == parsed({"2001:db8::1"}));
    EXPECT(own.lookup("www.test").value() == parsed({"192.0.2.7"}));
    EXPECT_EQ(server.asked("both.test"), 2);
    EXPECT(own.lookup("BOTH.test.").has_value());
  });
}

TEST_CASE("NT-30: literal addresses ask nobody") {
  run_freely_on_each([] {
    dns_server server({});
    const resolver own(asking(server));
    for (const char* text : {"127.0.0.1", "::1", "fe80::1%lo", "::ffff:1.2.3.4"}) {
      EXPECT(own.lookup(text).value() == parsed({text}));
    }
    EXPECT_EQ(server.asked(), 0);
  });
}

TEST_CASE("NT-30: that there is no such host can be told from other failures") {
  run_freely_on_each([] {
    dns_server server({{"empty.test", {}},
                       {"alias.test", {.alias = "empty.test"}},
                       {"broken.test", {.code = 2}},
                       {"refused.test", {.code = 5}}});
    const resolver own(asking(server));
    for (const char* name : {"nosuch.test.", "empty.test.", "alias.test."}) {
      EXPECT(own.lookup(name).error() == lookup_errc::no_such_host);
    }
    const int asked = server.asked();
    for (const char* name :
         {"", "a..b", "-a", "a b", "1.2.3", "1.2.3.4.5", "x.onion.", "\xc3\xa4.test"}) {
      EXPECT(own.lookup(name).error() == lookup_errc::no_such_host);
    }
    EXPECT_EQ(server.asked(), asked);
    for (const char* name : {"broken.test.", "refused.test."}) {
      const auto error = own.lookup(name).error();
      EXPECT(error == lookup_errc::temporary_failure);
      EXPECT(error == std::errc::resource_unavailable_try_again);
    }
  });
}

TEST_CASE("lookup: servers that do not answer, or answer nonsense, time out") {
  run_freely_on_each([] {
    dns_server server({{"silent.test", {.silent = true}}, {"garbled.test", {.garbles = true}}});
    auto options = asking(server);
    options.timeout = 30ms;
    options.attempts = 2;
    const resolver own(options);
    for (const char* name : {"silent.test", "garbled.test"}) {
      const auto error = own.lookup(name).error();
      EXPECT(error == lookup_errc::timed_out || error == lookup_errc::bad_answer);
      if (error == lookup_errc::timed_out) EXPECT(error == std::errc::timed_out);
      eventually([&] { return server.asked(name) >= 2; }, "the questions to be seen");
    }
    EXPECT(own.lookup("silent.test").error() == lookup_errc::timed_out);
  });
}

TEST_CASE("lookup: the next server is asked when one is silent or gone") {
  run_freely_on_each([] {
    dns_server silent({{"a.test", {.silent = true}}});
    dns_server good({{"a.test", {.addresses = {"192.0.2.1"}}}});
    endpoint gone;
    {
      const dns_server closed({});
      gone = closed.where();
    }
    auto options = asking(good);
    options.timeout = 50ms;
    options.attempts = 8;
    options.servers = {silent.where(), gone, good.where()};
    EXPECT(resolver(options).lookup("a.test").value() == parsed({"192.0.2.1"}));
    eventually([&] { return silent.asked("a.test") >= 1; }, "the question to be seen");
    options.servers = {gone};
    EXPECT(resolver(options).lookup("a.test").error() == lookup_errc::temporary_failure);
  });
}

TEST_CASE("NT-30: an answer that is too long for UDP comes over TCP") {
  run_freely_on_each([] {
    std::vector<std::string> many;
    for (int i = 1; i <= 100; ++i) many.push_back("192.0.2." + std::to_string(i));
    dns_server server({{"long.test", {.addresses = many, .truncates = true}}});
    const auto files = open_files();
    EXPECT(resolver(asking(server)).lookup("long.test").value() == parsed(many));
    EXPECT_EQ(server.asked_over_tcp(), 2);
    EXPECT(open_files() <= files + 2);  // the server's two
  });
}

TEST_CASE("lookup: localhost is this machine, whatever servers say") {
  run_freely_on_each([] {
    dns_server server({{"localhost", {.addresses = {"192.0.2.1"}}}});
    const resolver own(asking(server));
    for (const char* name : {"localhost", "Localhost.", "a.localhost"}) {
      EXPECT(own.lookup(name).value() == sorted({"127.0.0.1", "::1"}));
    }
    EXPECT_EQ(server.asked(), 0);
  });
}

TEST_CASE("NT-30: the hosts file goes first, and is read again when it has changed") {
  run_freely_on_each([] {
    dns_server server({{"there.test", {.addresses = {"192.0.2.9"}}},
                       {"later.test", {.addresses = {"192.0.2.8"}}}});
    const temporary_file hosts(
        "192.0.2.1 there.test There  alias # comment\n192.0.2.2 there.test\n");
    auto options = asking(server);
    options.hosts_file = hosts.path();
    const resolver own(options);
    EXPECT(own.lookup("THERE.test.").value() == parsed({"192.0.2.1", "192.0.2.2"}));
    EXPECT(own.lookup("alias").value() == parsed({"192.0.2.1"}));
    EXPECT_EQ(server.asked(), 0);
    EXPECT(own.lookup("later.test").value() == parsed({"192.0.2.8"}));
    hosts.write("192.0.2.3 later.test and more than before, so that the size tells it, too\n");
    EXPECT(own.lookup("later.test").value() == parsed({"192.0.2.3"}));
    EXPECT(own.lookup("there.test").value() == parsed({"192.0.2.9"}));
  });
}

TEST_CASE("NT-30: resolv.conf's search list counts, and is read again when it has changed") {
  run_freely_on_each([] {
    dns_server server({{"web.one.test", {.addresses = {"192.0.2.1"}}},
                       {"web.two.test", {.addresses = {"192.0.2.2"}}},
                       {"a.b.one.test", {.addresses = {"192.0.2.3"}}}});
    const temporary_file config("search one.test\n");
    auto options = asking(server);
    options.config_file = config.path();
    const resolver own(options);
    EXPECT(own.lookup("web").value() == parsed({"192.0.2.1"}));
    EXPECT_EQ(server.asked("web"), 2);  // not for "web" itself
    EXPECT(own.lookup("web.").error() == lookup_errc::no_such_host);
    EXPECT(own.lookup("a.b").value() == parsed({"192.0.2.3"}));
    config.write("search nosuch.test two.test\noptions ndots:2\n");
    EXPECT(own.lookup("web").value() == parsed({"192.0.2.2"}));
    EXPECT(own.lookup("web.one.test").value() == parsed({"192.0.2.1"}));
  });
}

TEST_CASE("NT-30: what resolv.conf says of TCP, attempts and timeouts counts") {
  run_freely_on_each([] {
    dns_server server({{"a.test", {.addresses = {"192.0.2.1"}}}, {"s.test", {.silent = true}}});
    const temporary_file config("options use-vc attempts:1\n");
    auto options = asking(server);
    options.config_file = config.path();
    EXPECT(resolver(options).lookup("a.test").has_value());
    EXPECT_EQ(server.asked_over_tcp(), 2);
    config.write("options attempts:3\n");
    options.attempts = 0;
    options.timeout = 10ms;
    EXPECT(resolver(options).lookup("s.test.").error() == lookup_errc::timed_out);
    eventually([&] { return server.asked("s.test") == 2 * 3; }, "the questions to be seen");
  });
}

TEST_CASE("NT-29: a look-up ends with its context") {
  run_freely_on_each([] {
    dns_server server({{"held.test", {.addresses = {"192.0.2.1"}, .held = true}}});
    const resolver own(asking(server));
    {
      const auto [ctx, cancel] = with_cancel(background());
      auto waiting = ringo::spawn([&, ctx = ctx] { return own.lookup(ctx, "held.test"); });
      eventually([&] { return server.asked("held.test") == 2; }, "the questions");
      cancel();
      EXPECT(waiting.join().error() == ringo::errc::canceled);
      EXPECT(own.lookup(ctx, "held.test").error() == ringo::errc::canceled);
      EXPECT(own.lookup(ctx, "127.0.0.1").error() == ringo::errc::canceled);
    }
    const auto [ctx, cancel] = ringo::with_timeout(background(), 20ms);
    EXPECT(own.lookup(ctx, "held.test").error() == ringo::errc::deadline_exceeded);
    EXPECT(panic_text([&] { (void)own.lookup(ringo::context(), "held.test"); }) == "nil context");
  });
}

TEST_CASE(
    "NT-29: callers of one name share one answer, and those who leave do not disturb others") {
  run_freely_on_each([] {
    constexpr int callers = 10;
    dns_server server({{"held.test", {.addresses = {"192.0.2.1"}, .held = true}}});
    const resolver own(asking(server));
    const auto [ctx, cancel] = with_cancel(background());
    auto first = ringo::spawn([&, ctx = ctx] { return own.lookup(ctx, "held.test"); });
    eventually([&] { return server.asked("held.test") == 2; }, "the questions");
    std::vector<watched_fiber> others;
    for (int i = 0; i < callers; ++i) {
      others.push_back(go_until_parked(parked_in_recv, [&] {
        EXPECT(own.lookup("Held.test").value() == parsed({"192.0.2.1"}));
      }));
    }
    cancel();
    EXPECT(first.join().error() == ringo::errc::canceled);
    server.release();
    for (const auto& each : others) each.wait();
    EXPECT_EQ(server.asked("held.test"), 2);
    EXPECT(own.lookup("held.test").has_value());  // nothing is remembered
    EXPECT_EQ(server.asked("held.test"), 4);
  });
}

TEST_CASE("NT-29: a question that nobody waits for any more is dropped") {
  run_freely_on_each([] {
    dns_server server({{"held.test", {.addresses = {"192.0.2.1"}, .held = true}}});
    const resolver own(asking(server));
    EXPECT(!own.lookup("nosuch.test."));  // has read the files, with the help of one more worker
    const auto files = open_files();
    const auto [ctx, cancel] = with_cancel(background());
    std::vector<watched_fiber> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(go_until_parked(parked_in_recv, [&, ctx = ctx] {
        EXPECT(own.lookup(ctx, "held.test").error() == ringo::errc::canceled);
      }));
    }
    eventually([&] { return server.asked("held.test") == 2; }, "the questions");
    EXPECT(open_files() > files);
    cancel();
    for (const auto& each : all) each.wait();
    eventually([] { return ringo::num_fibers() == 1; }, "the look-up to end");
    EXPECT_EQ(open_files(), files);
    // The next caller asks anew.
    server.release();
    EXPECT(own.lookup("held.test").has_value());
    EXPECT_EQ(server.asked("held.test"), 4);
  });
}

TEST_CASE("NT-30: a thousand look-ups at once need no thread of their own") {
  run_on(2, [] {
    constexpr int names = 100;
    constexpr int callers = 1000;
    std::map<std::string, dns_record> records;
    for (int i = 0; i < names; ++i) {
      records["n" + std::to_string(i) + ".test"] = {.addresses = {"192.0.2." + std::to_string(i)}};
    }
    dns_server server(records);
    auto options = asking(server);
    options.timeout = 500ms;  // the server's queue of datagrams may be full
    options.attempts = 10;
    const resolver own(options);
    (void)own.lookup("n0.test");
    const auto threads = threads_of_process();
    fiber_group fibers;
    for (int i = 0; i < callers; ++i) {
      fibers.go([&, i] {
        const auto number = std::to_string(i % names);
        EXPECT(own.lookup("n" + number + ".test").value() == parsed({"192.0.2." + number}));
      });
    }
    fibers.join();
    EXPECT(threads_of_process() <= threads + 2 + ringo::stats().handoffs);
  });
}

TEST_CASE("lookup: that there is no descriptor left is told as it is") {
  run_on(1, [] {
    dns_server server({{"a.test", {.addresses = {"192.0.2.1"}}}});
    const resolver own(asking(server));
    EXPECT(own.lookup("a.test.").has_value());
    rlimit before{};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{0, before.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto error = own.lookup("a.test.").error();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT(error == std::errc::too_many_files_open);
    EXPECT(own.lookup("a.test.").has_value());
  });
}

TEST_CASE("lookup: handles mean one resolver, and it may go while it is asked") {
  run_freely_on_each([] {
    dns_server server({{"held.test", {.addresses = {"192.0.2.1"}, .held = true}}});
    auto own = std::make_unique<resolver>(asking(server));
    auto moved = std::move(*own);
    auto first = ringo::spawn([names = *own] { return names.lookup("held.test"); });
    auto second = ringo::spawn([names = std::move(moved)] { return names.lookup("held.test"); });
    own.reset();
    eventually([&] { return server.asked("held.test") == 2; }, "the questions");
    wait_until_parked(3);  // both, and the look-up
    server.release();
    EXPECT(first.join().has_value());
    EXPECT(second.join().has_value());
    EXPECT_EQ(server.asked("held.test"), 2);
  });
}

TEST_CASE("lookup: plain threads may ask, too") {
  run_on(2, [] {
    dns_server server({{"a.test", {.addresses = {"192.0.2.1"}}}});
    const resolver own(asking(server));
    std::thread thread([&] { EXPECT(own.lookup("a.test").value() == parsed({"192.0.2.1"})); });
    ringo::blocking([&] { thread.join(); });
  });
}

TEST_CASE("lookup: a flight of a run that has ended is nothing to wait for") {
  dns_server server({{"held.test", {.addresses = {"192.0.2.1"}, .held = true}}});
  const resolver own(asking(server));
  for (int run = 1; run <= 3; ++run) {
    run_on(
        1,
        [&] {
          ringo::go([&] { (void)own.lookup("held.test"); });
          eventually([&] { return server.asked("held.test") == 2 * run; }, "the questions");
        },
        leftovers::allowed);
  }
  server.release();
  run_on(1, [&] { EXPECT(own.lookup("held.test").has_value()); });
  CHECK(server.asked("held.test") == 8);
}

TEST_CASE("lookup: fibers of a bubble and others ask for themselves") {
  run_on(2, [] {
    dns_server server({{"held.test", {.addresses = {"192.0.2.1"}, .held = true}}});
    const resolver own(asking(server));
    auto outside = ringo::spawn([&] { return own.lookup("held.test"); });
    eventually([&] { return server.asked("held.test") == 2; }, "the questions from outside");
    ringo::testing::bubble([&] {
      auto inside = ringo::spawn([&] { return own.lookup("held.test"); });
      eventually([&] { return server.asked("held.test") == 4; }, "the questions from inside");
      server.release();
      EXPECT(inside.join().has_value());
    });
    EXPECT(outside.join().has_value());
  });
}

TEST_CASE("lookup: the resolver that all share goes by the system's files") {
  run_on(1, [] {
    EXPECT(ringo::net::lookup("192.0.2.1").value() == parsed({"192.0.2.1"}));
    EXPECT(ringo::net::lookup(background(), "1.2.3").error() == lookup_errc::no_such_host);
    std::ifstream hosts("/etc/hosts");
    const std::string text((std::istreambuf_iterator<char>(hosts)), {});
    if (text.find("localhost") == std::string::npos) return;
    const auto local = ringo::net::lookup("localhost");
    EXPECT(local && std::all_of(local->begin(), local->end(), [](const address& each) {
             return each.is_loopback();
           }));
  });
}

TEST_CASE("lookup: misuse panics, and errors have texts") {
  CHECK(panic_text([] { resolver({.timeout = -1ms}); }) == "resolver: negative timeout");
  CHECK(panic_text([] { resolver({.attempts = -1}); }) == "resolver: negative attempts");
  CHECK(panic_text([] { resolver({.servers = {endpoint::from_path("/x")}}); }) ==
        "resolver: a server without an IP address");
  CHECK(panic_text([] { (void)resolver().lookup("a.test"); }) == "go: no runtime is running");
  CHECK(make_error_code(lookup_errc::no_such_host).message() == "no such host");
  CHECK(make_error_code(lookup_errc::no_such_host) != std::errc::timed_out);
  CHECK(std::string(ringo::net::lookup_category().name()) == "ringo.net.lookup");
}

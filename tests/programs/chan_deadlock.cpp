// Blocks every fiber on channels, in the way that the first argument names. The runtime must report
// the deadlock and end the process with status 2; no destructor runs.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>

namespace {

using ringo::chan;
using ringo::make_chan;

struct operation {
  const char* name;
  void (*run)();
};

void full_buffer() {
  auto ch = make_chan<int>(2);
  for (int i = 0; i < 3; ++i) ch.send(i);
}

/// A hundred fibers that wait for each other in a ring.
void many_receivers() {
  constexpr std::size_t count = 100;
  std::vector<chan<int>> ring;
  for (std::size_t i = 0; i < count; ++i) ring.push_back(make_chan<int>());
  for (std::size_t i = 0; i + 1 < count; ++i) {
    ringo::go([in = ring[i], out = ring[i + 1]]() mutable { out.send(*in.recv()); });
  }
  (void)ring.back().recv();
}

void empty_set() {
  std::vector<ringo::select_case> none;
  ringo::select(none);
}

void self_select() {
  auto ch = make_chan<int>();
  ringo::select(ringo::send(ch, 1), ringo::recv(ch));
}

constexpr operation operations[] = {
    {"nil_send", [] { chan<int>{}.send(1); }},
    {"nil_recv", [] { (void)chan<int>{}.recv(); }},
    {"nil_range",
     [] {
       for ([[maybe_unused]] const int value : chan<int>{}) {
       }
     }},
    {"recv", [] { (void)make_chan<int>().recv(); }},
    {"many", many_receivers},
    {"send", [] { make_chan<int>().send(1); }},
    {"full", full_buffer},
    {"select_none", [] { ringo::select(); }},
    {"select_empty_set", empty_set},
    {"select_nil", [] { ringo::select(ringo::recv(chan<int>{}), ringo::send(chan<int>{}, 1)); }},
    {"select_self", self_select},
};

struct announcer {
  announcer() = default;
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts("destructor ran"); }
};

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  for (const operation& one : operations) {
    if (argc != 2 || std::strcmp(argv[1], one.name) != 0) continue;
    ringo::run([&] {
      const announcer witness;
      one.run();
      std::puts("unreachable");
    });
  }
  return EXIT_FAILURE;
}

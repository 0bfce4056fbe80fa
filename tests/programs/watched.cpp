// Serves the page about itself, prints where, and ends when its standard input does.

#include <chrono>
#include <cstdio>

#include <ringo/chan.hpp>
#include <ringo/debug/serve.hpp>
#include <ringo/go.hpp>
#include <ringo/io/file.hpp>
#include <ringo/runtime.hpp>

using namespace std::chrono_literals;

int main() {
  ringo::run([] {
    const auto page = ringo::debug::serve("127.0.0.1:0");
    if (!page) return;
    const auto never_sent = ringo::make_chan<int>();
    for (int i = 0; i < 5; ++i) ringo::go([never_sent] { (void)never_sent.recv(); });
    for (int i = 0; i < 8; ++i) {
      ringo::go({.name = "counter"}, [] {
        for (;;) {
          for (int n = 0; n < 200; ++n) ringo::yield();
          ringo::sleep_for(1ms);  // tidy: real time: what it does is to be seen, and no more
        }
      });
    }
    std::printf("http://%s/\n", page->local().to_string().c_str());
    std::fflush(stdout);
    char byte = 0;
    while (ringo::io::standard_input().read({&byte, 1})) {
    }
  });
}

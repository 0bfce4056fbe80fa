// Lets a channel panic, named by the first argument, leave a fiber. That ends the process with
// status 2, after the destructors of that fiber have run.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>

namespace {

using ringo::chan;
using ringo::make_chan;

void misuse(const char* operation) {
  auto ch = make_chan<int>(1);
  ch.close();
  if (std::strcmp(operation, "send_on_closed") == 0) ch.send(1);
  if (std::strcmp(operation, "close_of_nil") == 0) chan<int>{}.close();
  if (std::strcmp(operation, "close_of_closed") == 0) ch.close();
}

struct announcer {
  announcer() = default;
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;
  ~announcer() { std::puts("destructor ran"); }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return EXIT_FAILURE;
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  ringo::run([&] {
    ringo::go([operation = argv[1]] {
      const announcer witness;
      misuse(operation);
      std::puts("unreachable");
    });
    (void)make_chan<int>().recv();
  });
  return EXIT_FAILURE;
}

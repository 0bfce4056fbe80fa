// Two runs with named fibers, for RINGO_TRACE. "exit": ends in the middle of the second. "stuck":
// its only fiber waits for ever.

#include <cstdlib>
#include <string_view>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>
#include <ringo/sync/wait_group.hpp>

namespace {

void work(const char* name) {
  ringo::wait_group done;
  for (int i = 0; i < 3; ++i) {
    done.add(1);
    ringo::go({.name = name}, [&done] {
      ringo::yield();
      done.done();
    });
  }
  done.wait();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const bool exits = mode == "exit";
  if (mode == "stuck") ringo::run([] { (void)ringo::make_chan<int>().recv(); });
  ringo::run([] { work("first"); });
  ringo::run([exits] {
    work("second");
    if (exits) std::exit(3);  // NOLINT(concurrency-mt-unsafe): what the test is about
  });
}

// Two runs with named fibers, for RINGO_TRACE. "exit": ends in the middle of the second.

#include <cstdlib>
#include <string_view>

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
  const bool exits = argc > 1 && std::string_view(argv[1]) == "exit";
  ringo::run([] { work("first"); });
  ringo::run([exits] {
    work("second");
    if (exits) std::exit(3);  // NOLINT(concurrency-mt-unsafe): what the test is about
  });
}

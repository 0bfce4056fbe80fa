// A pipeline: each stage takes a channel to read from and returns one to read from, which it closes
// when it has sent its last value. The middle stage fans out to several fibers and merges again.
// Run: pipeline

#include <cstdint>
#include <iostream>

#include <ringo/ringo.hpp>

namespace {

using numbers = ringo::recv_chan<std::int64_t>;

// Sends 1, 2, ..., last.
numbers generate(std::int64_t last) {
  auto out = ringo::make_chan<std::int64_t>();
  ringo::go([out, last] {
    for (std::int64_t n = 1; n <= last; ++n) out.send(n);
    out.close();
  });
  return out;
}

// Sends the square of every number in `in`, in no particular order.
numbers square(numbers in, int fibers) {
  auto out = ringo::make_chan<std::int64_t>();
  ringo::go([in, out, fibers] {
    ringo::wait_group squarers;
    for (int i = 0; i < fibers; ++i) {
      squarers.go([&] {
        for (std::int64_t n : in) out.send(n * n);
      });
    }
    squarers.wait();
    out.close();  // only now: to send on a closed channel is a panic
  });
  return out;
}

std::int64_t sum(numbers in) {
  std::int64_t total = 0;
  for (std::int64_t n : in) total += n;
  return total;
}

}  // namespace

int main() {
  return ringo::run([] {
    std::cout << sum(square(generate(1000), 4)) << '\n';
    return 0;
  });
}

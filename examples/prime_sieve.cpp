// Go's concurrent prime sieve: one fiber generates numbers, and each prime found adds a fiber that
// filters out its multiples. Closing `done` ends them all; each waits for it in a select.
// Run: prime_sieve 25 (prints the first 25 primes)

#include <cstdlib>
#include <iostream>
#include <optional>

#include <ringo/ringo.hpp>

namespace {

// Sends 2, 3, 4, ... until done is closed.
void generate(ringo::send_chan<int> out, ringo::recv_chan<void> done) {
  for (int n = 2;; ++n) {
    if (ringo::select(ringo::send(out, n), ringo::recv(done)) == 1) return;
  }
}

// Passes on what the prime does not divide, until done is closed.
void filter(int prime,
            ringo::recv_chan<int> in,
            ringo::send_chan<int> out,
            ringo::recv_chan<void> done) {
  for (;;) {
    std::optional<int> n;
    if (ringo::select(ringo::recv(in, n), ringo::recv(done)) == 1) return;
    if (*n % prime == 0) continue;
    if (ringo::select(ringo::send(out, *n), ringo::recv(done)) == 1) return;
  }
}

void print_primes(int count) {
  auto done = ringo::make_chan<void>();
  ringo::wait_group fibers;

  auto numbers = ringo::make_chan<int>();
  fibers.go([=] { generate(numbers, done); });
  for (int i = 0; i < count; ++i) {
    const int prime = *numbers.recv();  // the first number that no earlier prime divides
    std::cout << prime << '\n';
    auto next = ringo::make_chan<int>();
    fibers.go([=] { filter(prime, numbers, next, done); });
    numbers = next;
  }

  done.close();
  fibers.wait();
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 25;
  return ringo::run([count] {
    print_primes(count);
    return 0;
  });
}

#include <ringo/ringo.hpp>

// Exit status 0 only if a value went through a channel between two fibers.
int main() {
  return ringo::run([] {
    auto numbers = ringo::make_chan<int>();
    ringo::go([numbers] {
      numbers.send(42);
      numbers.close();
    });
    int sum = 0;
    for (int number : numbers) sum += number;
    return sum == 42 ? 0 : 1;
  });
}

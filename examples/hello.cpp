// The three words of a first program: a fiber that works, a channel to hear from it, a join to
// wait for what it returns. Run: hello

#include <iostream>
#include <string>

#include <ringo/ringo.hpp>

int main() {
  return ringo::run([] {
    auto greetings = ringo::make_chan<std::string>();

    auto greeter = ringo::spawn([greetings] {
      int count = 0;
      for (const char* name : {"fiber", "channel", "world"}) {
        greetings.send(std::string("hello, ") + name);
        ++count;
      }
      greetings.close();
      return count;
    });

    for (const std::string& greeting : greetings) std::cout << greeting << '\n';
    std::cout << greeter.join() << " greetings\n";
    return 0;
  });
}

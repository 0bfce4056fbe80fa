// Chameneos: creatures that meet in pairs, and take on a colour that depends on both. They come to
// one meeting place, a fiber that introduces the next two to each other, until there have been N
// meetings. The output is that of the Benchmarks Game's chameneos-redux.
// Run: chameneos 6000

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include <ringo/ringo.hpp>

namespace {

enum class colour : std::uint8_t { blue, red, yellow };

constexpr std::array colours = {colour::blue, colour::red, colour::yellow};

const char* name_of(colour c) {
  return std::array{"blue", "red", "yellow"}[static_cast<std::size_t>(c)];
}

// Two of one colour keep it; two of different colours take the third.
colour complement(colour a, colour b) {
  if (a == b) return a;
  return static_cast<colour>(3 - static_cast<int>(a) - static_cast<int>(b));
}

std::string spelled_out(std::int64_t number) {
  constexpr const char* digits[] = {
      "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  std::string text;
  for (const char digit : std::to_string(number)) text += std::string(" ") + digits[digit - '0'];
  return text;
}

// Who is met.
struct creature {
  int id = 0;
  colour skin = colour::blue;
};

// Who comes, and the channel that tells whom it meets; closed: there are no more meetings.
struct visitor {
  creature self;
  ringo::chan<creature> partner;
};

struct diary {
  std::int64_t meetings = 0;
  std::int64_t meetings_with_itself = 0;
};

diary live(creature self, ringo::send_chan<visitor> place) {
  diary seen;
  const auto partner = ringo::make_chan<creature>(1);  // so that the place need not wait for us
  place.send({self, partner});
  for (const creature& other : partner) {
    ++seen.meetings;
    if (other.id == self.id) ++seen.meetings_with_itself;
    self.skin = complement(self.skin, other.skin);
    place.send({self, partner});
  }
  return seen;
}

// Introduces visitors to each other, two by two, and at the end sends everybody home.
void host(ringo::recv_chan<visitor> place, std::int64_t meetings, std::size_t creatures) {
  for (; meetings > 0; --meetings) {
    const visitor first = *place.recv();
    const visitor second = *place.recv();
    first.partner.send(second.self);
    second.partner.send(first.self);
  }
  for (; creatures > 0; --creatures) place.recv()->partner.close();
}

void play(const std::vector<colour>& skins, std::int64_t meetings) {
  const auto place = ringo::make_chan<visitor>();
  std::vector<ringo::task<diary>> creatures;
  for (const colour skin : skins) {
    std::cout << ' ' << name_of(skin);
    const int id = static_cast<int>(creatures.size());
    creatures.push_back(ringo::spawn(live, creature{id, skin}, place));
  }
  std::cout << '\n';
  host(place, meetings, creatures.size());

  std::int64_t total = 0;
  for (auto& life : creatures) {
    const diary seen = life.join();
    std::cout << seen.meetings << spelled_out(seen.meetings_with_itself) << '\n';
    total += seen.meetings;
  }
  std::cout << spelled_out(total) << "\n\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t meetings = 6000;
  const char* text = argc > 1 ? argv[1] : "6000";
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, meetings);
  if (argc > 2 || rest != end || error != std::errc() || meetings < 0) {
    std::cerr << "usage: chameneos [MEETINGS]\n";
    return 2;
  }
  return ringo::run([meetings] {
    for (const colour a : colours) {
      for (const colour b : colours) {
        std::cout << name_of(a) << " + " << name_of(b) << " -> " << name_of(complement(a, b))
                  << '\n';
      }
    }
    std::cout << '\n';
    using enum colour;
    play({blue, red, yellow}, meetings);
    play({blue, red, yellow, red, yellow, blue, red, yellow, red, blue}, meetings);
    return 0;
  });
}

// A service of three fibers, one of which meets input that nobody thought of.
// (noinline: so that reports show the function.)

#include <string>
#include <string_view>
#include <vector>

#include <ringo/chan.hpp>
#include <ringo/go.hpp>
#include <ringo/runtime.hpp>

namespace {

struct request {
  std::vector<std::string_view> words;
};

[[gnu::noinline]] std::string_view protocol_of(const request& asked) {
  return asked.words.at(2);
}

request split(std::string_view line) {
  request result;
  while (!line.empty()) {
    const auto end = line.find(' ');
    result.words.push_back(line.substr(0, end));
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return result;
}

[[gnu::noinline]] void parse(ringo::recv_chan<std::string> lines,
                             ringo::send_chan<std::string> protocols) {
  while (const auto line = lines.recv()) protocols.send(std::string(protocol_of(split(*line))));
}

[[gnu::noinline]] void store(ringo::recv_chan<std::string> protocols) {
  while (protocols.recv()) {
  }
}

[[gnu::noinline]] void serve() {
  const auto lines = ringo::make_chan<std::string>();
  const auto protocols = ringo::make_chan<std::string>();
  ringo::go({.name = "parser"}, parse, lines, protocols);
  ringo::go({.name = "store"}, store, protocols);
  for (const char* line : {"GET / HTTP/1.1", "PUT /x HTTP/1.1", "QUIT", "GET /y HTTP/1.1"}) {
    lines.send(line);
  }
  lines.close();
}

}  // namespace

int main() {
  ringo::run(serve);
}

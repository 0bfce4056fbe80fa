#pragma once

// Children that tell about themselves: tests/programs/child.cpp.

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <ringo/error.hpp>
#include <ringo/io/file.hpp>
#include <ringo/os/process.hpp>

#include "expect.hpp"

namespace ringo::test {

inline std::vector<std::string> child_args(std::initializer_list<std::string> arguments) {
  std::vector<std::string> args = {std::string(RINGO_PROGRAMS_DIR) + "/program_child"};
  args.insert(args.end(), arguments);
  return args;
}

/// Until the end; what came before an error.
inline std::string read_all(const io::file& from) {
  std::string text;
  std::vector<char> room(16 * 1024);
  for (;;) {
    const auto count = from.read(room);
    if (!count) {
      EXPECT(count.error() == errc::eof);
      return text;
    }
    text.append(room.data(), *count);
  }
}

/// What a child prints until it ends, which it does well.
inline std::string output_of(os::process_options options) {
  options.output = os::stdio::pipe();
  const auto child = os::process::start(std::move(options));
  EXPECT(child.has_value());
  if (!child) return child.error().message();
  std::string text = read_all(child->output());
  const auto status = child->wait();
  EXPECT(status.has_value() && status->success());
  return text;
}

}  // namespace ringo::test

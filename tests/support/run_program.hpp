#pragma once

// Runs a program that is expected to die and tells how it died. The programs are the small mains
// in tests/programs; the build puts them into RINGO_PROGRAMS_DIR.

#include <chrono>
#include <string>
#include <vector>

#include "sizes.hpp"

namespace ringo::test {

struct program {
  std::string name;                           // of tests/programs/<name>.cpp
  std::vector<std::string> arguments = {};    // without argv[0]
  std::vector<std::string> environment = {};  // "NAME=value", added to our own
  std::chrono::milliseconds timeout = sizes::patience;
};

struct program_result {
  std::string output;      // standard output and standard error, interleaved
  int status = 0;          // as waitpid gives it
  bool timed_out = false;  // then it was killed

  bool exited_with(int code) const;
  bool killed_by(int signal) const;
  bool printed(const std::string& text) const { return output.find(text) != std::string::npos; }
};

/// Blocks until the program has ended or its time is over. Throws std::system_error when it cannot
/// be started.
program_result run_program(const program& what);

}  // namespace ringo::test

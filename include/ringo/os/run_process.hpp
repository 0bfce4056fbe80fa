#pragma once

#include <string>
#include <string_view>

#include <ringo/context.hpp>
#include <ringo/os/process.hpp>
#include <ringo/result.hpp>

namespace ringo::os {

/// What run_process() returns. A value.
struct finished_process {
  exit_status status;
  std::string output;
  std::string error_output;
};

/// Runs a program to its end: starts it, feeds it `input` and then the end of the file, collects
/// what it prints, and waits. Only streams that are null in `options` are fed and collected; the
/// others are what `options` says. A status that is not 0 is no error.
///
/// Blocks only the fiber; other fibers, in parallel, feed and collect, so it is to be called while
/// a runtime runs. With a context the end of that ends the process, as in process::start(): what
/// has been collected is lost if it then exits with 0, and comes with the status else. A grandchild
/// that has the pipes still is waited for too, but for `options.wait_delay` (0: for ever).
/// `input` must stay until it returns.
///
/// Errors: those of process::start() and wait(); if the program exits with 0, those of reading
/// and writing. That it ends without having read all its input is none. Allocates what is
/// collected; there is no limit. Source: Go's Cmd.Output and CombinedOutput.
result<finished_process> run_process(const context& ctx,
                                     process_options options,
                                     std::string_view input = {});
/// The same without a context.
result<finished_process> run_process(process_options options, std::string_view input = {});

}  // namespace ringo::os

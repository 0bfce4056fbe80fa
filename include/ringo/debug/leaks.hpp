#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <ringo/debug/dump.hpp>

namespace ringo::debug {

/// What leaks() has found.
struct leak_report {
  /// Empty: it could tell. Else why not, and `fibers` is empty.
  std::string unknown;
  /// The fibers that nothing can ever wake, by number.
  std::vector<fiber_info> fibers;
};

struct leak_options {
  /// How long the search may wait for fibers that compute without a scheduling point, while all
  /// others stand still.
  std::chrono::nanoseconds patience = std::chrono::milliseconds(100);
};

/// Finds fibers that wait for ever: on channels or locks that no fiber which could still run can
/// reach, on nil channels, on an empty select. Go's goroutine leak profile.
///
/// Everything stands still meanwhile, for as long as it takes to read all memory that is in use.
/// Call it from a fiber. It cannot tell, and says why: when called from elsewhere; while the
/// process has threads that ringo did not start, a fiber is in blocking(), or one of an earlier run
/// was abandoned while it computed; when a fiber does not reach a scheduling point within
/// `patience`; in builds with a sanitizer.
///
/// A fiber that is reported is leaked, unless the program hides its pointers (a word, aligned,
/// that points into the object is what counts). Some that are leaked are not reported: memory
/// blocks are not told from each other, so what the heap points to counts as reachable, as does
/// what a stack or a global still mentions by accident; and locks, groups and tasks that live in
/// the heap always do. What is found best is a fiber whose channels are held by leaked fibers
/// alone, in variables and captures. Timers, sleep and I/O always end. May throw std::bad_alloc.
/// Source: LeakSanitizer; Go 1.26's goroutineleak profile.
leak_report leaks(const leak_options& wanted = {});

}  // namespace ringo::debug

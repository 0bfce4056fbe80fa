#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace ringo::debug {

/// What one fiber does, as it was at some moment of the call that returned it.
struct fiber_info {
  enum class status : std::uint8_t {
    runnable,  ///< waits for a worker
    running,   ///< a thread runs it, or it blocks its thread inside blocking()
    waiting,   ///< parked: `reason` says on what
    abandoned  ///< its thread has not come back from an earlier run
  };

  std::uint64_t id = 0;  ///< as this_fiber::id()
  std::string name;      ///< empty: none was given
  status state = status::runnable;
  std::string reason;  ///< in Go's words: "chan receive", "sync.Mutex.Lock", "running", "syscall"
  std::string detail;  ///< what exactly, where that is known: the address at the other end
  /// Since it has parked, to some 20 ms; 0 if it does not wait. What it had computed before, since
  /// its worker's last look at the clock, is counted in (workers look whenever they run out of work
  /// and every 64 switches).
  std::chrono::nanoseconds waited{0};
  bool is_pinned = false;            ///< locked to its thread, by a thread_pin
  const void* created_by = nullptr;  ///< a code address behind the call of go()
  /// Return addresses, newest first; at most 64. Of the caller and of fibers that wait; others are
  /// on their way while they are looked at. Empty on machines other than x86-64.
  std::vector<const void*> frames;
};

/// Every fiber of the process, by number. Stops nobody: a fiber that waits is kept from going on
/// for as long as its stack is read. Blocks the thread for as long as another call like this is
/// under way. Any fiber or thread. Linear in the number of fibers.
std::vector<fiber_info> fibers();

/// The code at an address as text: "function+0x12 (module+0x3456)". addr2line makes file and line
/// of the module's offset. Any thread.
std::string symbol(const void* code);

/// What SIGQUIT prints: every fiber with its number, name, state or what it waits for and for how
/// long, where it was created, and its backtrace. Fibers that are alike in all but number and
/// waiting time are shown once. Blocks and scales as fibers(). Any fiber or thread.
std::string dump();

/// Writes dump() to a descriptor; blocks the thread until all is written. Errors: those of
/// write(2). std::errc::not_enough_memory if there is none for the text. Never throws.
std::error_code dump(int fd) noexcept;

}  // namespace ringo::debug

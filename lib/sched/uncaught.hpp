#pragma once

#include <string>

namespace ringo::detail {

struct fiber;

/// What goexit() throws. Deliberately outside std::exception. A `catch (...)` that swallows it is
/// fatal: its destructor runs before the fiber's first frame has seen it.
class goexit_signal {
 public:
  explicit goexit_signal(fiber& owner) noexcept : owner_(&owner) {}
  goexit_signal(const goexit_signal&) = delete;
  goexit_signal& operator=(const goexit_signal&) = delete;
  ~goexit_signal();

  void arrived() const noexcept { owner_ = nullptr; }

 private:
  mutable fiber* owner_;
};

/// Runs the body of a fiber to its end, and destroys it: returns normally after goexit; ends the
/// process after any other exception.
void run_body(fiber& self) noexcept;

/// Prints the exception being handled, as an uncaught Go panic would be, and ends the process.
[[noreturn]] void die_of_exception() noexcept;

/// Its what(), of the exception that is being handled.
std::string text_of_current_exception();

}  // namespace ringo::detail

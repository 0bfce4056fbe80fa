#pragma once

#include <utility>

namespace ringo {

/// Runs a callable at the end of the scope, however it is left: Go's defer, but for a scope instead of a
/// function. `ringo::defer close{[&] { file.close(); }};` Several run in reverse order. What the
/// callable throws ends the process (it runs in a destructor).
template <typename Fn>
class [[nodiscard]] defer {
 public:
  explicit defer(Fn fn) : fn_(std::move(fn)) {}
  defer(const defer&) = delete;
  defer& operator=(const defer&) = delete;
  ~defer() { fn_(); }

 private:
  Fn fn_;
};

}  // namespace ringo

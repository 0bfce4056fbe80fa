#pragma once

#include <utility>

namespace ringo {

/// Runs a callable at the end of the scope, however it is left: Go's defer, but for a scope instead
/// of a function. Several run in reverse order.
///
/// @snippet examples/digest_tree.cpp defer
///
/// The callable may block. What it throws ends the process (it runs in a destructor). It does not
/// run for a fiber that is left over at the end of run().
/// Source: The Go Programming Language Specification, "Defer statements".
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

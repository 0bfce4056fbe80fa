#pragma once

namespace ringo::detail {

struct fiber;
struct operation;

/// What carries out operations: an engine, or a pool of threads. See operation.hpp for the
/// protocol.
class carrier {
 public:
  carrier() = default;
  carrier(const carrier&) = delete;
  carrier& operator=(const carrier&) = delete;

  /// Begins an operation whose fiber is at rest. It may complete before this returns; the caller
  /// has a hold on it. By the worker that the fiber was on; never blocks, never fails: an error is
  /// the operation's result.
  virtual void start(operation& op) noexcept = 0;

  /// Asks for the end of an operation that was started here. Any thread that has found it listed
  /// (see operation.hpp). Not null: the fiber that the caller makes ready. The completion may take
  /// a while, and may still say that the operation has succeeded.
  [[nodiscard]] virtual fiber* cancel(operation& op) noexcept = 0;

 protected:
  ~carrier() = default;
};

}  // namespace ringo::detail

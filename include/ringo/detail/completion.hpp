#pragma once

#include <atomic>
#include <cstdint>

namespace ringo::detail {

struct fiber;
struct completion_waits;

/// Something that happens once, and that one waiter at a time waits for; or that nobody will wait
/// for any more. Decides by one word who of the two sides frees what they share.
///
/// Word: 0 pending; a fiber that waits; `done`; `abandoned`.
///   finisher: exchange done.     Found a fiber: ready it. Found abandoned: the finisher owns the
///   rest. waiter:   done? go on. Else park, and once at rest CAS 0 -> fiber; if that fails, done
///   came first: ready. dropper:  exchange abandoned. Found done: the dropper owns the rest.
/// The exchange is the finisher's last touch unless it owns the rest.
class completion {
 public:
  /// True: somebody has taken or will take notice. False: abandoned, the caller owns what is left.
  bool finish() noexcept;
  /// Blocks until finish(). What the finisher did before is visible then.
  void wait();
  /// False: finished already, the caller owns what is left.
  bool abandon() noexcept;

 private:
  static constexpr std::uintptr_t done = 1;
  static constexpr std::uintptr_t abandoned = 2;

  std::atomic<std::uintptr_t> word_{0};
  fiber* waiter_ = nullptr;  // the waiter's own, and read by its `after`

  friend struct completion_waits;
};

}  // namespace ringo::detail

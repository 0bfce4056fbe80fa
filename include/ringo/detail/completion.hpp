#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>

#include <ringo/detail/cancellable.hpp>

namespace ringo::detail {

class bubble;
struct fiber;
struct completion_waits;
struct cancellable_completion;

/// Something that happens once, and that one waiter at a time waits for; or that nobody will wait
/// for any more. Decides by one word who of the two sides frees what they share.
///
/// Word: 0 pending; a fiber that waits; `done`; `abandoned`.
///   finisher: exchange done.     Found a fiber: ready it. Found abandoned: the finisher owns the
///   rest. waiter:   done? go on. Else park, and once at rest CAS 0 -> fiber; if that fails, done
///   came first: ready. dropper:  exchange abandoned. Found done: the dropper owns the rest.
/// The exchange is the finisher's last touch unless it owns the rest.
/// A waiter that may give up has added a listener before it parks. The canceller: CAS fiber -> 0
/// and wake it; or CAS 0 -> `called_off`, when the waiter is not at rest yet: its CAS then fails,
/// and it is ready again. Awake it removes the listener, clears `called_off`, and has given up
/// unless the word is done.
class completion {
 public:
  /// True: somebody has taken or will take notice. False: abandoned, the caller owns what is left.
  bool finish() noexcept;
  /// Blocks until finish(). What the finisher did before is visible then.
  void wait();
  /// The same; false: `stop` was done before finish(). It may be called again then.
  bool wait(cancellation& stop);
  /// False: finished already, the caller owns what is left.
  bool abandon() noexcept;
  /// The bubble of the fiber that will finish it; null: none. Before it is shared.
  void belong_to(const bubble* group) noexcept { group_ = group; }

 private:
  static constexpr std::uintptr_t done = 1;
  static constexpr std::uintptr_t abandoned = 2;
  static constexpr std::uintptr_t called_off = 3;

  std::atomic<std::uintptr_t> word_{0};
  fiber* waiter_ = nullptr;        // the waiter's own, and read by its `after`
  const bubble* group_ = nullptr;  // immutable once it is shared

  bool finished_inside(const fiber& of) const noexcept;

  friend struct completion_waits;
  friend struct cancellable_completion;
};

/// completion::wait(); empty: finished. A cancellation that is done on entry wins; null: never.
std::error_code wait_for(completion& finished, cancellation* stop);

}  // namespace ringo::detail

#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/detail/completion.hpp>
#include <ringo/detail/config.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/result.hpp>

namespace ringo {
namespace detail {

/// What a fiber and its task share. Whoever comes last frees it: see completion.
template <typename T>
struct task_state {
  using slot = std::conditional_t<std::is_void_v<T>, char, std::optional<T>>;

  completion finished;
  bool exited = false;  // by goexit
  std::exception_ptr thrown;
  slot value{};

  task_state() = default;
  task_state(const task_state&) = delete;
  task_state& operator=(const task_state&) = delete;
  virtual ~task_state() = default;
};

/// Ends the process as an exception that leaves a fiber does.
[[noreturn]] void die_of_exception(const std::exception_ptr& thrown) noexcept;

template <typename T, typename Call>
class task_body final : public task_state<T> {
 public:
  explicit task_body(Call call) : call_(std::move(call)) {}

  void run() {
    try {
      if constexpr (std::is_void_v<T>) {
        (*call_)();
      } else {
        this->value.emplace((*call_)());
      }
      call_.reset();
    } catch (...) {
      call_.reset();
      if (fiber_is_exiting()) {
        this->exited = true;
        finish();
        throw;
      }
      this->thrown = std::current_exception();
    }
    finish();
  }

 private:
  std::optional<Call> call_;

  void finish() noexcept {
    if (this->finished.finish()) return;
    if (this->thrown) die_of_exception(this->thrown);
    delete this;
  }
};

}  // namespace detail

/// A fiber that somebody may wait for; from spawn(). Default-constructed or moved from: empty.
/// Dropping a task, or assigning over it, detaches its fiber; an exception that nobody can ask for
/// any more then ends the process as in go().
///
/// @snippet tests/docs/guide_test.cpp spawn
///
/// A handle for one owner: it may be moved, joined and dropped on any fiber or thread, but by one
/// at a time; two that join at once are undefined.
template <typename T>
class [[nodiscard]] task {
 public:
  task() = default;
  /// Leaves `other` empty.
  task(task&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  /// Detaches the fiber this task had; leaves `other` empty.
  task& operator=(task&& other) noexcept {
    task moved(std::move(other));
    std::swap(state_, moved.state_);
    return *this;
  }
  /// As detach().
  ~task() { detach(); }

  /// True until joined, detached or moved from.
  bool joinable() const noexcept { return state_ != nullptr; }

  /// Waits for the fiber's end, then returns what its function returned or rethrows what it threw.
  /// Blocks only the calling fiber (or plain thread). The task is empty afterwards.
  /// Panics: "join called twice" (also on an empty task); "join of a fiber that called goexit".
  /// What the fiber did is visible afterwards. O(1), allocates nothing.
  T join() {
    if (state_ == nullptr) detail::panic("join called twice");
    state_->finished.wait();
    return take();
  }

  /// The same, but gives up with ctx.err() when the context is done before the fiber has ended, and
  /// at once if it is done on entry. The task keeps its fiber then: join() may be called again.
  /// Panics as join(), and "nil context".
  auto join(const context& ctx)
      -> std::conditional_t<std::is_void_v<T>, std::error_code, result<T>> {
    if (state_ == nullptr) detail::panic("join called twice");
    if (const auto given_up = detail::wait_for(state_->finished, detail::cancellation_of(ctx)))
      return given_up;
    if constexpr (std::is_void_v<T>) {
      take();
      return std::error_code{};
    } else {
      return take();
    }
  }

  /// Lets the fiber go on alone; nothing on an empty task. Never blocks. If the fiber has ended
  /// with an exception already, the process ends here with status 2.
  void detach() noexcept {
    if (state_ == nullptr) return;
    auto* state = std::exchange(state_, nullptr);
    if (state->finished.abandon()) return;
    if (state->thrown) detail::die_of_exception(state->thrown);
    delete state;
  }

 private:
  detail::task_state<T>* state_ = nullptr;

  explicit task(detail::task_state<T>* state) noexcept : state_(state) {}

  /// The fiber has ended.
  T take() {
    const std::unique_ptr<detail::task_state<T>> owned(std::exchange(state_, nullptr));
    if (owned->exited) detail::panic("join of a fiber that called goexit");
    if (owned->thrown) std::rethrow_exception(owned->thrown);
    if constexpr (!std::is_void_v<T>) return std::move(*owned->value);
  }

  template <typename Fn, typename... Args>
  requires detail::spawnable<Fn, Args...>
  friend auto spawn(const go_options& wanted, Fn&& fn, Args&&... args);
};

/// go() with a handle: task<T>::join() waits for the fiber and gives what fn returned, by value.
/// Same rules and panics as go(), but for an exception out of fn, which join() rethrows. Never
/// blocks.
/// Thread-safe. O(1); one allocation, for what fiber and task share, and one for a name.
template <typename Fn, typename... Args>
requires detail::spawnable<Fn, Args...>
[[gnu::always_inline]] inline auto spawn(const go_options& wanted, Fn&& fn, Args&&... args) {
  detail::check_not_nil(fn);
  auto call = detail::bind_call(std::forward<Fn>(fn), std::forward<Args>(args)...);
  using value = std::invoke_result_t<decltype(call)&>;
  static_assert(!std::is_reference_v<value>, "return a pointer or std::ref instead of a reference");
  using body = detail::task_body<value, decltype(call)>;
  detail::prepared_fiber prepared(wanted, detail::code_here());
  auto owned = std::make_unique<body>(std::move(call));
  owned->finished.belong_to(prepared.group());
  prepared.body().emplace([running = owned.get()] { running->run(); });
  prepared.start();
  return task<value>(owned.release());
}

/// The same with default options.
template <typename Fn, typename... Args>
requires(detail::spawnable<Fn, Args...> && !std::same_as<std::remove_cvref_t<Fn>, go_options>)
    [[gnu::always_inline]] inline auto spawn(Fn&& fn, Args&&... args) {
  return spawn(go_options{}, std::forward<Fn>(fn), std::forward<Args>(args)...);
}

}  // namespace ringo

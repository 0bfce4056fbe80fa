#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/detail/completion.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>

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

/// A fiber that somebody may wait for; from spawn(). Movable. Dropping a task detaches its fiber; an
/// exception that nobody can ask for any more then ends the process as in go().
/// One task must not be joined by two at a time.
template <typename T>
class [[nodiscard]] task {
 public:
  task() = default;
  task(task&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    task moved(std::move(other));
    std::swap(state_, moved.state_);
    return *this;
  }
  ~task() { detach(); }

  /// True until joined, detached or moved from.
  bool joinable() const noexcept { return state_ != nullptr; }

  /// Waits for the fiber's end, then returns what its function returned or rethrows what it threw. Blocks only
  /// the calling fiber (or plain thread). What the fiber did is visible afterwards.
  /// Panics: "join called twice" (also on an empty task); "join of a fiber that called goexit".
  T join() {
    if (state_ == nullptr) detail::panic("join called twice");
    state_->finished.wait();
    const std::unique_ptr<detail::task_state<T>> owned(std::exchange(state_, nullptr));
    if (owned->exited) detail::panic("join of a fiber that called goexit");
    if (owned->thrown) std::rethrow_exception(owned->thrown);
    if constexpr (!std::is_void_v<T>) return std::move(*owned->value);
  }

  /// Lets the fiber go on alone.
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

  template <typename Fn, typename... Args>
    requires detail::spawnable<Fn, Args...>
  friend auto spawn(const go_options& wanted, Fn&& fn, Args&&... args);
};

/// go() with a handle: task<T>::join() waits for the fiber and gives what fn returned. Same rules as go(), but
/// for an exception, which join() rethrows. Allocates the state that fiber and task share.
template <typename Fn, typename... Args>
  requires detail::spawnable<Fn, Args...>
[[gnu::always_inline]] inline auto spawn(const go_options& wanted, Fn&& fn, Args&&... args) {
  detail::check_not_nil(fn);
  auto call = detail::bind_call(std::forward<Fn>(fn), std::forward<Args>(args)...);
  using value = std::invoke_result_t<decltype(call)&>;
  static_assert(!std::is_reference_v<value>, "return a pointer or std::ref instead of a reference");
  using body = detail::task_body<value, decltype(call)>;
  detail::prepared_fiber prepared(wanted, __builtin_return_address(0));
  auto owned = std::make_unique<body>(std::move(call));
  prepared.body().emplace([running = owned.get()] { running->run(); });
  prepared.start();
  return task<value>(owned.release());
}

template <typename Fn, typename... Args>
  requires(detail::spawnable<Fn, Args...> && !std::same_as<std::remove_cvref_t<Fn>, go_options>)
[[gnu::always_inline]] inline auto spawn(Fn&& fn, Args&&... args) {
  return spawn(go_options{}, std::forward<Fn>(fn), std::forward<Args>(args)...);
}

}  // namespace ringo

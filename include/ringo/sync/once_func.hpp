#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/once.hpp>

namespace ringo {

template <typename T>
class once_function;

namespace detail {

/// What the copies share. Written in the one run, read after it: `ran` orders them.
template <typename T>
class once_run {
 public:
  once_run() = default;
  once_run(const once_run&) = delete;
  once_run& operator=(const once_run&) = delete;
  virtual ~once_run() = default;

  const auto& get() {
    ran_.call([this] { run(); });
    if (RINGO_UNLIKELY(thrown_ != nullptr)) std::rethrow_exception(thrown_);
    if (RINGO_UNLIKELY(!value_)) panic("once: the function called goexit");
    return *value_;
  }

 protected:
  using result = std::conditional_t<std::is_void_v<T>, char, T>;

  virtual void call(std::optional<result>& to) = 0;
  virtual void drop_function() noexcept = 0;

 private:
  once ran_;
  std::exception_ptr thrown_;
  std::optional<result> value_;  // empty after the run: it threw, or called goexit

  void run() {
    try {
      call(value_);
    } catch (...) {
      if (!fiber_is_exiting()) thrown_ = std::current_exception();
      drop_function();
      throw;  // as it came, so that the first caller's trace reaches its origin
    }
    drop_function();
  }
};

template <typename T, typename Fn>
class once_run_of final : public once_run<T> {
 public:
  template <typename From>
  explicit once_run_of(From&& fn) : fn_(std::forward<From>(fn)) {}

 private:
  std::optional<Fn> fn_;

  void call(std::optional<typename once_run<T>::result>& to) override {
    if constexpr (std::is_void_v<T>) {
      std::invoke(*fn_);
      to.emplace();
    } else {
      to.emplace(std::invoke(*fn_));
    }
  }
  void drop_function() noexcept override { fn_.reset(); }
};

struct once_maker {
  template <typename T, typename Fn>
  static once_function<T> make(Fn&& fn) {
    return once_function<T>(
        std::make_shared<once_run_of<T, std::decay_t<Fn>>>(std::forward<Fn>(fn)));
  }
};

}  // namespace detail

/// What once_func() and once_value() return: a callable whose copies share one run.
///
/// Thread-safe, as far as each copy is used by one at a time; works on plain threads, and before
/// and after run(). Copies may outlive each other, and what they share is freed with the last.
template <typename T>
class once_function {
 public:
  /// Runs the function if no copy has been called yet; else waits until that run is over. Returns
  /// what it returned, as a reference that lives as long as any copy; or throws the very exception
  /// that it threw, to each caller. Blocks only the fiber (or the plain thread); for ever when it
  /// is called from inside the function. Panics: "once: the function called goexit", but for the
  /// caller whose run that was. What the function did is visible afterwards. One load once it has
  /// run; allocates nothing.
  std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<const T>> operator()()
      const {
    if constexpr (std::is_void_v<T>) {
      run_->get();
    } else {
      return run_->get();
    }
  }

 private:
  std::shared_ptr<detail::once_run<T>> run_;

  explicit once_function(std::shared_ptr<detail::once_run<T>> run) noexcept
      : run_(std::move(run)) {}

  friend struct detail::once_maker;
};

/// A callable that runs fn at its first call and returns that run's value at each; T may be void,
/// and need be neither copied nor moved. fn is kept as a copy, and destroyed when it has run; what
/// it throws counts as its result. See once_function. Never blocks. One allocation.
/// Source: Go's sync.OnceValue.
template <typename Fn>
requires std::invocable < std::decay_t<Fn>
& > auto once_value(Fn&& fn) {
  using value = std::invoke_result_t<std::decay_t<Fn>&>;
  static_assert(!std::is_reference_v<value>, "return a pointer or std::ref instead of a reference");
  return detail::once_maker::make<std::remove_const_t<value>>(std::forward<Fn>(fn));
}

/// The same for a function whose result, if any, is dropped. Source: Go's sync.OnceFunc.
template <typename Fn>
requires std::invocable < std::decay_t<Fn>
& > once_function<void> once_func(Fn&& fn) {
  return detail::once_maker::make<void>(std::forward<Fn>(fn));
}

}  // namespace ringo

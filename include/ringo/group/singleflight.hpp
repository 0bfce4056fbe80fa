#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <ringo/context.hpp>
#include <ringo/detail/cancellable.hpp>
#include <ringo/go.hpp>
#include <ringo/result.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/wait_group.hpp>

namespace ringo {

/// Suppresses duplicate work: of the calls for one key at a time, the first runs its function, and
/// the others wait for that run and share what it gives. Go's singleflight.Group.
///
/// @snippet tests/docs/guide_test.cpp singleflight
///
/// V is copied for each caller but one. K's hash, == and copies must not use this object; hash and
/// == must not throw.
/// Thread-safe, but for the destructor; works on plain threads too, and before and after run(). May
/// be destroyed when every call has returned. What the function did is visible to all its callers.
/// Source: golang.org/x/sync/singleflight. Its DoChan is a fiber: ringo::spawn([&] { return
/// flights.call(key, fn); }), whose task has join(ctx).
template <typename K, typename V, typename Hash = std::hash<K>, typename Equal = std::equal_to<K>>
class singleflight {
  static_assert(std::is_copy_constructible_v<V>,
                "callers share the value; a shared_ptr is one way");

 public:
  struct outcome {
    result<V> value;
    bool shared;  ///< others were given it, too
  };

  singleflight() = default;
  singleflight(const singleflight&) = delete;
  singleflight& operator=(const singleflight&) = delete;
  ~singleflight() = default;

  /// Runs fn, which returns a result<V>, on the caller's stack; or, when another call is doing so
  /// for an equal key, waits for the end of that run, and fn is not touched. Returns what the run
  /// returned, and whether it was given to others too. The key is forgotten when the run ends:
  /// nothing is cached. An exception out of fn reaches every caller. goexit() in fn is a goexit()
  /// of every caller (which panics on a plain thread). Blocks only the fiber (or the plain thread);
  /// for ever when it is called from inside fn with the same key. One allocation or two for a run,
  /// none to wait for one. O(1).
  template <typename Fn>
  requires std::is_invocable_r_v<result<V>, Fn&> outcome call(const K& key, Fn&& fn) {
    return share(nullptr, key, fn);
  }

  /// The same, but one who waits for another's run gives up with ctx.err() as the value's error
  /// when the context is done; the run goes on. Done on entry, it neither waits nor runs fn. A call
  /// that runs fn itself ends when fn does, which may look at the context. Panics "nil context".
  template <typename Fn>
  requires std::is_invocable_r_v<result<V>, Fn&> outcome call(const context& ctx,
                                                              const K& key,
                                                              Fn&& fn) {
    if (const auto done = ctx.err()) return {done, false};
    return share(&ctx, key, fn);
  }

  /// The next call with this key runs its function, even while a run is under way: that one goes on
  /// for those who wait for it. Never blocks for long. O(1).
  void forget(const K& key) {
    const std::lock_guard guard(lock_);
    flights_.erase(key);
  }

 private:
  struct flight {
    wait_group landed;        // one, while the run is under way
    std::size_t waiters = 0;  // ever; guarded by the lock
    // Written in the run, read after it: `landed` orders them.
    std::optional<result<V>> value;  // empty: it threw, or called goexit
    std::exception_ptr thrown;
  };
  using shared_flight = std::shared_ptr<flight>;

  mutex lock_;  // guards `flights_`; not held while a function runs
  std::unordered_map<K, shared_flight, Hash, Equal> flights_;

  /// The flight for the key, and whether the caller is to run it.
  std::pair<shared_flight, bool> board(const K& key) {
    const std::lock_guard guard(lock_);
    const auto at = flights_.find(key);
    if (at != flights_.end()) {
      ++at->second->waiters;
      return {at->second, false};
    }
    auto own = std::make_shared<flight>();
    own->landed.add();
    flights_.emplace(key, own);
    return {std::move(own), true};
  }

  /// True: nobody else has the flight, nor will get it.
  bool land(const K& key, const shared_flight& own) noexcept {
    bool alone = false;
    {
      const std::lock_guard guard(lock_);
      const auto at = flights_.find(key);
      if (at != flights_.end() && at->second == own) flights_.erase(at);
      alone = own->waiters == 0;
    }
    own->landed.done();
    return alone;
  }

  template <typename Fn>
  outcome share(const context* ctx, const K& key, Fn& fn) {
    const auto [mine, first] = board(key);
    if (!first) return wait_for(ctx, *mine);
    try {
      mine->value.emplace(fn());
    } catch (...) {
      if (!detail::fiber_is_exiting()) mine->thrown = std::current_exception();
      land(key, mine);
      throw;  // as it came
    }
    if (land(key, mine)) return {*std::move(mine->value), false};
    return {*mine->value, true};
  }

  outcome wait_for(const context* ctx, flight& other) {
    if (ctx == nullptr) {
      other.landed.wait();
    } else if (const auto given_up = other.landed.wait(*ctx)) {
      return {given_up, false};
    }
    if (other.thrown) std::rethrow_exception(other.thrown);
    if (!other.value) goexit();
    return {*other.value, true};
  }
};

}  // namespace ringo

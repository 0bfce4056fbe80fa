#include <ringo/net/lookup.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <unistd.h>

#include <ringo/chan.hpp>
#include <ringo/detail/bubble_id.hpp>
#include <ringo/error.hpp>
#include <ringo/go.hpp>
#include <ringo/sync/mutex.hpp>

#include "net/destination_order.hpp"
#include "net/dns_client.hpp"
#include "net/domain_name.hpp"
#include "net/hosts_file.hpp"
#include "net/resolv_conf.hpp"
#include "net/watched_file.hpp"
#include "sched/run_number.hpp"

/// Look-ups of one name at a time are one: a flight, in a fiber of its own, so that it goes on when
/// the caller that began it gives up. (singleflight runs the function on the stack of its first
/// caller, and has nobody who could call off a run that all have left.)
///
/// A caller: 1. under the lock finds the flight for the name or starts one, and is counted; 2.
/// waits for `landed` or its context; 3. if it gives up, is no longer counted, and the last one
/// takes the flight out of the table and cancels it. The flight: 1. finds the answer; 2. takes
/// itself out of the table; 3. writes the answer and closes `landed`.

namespace ringo::net {
namespace {

using addresses = std::vector<address>;

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ringo.net.lookup"; }

  std::string message(int code) const override {
    switch (static_cast<lookup_errc>(code)) {
      case lookup_errc::no_such_host: return "no such host";
      case lookup_errc::timed_out: return "no answer from DNS server";
      case lookup_errc::temporary_failure: return "DNS server misbehaving or out of reach";
      case lookup_errc::bad_answer: return "bad answer from DNS server";
    }
    return "unknown lookup error";
  }

  std::error_condition default_error_condition(int code) const noexcept override {
    switch (static_cast<lookup_errc>(code)) {
      case lookup_errc::timed_out: return std::errc::timed_out;
      case lookup_errc::temporary_failure: return std::errc::resource_unavailable_try_again;
      default: return {code, *this};
    }
  }
};

std::string host_name() {
  std::array<char, 256> name{};
  // A name that is too long may come without its zero.
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

const std::error_category& lookup_category() noexcept {
  // Never destroyed: an error may be compared while static destructors run.
  static const auto& instance = *new category;
  return instance;
}

class resolver::core : public std::enable_shared_from_this<core> {
 public:
  explicit core(resolver_options options)
      : options_(std::move(options)),
        hosts_(options_.hosts_file,
               [](const std::string& text) { return detail::hosts_file(text); }),
        config_(options_.config_file, [](const std::string& text) {
          return detail::resolv_conf::parse(text, host_name());
        }) {
    if (options_.timeout.count() < 0) ringo::detail::panic("resolver: negative timeout");
    if (options_.attempts < 0) ringo::detail::panic("resolver: negative attempts");
    for (const auto& server : options_.servers) {
      if (!server.address()) ringo::detail::panic("resolver: a server without an IP address");
    }
  }

  /// `ctx` may be null.
  result<addresses> lookup(const context* ctx, std::string_view host) {
    if (ctx != nullptr) {
      if (const auto done = ctx->err()) return done;
    }
    if (auto literal = address::parse(host)) return addresses{*std::move(literal)};
    if (!detail::is_domain_name(host)) return lookup_errc::no_such_host;
    const key asked{detail::lower_case(host), ringo::detail::current_bubble()};
    const auto mine = board(asked);
    if (ctx == nullptr) {
      mine->landed.recv();
    } else if (const auto left = mine->landed.recv(*ctx); left != errc::closed) {
      leave(asked, mine);
      return left;
    }
    return *mine->answer;
  }

 private:
  /// Fibers of different bubbles do not wait for each other.
  using key = std::pair<std::string, ringo::detail::bubble_id>;

  struct flight {
    chan<void> landed = make_chan<void>();
    cancellable_context stop = with_cancel(background());
    std::uint64_t run = ringo::detail::run_number.load();
    std::size_t callers = 0;                  // guarded by the lock
    std::optional<result<addresses>> answer;  // written before `landed` is closed, read after it
  };
  using shared_flight = std::shared_ptr<flight>;

  const resolver_options options_;
  detail::watched_file<detail::hosts_file> hosts_;
  detail::watched_file<detail::resolv_conf> config_;
  std::atomic<std::size_t> turn_{0};  // atomic: which server is first, when they rotate
  mutex lock_;                        // guards `flights_`
  std::map<key, shared_flight> flights_;

  /// The flight for the name, where the caller is counted.
  shared_flight board(const key& asked) {
    const std::lock_guard guard(lock_);
    auto& place = flights_[asked];
    // One of an earlier run() never lands.
    if (!place || place->run != ringo::detail::run_number.load()) {
      try {
        place = start(asked);
      } catch (...) {
        flights_.erase(asked);
        throw;
      }
    }
    ++place->callers;
    return place;
  }

  shared_flight start(const key& asked) {
    auto made = std::make_shared<flight>();
    go({.name = "net lookup", .stack_size = stack_size}, [self = shared_from_this(), made, asked] {
      auto answer = self->resolve_or_fail(made->stop.ctx, asked.first);
      self->remove(asked, made);
      made->answer.emplace(std::move(answer));
      made->landed.close();
    });
    return made;
  }

  void leave(const key& asked, const shared_flight& left) {
    {
      const std::lock_guard guard(lock_);
      if (--left->callers != 0) return;
      remove_locked(asked, left);
    }
    left->stop.cancel();
  }

  void remove(const key& asked, const shared_flight& done) {
    const std::lock_guard guard(lock_);
    remove_locked(asked, done);
  }

  void remove_locked(const key& asked, const shared_flight& done) {
    const auto at = flights_.find(asked);
    if (at != flights_.end() && at->second == done) flights_.erase(at);
  }

  result<addresses> resolve_or_fail(const context& ctx, const std::string& host) {
    try {
      return resolve(ctx, host);
    } catch (const std::bad_alloc&) {
      return std::make_error_code(std::errc::not_enough_memory);
    }
  }

  result<addresses> resolve(const context& ctx, const std::string& host) {
    auto found = hosts_.get()->find(host);
    if (found.empty() && detail::is_localhost(host)) {
      found = {address::from_v4({127, 0, 0, 1}), address::parse("::1").value()};
    }
    if (found.empty()) {
      auto answer = ask(ctx, host);
      if (!answer) return answer;
      found = *std::move(answer);
    }
    detail::sort_for_dialing(found);
    return found;
  }

  /// The first of the names to try that has addresses. That some name does not exist is only said
  /// when nothing else kept a server from telling.
  result<addresses> ask(const context& ctx, const std::string& host) {
    const auto config = config_.get();
    detail::dns_client client(servers_by(*config));
    std::error_code error = lookup_errc::no_such_host;
    for (const auto& name : detail::names_to_try(host, config->search, config->ndots)) {
      auto answer = client.ask(ctx, name);
      if (answer) return answer;
      if (const auto done = ctx.err()) return done;
      if (error == lookup_errc::no_such_host) error = answer.error();
    }
    return error;
  }

  detail::dns_servers servers_by(const detail::resolv_conf& config) {
    using std::chrono::milliseconds;
    const bool own = !options_.servers.empty();
    detail::dns_servers servers{own ? options_.servers : config.servers,
                                options_.timeout.count() != 0 ? options_.timeout : config.timeout,
                                options_.attempts != 0 ? options_.attempts : config.attempts,
                                config.tcp};
    servers.timeout = std::min<milliseconds>(servers.timeout, detail::resolv_conf::timeout_max);
    servers.attempts = std::min(servers.attempts, detail::resolv_conf::attempts_max);
    if (config.rotate && !own) {
      const std::size_t first = turn_.fetch_add(1) % servers.endpoints.size();
      std::rotate(servers.endpoints.begin(),
                  servers.endpoints.begin() + static_cast<std::ptrdiff_t>(first),
                  servers.endpoints.end());
    }
    return servers;
  }

  /// c-ares has buffers of some KiB on the stack; small stacks are a matter of the callers' fibers.
  static constexpr std::size_t stack_size = std::size_t{256} << 10;
};

resolver::resolver() : resolver(resolver_options{}) {}

resolver::resolver(resolver_options options) : core_(std::make_shared<core>(std::move(options))) {}

result<addresses> resolver::lookup(const context& ctx, std::string_view host) const {
  return core_->lookup(&ctx, host);
}

result<addresses> resolver::lookup(std::string_view host) const {
  return core_->lookup(nullptr, host);
}

namespace {

const resolver& shared_resolver() {
  // Never destroyed: fibers may still use it while static destructors run.
  static const auto& instance = *new resolver;
  return instance;
}

}  // namespace

result<addresses> lookup(const context& ctx, std::string_view host) {
  return shared_resolver().lookup(ctx, host);
}

result<addresses> lookup(std::string_view host) {
  return shared_resolver().lookup(host);
}

}  // namespace ringo::net

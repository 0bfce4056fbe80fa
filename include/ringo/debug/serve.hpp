#pragma once

#include <memory>
#include <string_view>

#include <ringo/context.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>

namespace ringo::debug {

namespace detail {

struct page_state;

}  // namespace detail

/// A page about this program that is being served; see serve(). Stops when the handle is dropped,
/// at the latest with the run. A value, cheap to move; one owner.
class page {
 public:
  page() = default;  ///< none
  page(page&&) noexcept = default;
  page& operator=(page&& other) noexcept;
  ~page();

  /// Where it is served: with the port that the system has chosen.
  net::endpoint local() const;
  /// Closes the listener and every connection. Does not wait for them; nothing happens the second
  /// time.
  void stop() noexcept;

 private:
  std::shared_ptr<detail::page_state> state_;

  explicit page(std::shared_ptr<detail::page_state> state) noexcept;
  friend result<page> serve(const context& ctx, std::string_view address);
};

/// Serves, by HTTP, what this program does: `/` for people, with live numbers and all fibers;
/// `/fibers` the text of dump(), those that are alike together; `/metrics` for Prometheus;
/// `/trace?seconds=N` a trace of 1 to 60 seconds, and of at most 64 MiB. Until the page is dropped
/// or `ctx` is done.
///
/// Whoever can connect sees names and addresses of functions, and can slow the program down: bind
/// it to the loopback ("127.0.0.1:6060") or a private network, never to a public one. There is no
/// password. Pages of other sites that make a browser ask for dumps or traces are refused.
///
/// At most 16 connections at a time, others wait; a request has 8 KiB and 10 seconds, an answer 30.
/// GET and HEAD only, one request for each connection. One trace at a time. Its fibers are in
/// dumps, named "ringo page". Unasked it costs a fiber that waits.
///
/// Waits, as net::listen(), for the look-up of a name. Errors: those of net::listen(). May throw
/// std::bad_alloc. Panics "cannot create context from nil parent". Any fiber.
/// Source: Go's net/http/pprof.
[[nodiscard]] result<page> serve(const context& ctx, std::string_view address);
[[nodiscard]] result<page> serve(std::string_view address);

}  // namespace ringo::debug

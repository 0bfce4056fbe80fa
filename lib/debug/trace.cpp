#include <ringo/debug/trace.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <ringo/blocking.hpp>
#include <ringo/go.hpp>

#include "sched/trace_file.hpp"
#include "sched/tracer.hpp"

namespace ringo::debug {
namespace {

using ringo::detail::trace_file;
using ringo::detail::trace_memory;
using ringo::detail::tracer;

/// The file that set_trace() writes to.
struct current_file {
  std::mutex lock;  // held while a trace begins or ends: what blocks then blocks the thread
  std::unique_ptr<trace_file> file;

  static current_file& instance() noexcept {
    static auto& the_one = *new current_file;  // never destroyed: threads may outlive main()
    return the_one;
  }
};

std::error_code end_trace() noexcept {
  current_file& current = current_file::instance();
  const std::lock_guard guard(current.lock);
  const std::unique_ptr<trace_file> file = std::move(current.file);
  return file != nullptr ? tracer::instance().stop(*file) : std::error_code{};
}

std::error_code begin_trace(std::string_view path) {
  const std::string name(path);
  current_file& current = current_file::instance();
  const std::lock_guard guard(current.lock);
  if (current.file != nullptr) return std::make_error_code(std::errc::device_or_resource_busy);
  std::error_code error;
  auto file = trace_file::create(name.c_str(), error);
  if (!error) error = tracer::instance().start(*file);
  if (!error) current.file = std::move(file);
  return error;
}

}  // namespace

std::error_code set_trace(std::string_view path) noexcept {
  return blocking([path]() -> std::error_code {
    try {
      return path.empty() ? end_trace() : begin_trace(path);
    } catch (const std::bad_alloc&) {
      return std::make_error_code(std::errc::not_enough_memory);
    }
  });
}

result<std::string> trace_for(const context& ctx,
                              std::chrono::nanoseconds duration,
                              std::size_t limit) {
  constexpr std::size_t least = std::size_t{64} << 10;  // the frame of a trace needs some of it
  trace_memory text(std::max(limit, least));
  if (const auto error = blocking([&] { return tracer::instance().start(text); })) return error;
  const std::error_code interrupted = sleep_for(ctx, duration);
  const std::error_code failed = blocking([&] { return tracer::instance().stop(text); });
  if (interrupted) return interrupted;
  if (failed) return failed;
  return text.take();
}

result<std::string> trace_for(std::chrono::nanoseconds duration, std::size_t limit) {
  return trace_for(background(), duration, limit);
}

}  // namespace ringo::debug

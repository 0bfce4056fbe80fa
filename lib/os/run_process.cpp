#include <ringo/os/run_process.hpp>

#include <array>
#include <optional>
#include <system_error>
#include <utility>

#include <ringo/error.hpp>
#include <ringo/io/file.hpp>
#include <ringo/sync/wait_group.hpp>

#include "os/child_process.hpp"

namespace ringo {
namespace detail {

bool child_handle::replace_null(os::stdio& stream) {
  if (stream.kind_ != os::stdio::kind::null) return false;
  stream = os::stdio::pipe();
  return true;
}

}  // namespace detail

namespace os {
namespace {

std::error_code feed(const io::file& to, std::string_view input) {
  const std::error_code written = to.write(io::const_buffer(input));
  const std::error_code closed = to.close();
  // It need not read what it does not want. And wait_delay closes what is left.
  if (written == std::errc::broken_pipe || written == errc::closed) return {};
  return written ? written : closed;
}

std::error_code collect(const io::file& from, std::string& into) {
  std::string room(std::size_t{32} * 1024, '\0');
  for (;;) {
    const auto count = from.read(io::buffer(room));
    if (!count) return count.error() == errc::eof ? std::error_code{} : count.error();
    into.append(room.data(), *count);
  }
}

result<finished_process> run_to_end(const context* ctx,
                                    process_options options,
                                    std::string_view input) {
  using ringo::detail::child_handle;
  if (!input.empty()) child_handle::replace_null(options.input);
  child_handle::replace_null(options.output);
  child_handle::replace_null(options.error_output);
  const auto started = ctx != nullptr ? process::start(*ctx, std::move(options))
                                      : process::start(std::move(options));
  if (!started) return started.error();
  const process& child = *started;
  finished_process finished;
  std::array<std::error_code, 3> failed;
  wait_group copying;
  if (child.input()) copying.go([&] { failed[0] = feed(child.input(), input); });
  if (child.output()) copying.go([&] { failed[1] = collect(child.output(), finished.output); });
  if (child.error_output()) {
    copying.go([&] { failed[2] = collect(child.error_output(), finished.error_output); });
  }
  const auto status = child.wait();
  copying.wait();
  if (!status) return status.error();
  finished.status = *status;
  for (const std::error_code& error : failed) {
    if (status->success() && error) return error;
  }
  return finished;
}

}  // namespace

result<finished_process> run_process(const context& ctx,
                                     process_options options,
                                     std::string_view input) {
  return run_to_end(&ctx, std::move(options), input);
}

result<finished_process> run_process(process_options options, std::string_view input) {
  return run_to_end(nullptr, std::move(options), input);
}

}  // namespace os
}  // namespace ringo

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include <ringo/context.hpp>
#include <ringo/error.hpp>
#include <ringo/io/file.hpp>

#include "io/open_file.hpp"
#include "io/read_write.hpp"

/// Files as values.

namespace ringo::io {
namespace {

using namespace ringo::detail;

result<std::string> read_to_end(const file& from, cancellation* stop) {
  constexpr std::int64_t room_min = 512;  // what procfs has says that its size is 0
  const auto info = from.stat();
  // One more than there seems to be, so that the end is seen without more room.
  const std::int64_t expected = info ? info->size + 1 : 0;
  std::string text(static_cast<std::size_t>(std::max(expected, room_min)), '\0');
  std::size_t used = 0;
  for (;;) {
    if (used == text.size()) text.resize(2 * text.size());
    const io_outcome part = read_some(
        *detail::file_access::descriptor_of(from), buffer(&text[used], text.size() - used), stop);
    if (part.error == errc::eof) break;
    if (part.error) return part.error.code();
    used += static_cast<std::size_t>(part.count);
  }
  text.resize(used);
  return text;
}

result<std::string> read_whole(const std::string& path, cancellation* stop) {
  const auto from = detail::open_path(path, {}, stop);
  if (!from) return from.error();
  try {
    return read_to_end(*from, stop);
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  } catch (const std::length_error&) {
    return std::make_error_code(std::errc::file_too_large);
  }
}

std::error_code write_whole(const std::string& path,
                            const_buffer from,
                            std::uint32_t permissions,
                            cancellation* stop) {
  const open_options how{
      .read = false, .write = true, .create = true, .truncate = true, .permissions = permissions};
  const auto to = detail::open_path(path, how, stop);
  if (!to) return to.error();
  return write_all(*detail::file_access::descriptor_of(*to), from, stop).error;
}

}  // namespace

result<std::string> read_file(const std::string& path) {
  return read_whole(path, nullptr);
}

result<std::string> read_file(const ringo::context& ctx, const std::string& path) {
  return read_whole(path, cancellation_of(ctx));
}

std::error_code write_file(const std::string& path, const_buffer from, std::uint32_t permissions) {
  return write_whole(path, from, permissions, nullptr);
}

std::error_code write_file(const ringo::context& ctx,
                           const std::string& path,
                           const_buffer from,
                           std::uint32_t permissions) {
  return write_whole(path, from, permissions, cancellation_of(ctx));
}

}  // namespace ringo::io

#include <ringo/io/stream.hpp>

#include <algorithm>

#include <ringo/error.hpp>

namespace ringo::io::detail {
namespace {

constexpr int empty_reads_max = 100;  // Go's bufio has the same
constexpr std::size_t first_read = 512;

}  // namespace

result<std::size_t> reader_ref::read(buffer into) const {
  for (int i = 0; i < empty_reads_max; ++i) {
    result<std::size_t> count = call_(*this, into);
    if (count && *count > into.size()) {
      ringo::detail::panic("io: a reader returned more bytes than it had room for");
    }
    if (!count || *count > 0) return count;
  }
  return errc::no_progress;
}

transfer read_at_least(const reader_ref& from, buffer into, std::size_t least) {
  transfer done;
  if (into.size() < least) {
    done.error = std::make_error_code(std::errc::no_buffer_space);
    return done;
  }
  while (done.bytes < least) {
    const auto count = from.read(buffer(into.data() + done.bytes, into.size() - done.bytes));
    if (!count) {
      const bool in_the_middle = count.error() == errc::eof && done.bytes > 0;
      done.error = in_the_middle ? make_error_code(errc::unexpected_eof) : count.error();
      break;
    }
    done.bytes += *count;
  }
  return done;
}

result<std::string> read_all(const reader_ref& from, std::size_t limit) {
  std::string all;
  std::size_t used = 0;
  for (;;) {
    if (used == all.size()) {
      // One byte beyond the limit tells whether the stream is longer.
      const std::size_t most = limit < all.max_size() ? limit + 1 : all.max_size();
      all.resize(std::min(std::max(first_read, 2 * used), most));
    }
    const auto count = from.read(buffer(all.data() + used, all.size() - used));
    if (count) {
      used += *count;
    } else if (count.error() == errc::eof) {
      all.resize(used);
      return all;
    } else {
      return count.error();
    }
    if (used > limit) return std::make_error_code(std::errc::message_size);
  }
}

}  // namespace ringo::io::detail

#include <fcntl.h>
#include <unistd.h>

#include <ringo/io/file.hpp>

#include "io/open_file.hpp"
#include "io/shared_stream.hpp"

namespace ringo::io {
namespace {

/// Nil: it is not open.
file adopt(int number) {
  using ringo::detail::descriptor_kind;
  if (const int own = ringo::detail::reopen_terminal(number); own >= 0) {
    return detail::file_access::make(own, descriptor_kind::stream);
  }
  const int flags = ::fcntl(number, F_GETFL);
  const auto kind = detail::prepare_number(number, detail::blocking_mode::keep);
  if (flags < 0 || !kind) return {};
  return detail::file_access::make(number, *kind, detail::file_mode::of(flags));
}

}  // namespace

// None is ever destroyed: the number is the program's.

file standard_input() {
  static const file& the_one = *new file(adopt(STDIN_FILENO));
  return the_one;
}

file standard_output() {
  static const file& the_one = *new file(adopt(STDOUT_FILENO));
  return the_one;
}

file standard_error() {
  static const file& the_one = *new file(adopt(STDERR_FILENO));
  return the_one;
}

}  // namespace ringo::io

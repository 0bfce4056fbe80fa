#include "sched/trace_file.hpp"

#include <cerrno>
#include <new>

#include <fcntl.h>
#include <unistd.h>

#include "base/write_all.hpp"

namespace ringo::detail {

std::unique_ptr<trace_file> trace_file::create(const char* path, std::error_code& error) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) {
    error = {errno, std::system_category()};
    return nullptr;
  }
  return std::unique_ptr<trace_file>(new trace_file(fd));
}

trace_file::~trace_file() {
  ::close(fd_);
}

std::error_code trace_file::write(const std::string& text) noexcept {
  return write_all(fd_, text.data(), text.size());
}

std::error_code trace_memory::write(const std::string& text) noexcept {
  try {
    text_ += text;
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
  return {};
}

}  // namespace ringo::detail

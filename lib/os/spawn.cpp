#include "os/spawn.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/blocking.hpp>
#include <ringo/os/process.hpp>

#include "os/child_start.hpp"
#include "sched/open_files_limit.hpp"

namespace ringo::detail {
namespace {

std::error_code system_error(int code) noexcept {
  return {code, std::system_category()};
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

owned_fd& owned_fd::operator=(owned_fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

owned_fd::~owned_fd() {
  if (fd_ >= 0) ::close(fd_);
}

int owned_fd::release() noexcept {
  return std::exchange(fd_, -1);
}

result<int> spawn(spawn_plan& plan) {
  const std::vector<char*> args = pointers_to(plan.args);
  const std::vector<char*> env = pointers_to(plan.env);
  std::vector<int> numbers;
  for (const owned_fd& one : plan.numbers) numbers.push_back(one.get());
  child_plan child;
  child.path = plan.path.c_str();
  child.args = args.data();
  child.env = env.data();
  child.dir = plan.dir.empty() ? nullptr : plan.dir.c_str();
  child.numbers = numbers;
  child.open_files = open_files_limit_before();
  const int pid = blocking([&child] { return start_child(child); });
  if (pid < 0) return system_error(-pid);
  return pid;
}

result<owned_fd> duplicate_above(int fd, std::size_t count) noexcept {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(count));
  if (copy < 0) return system_error(errno);
  return owned_fd(copy);
}

result<owned_fd> blocking_duplicate(int fd, std::size_t count) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return system_error(errno);
  struct stat status {};
  const bool other_description =
      (flags & O_NONBLOCK) != 0 && ::fstat(fd, &status) == 0 && !S_ISSOCK(status.st_mode);
  if (other_description) {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
    // Opened non-blocking: nobody may read the pipe any more.
    const owned_fd reopened(
        ::open(path.data(), (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (reopened.get() >= 0 && ::fcntl(reopened.get(), F_SETFL, flags & ~O_NONBLOCK) == 0) {
      return duplicate_above(reopened.get(), count);
    }
  }
  return duplicate_above(fd, count);
}

std::vector<std::string> without_duplicates(std::vector<std::string> env) {
  std::unordered_set<std::string_view> names;
  std::vector<std::string> result;
  for (auto entry = env.rbegin(); entry != env.rend(); ++entry) {
    // The first character belongs to the name whatever it is.
    const std::size_t end = entry->find('=', 1);
    if (entry->empty()) continue;
    if (end != std::string::npos && !names.insert(std::string_view(*entry).substr(0, end)).second) {
      continue;
    }
    result.push_back(*entry);
  }
  std::reverse(result.begin(), result.end());
  return result;
}

bool has_zero_byte(const std::string& text) noexcept {
  return text.find('\0') != std::string::npos;
}

}  // namespace ringo::detail

namespace ringo::os {
namespace {

/// Zero: it can be run.
int why_not_run(const std::string& path) noexcept {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  return ::eaccess(path.c_str(), X_OK) == 0 ? 0 : errno;
}

}  // namespace

result<std::string> look_path(const std::string& name) {
  const auto error = [](int code) { return std::error_code(code, std::system_category()); };
  if (ringo::detail::has_zero_byte(name)) return error(EINVAL);
  if (name.find('/') != std::string::npos) {
    if (const int code = why_not_run(name); code != 0) return error(code);
    return name;
  }
  const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): as exec does
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  int code = ENOENT;
  while (!name.empty() && !rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(directory.size() + 1, rest.size()));
    if (directory.empty() || directory.front() != '/') continue;
    std::string found = std::string(directory) + "/" + name;
    const int why = why_not_run(found);
    if (why == 0) return found;
    if (why == EACCES) code = EACCES;
  }
  return error(code);
}

std::vector<std::string> environment() {
  std::vector<std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    result.emplace_back(*entry);
  }
  return result;
}

}  // namespace ringo::os

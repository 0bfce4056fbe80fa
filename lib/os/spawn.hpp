#pragma once

#include <string>
#include <system_error>
#include <vector>

#include <ringo/result.hpp>

namespace ringo::detail {

/// A descriptor that is closed at the end of the scope.
class owned_fd {
 public:
  owned_fd() = default;
  explicit owned_fd(int fd) noexcept : fd_(fd) {}
  owned_fd(owned_fd&& other) noexcept : fd_(other.release()) {}
  owned_fd& operator=(owned_fd&& other) noexcept;
  ~owned_fd();

  int get() const noexcept { return fd_; }
  int release() noexcept;

 private:
  int fd_ = -1;
};

/// What a child is to be.
struct spawn_plan {
  std::string path;  // with a slash
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string dir;                // empty: ours
  std::vector<owned_fd> numbers;  // becomes 0, 1, 2 …; each is larger than any of those
};

/// Blocks the thread until the child runs the program; its number. What the child says to a file it
/// cannot run is the error.
result<int> spawn(spawn_plan& plan);

/// A descriptor above all that a child with `count` of them uses, closed on exec.
result<owned_fd> duplicate_above(int fd, std::size_t count) noexcept;

/// The same for a pipe, terminal or file; if it is non-blocking, another open file description that
/// is not, where the system makes one.
result<owned_fd> blocking_duplicate(int fd, std::size_t count) noexcept;

/// Go's dedupEnv: of several entries of a name the last one stays.
std::vector<std::string> without_duplicates(std::vector<std::string> env);

bool has_zero_byte(const std::string& text) noexcept;

}  // namespace ringo::detail

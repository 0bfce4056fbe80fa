#include "sched/thread_stat.hpp"

#include <cstdio>
#include <cstring>

namespace ringo::detail {

thread_stat::thread_stat(int thread) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/stat", thread);
  std::FILE* file = std::fopen(path.data(), "re");
  if (file == nullptr) return;
  text_[0] = '\0';
  const bool read = std::fgets(text_.data(), static_cast<int>(text_.size()), file) != nullptr;
  std::fclose(file);
  // "ID (NAME) STATE PARENT GROUP SESSION TERMINAL TERMINAL_GROUP FLAGS ..."
  const char* begin = read ? std::strchr(text_.data(), '(') : nullptr;
  const char* end = read ? std::strrchr(text_.data(), ')') : nullptr;
  if (begin == nullptr || end == nullptr) return;
  constexpr unsigned exiting = 4;  // PF_EXITING
  unsigned flags = 0;
  const int parsed = std::sscanf(end, ") %c %*d %*d %*d %*d %*d %u", &state_, &flags);
  exits_ = parsed == 2 && (flags & exiting) != 0;
  known_ = true;
  name_ = {begin + 1, static_cast<std::size_t>(end - begin - 1)};
}

}  // namespace ringo::detail

#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace ringo::test {

/// How many threads of the kernel work for rings of this process (io-wq).
inline std::size_t kernel_threads() {
  std::size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;  // empty for one that has just ended
    if (name.starts_with("iou-wrk")) ++count;
  }
  return count;
}

}  // namespace ringo::test

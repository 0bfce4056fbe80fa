#include "sched/cpu_quota.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include <sched.h>

namespace ringo::detail {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// "max 100000" or "150000 100000".
std::optional<double> quota_v2(const std::string& directory) {
  std::istringstream text(contents(directory + "/cpu.max"));
  double quota = 0;
  double period = 0;
  if (text >> quota >> period && quota > 0 && period > 0) return quota / period;
  return std::nullopt;
}

std::optional<double> quota_v1(const std::string& directory) {
  std::istringstream quota_text(contents(directory + "/cpu.cfs_quota_us"));
  std::istringstream period_text(contents(directory + "/cpu.cfs_period_us"));
  double quota = 0;
  double period = 0;
  if (quota_text >> quota && period_text >> period && quota > 0 && period > 0)
    return quota / period;
  return std::nullopt;
}

/// A group's quota binds all groups below it.
template <typename Read>
std::optional<double> smallest_upwards(const std::string& mount, std::string group, Read read) {
  std::optional<double> smallest;
  for (;;) {
    if (const auto quota = read(mount + group))
      smallest = std::min(smallest.value_or(*quota), *quota);
    const auto slash = group.rfind('/');
    if (slash == std::string::npos || group.empty()) return smallest;
    group.resize(slash);
  }
}

}  // namespace

std::optional<double> cgroup_cpu_quota(const std::string& proc_cgroup, const std::string& root) {
  std::istringstream lines(proc_cgroup);
  std::optional<double> smallest;
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    std::optional<double> quota;
    if (controllers == ",,") {
      quota = smallest_upwards(root, group, quota_v2);
    } else if (controllers.find(",cpu,") != std::string::npos) {
      quota = smallest_upwards(root + "/cpu", group, quota_v1);
    }
    if (quota) smallest = std::min(smallest.value_or(*quota), *quota);
  }
  return smallest;
}

std::uint32_t cpus_of_affinity_mask(std::int32_t thread) noexcept {
  for (int cpus = CPU_SETSIZE; cpus <= 1 << 16; cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(cpus));
    if (set == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    const bool ok = ::sched_getaffinity(thread, size, set) == 0;
    const int count = ok ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (ok && count > 0) return static_cast<std::uint32_t>(count);
  }
  return 1;
}

std::uint32_t limit_by_quota(std::uint32_t cpus, std::optional<double> quota) noexcept {
  if (!quota) return cpus;
  const double rounded = std::min(std::ceil(*quota), 65536.0);
  return std::min(cpus, std::max(2U, static_cast<std::uint32_t>(rounded)));
}

std::uint32_t usable_cpus(std::int32_t thread) noexcept {
  const std::uint32_t cpus = cpus_of_affinity_mask(thread);
  try {
    return limit_by_quota(cpus, cgroup_cpu_quota(contents("/proc/self/cgroup"), "/sys/fs/cgroup"));
  } catch (...) {
    return cpus;  // out of memory while reading small files: the quota is only a hint
  }
}

}  // namespace ringo::detail

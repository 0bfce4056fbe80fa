#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ringo::detail {

/// CPUs this process may use: its affinity mask, limited by the CPU quota of its cgroup. As
/// Go 1.25: the quota is rounded up, and never makes it less than 2. The mask is that of `thread`;
/// 0: the calling one.
std::uint32_t usable_cpus(std::int32_t thread = 0) noexcept;

std::uint32_t cpus_of_affinity_mask(std::int32_t thread = 0) noexcept;

/// The smallest quota between a cgroup and the root, in CPUs; nothing when there is none.
/// `proc_cgroup` is the text of /proc/self/cgroup, `root` where cgroup file systems are mounted
/// (version 2, or 1 below `cpu`); both are parameters so that a test can bring its own.
std::optional<double> cgroup_cpu_quota(const std::string& proc_cgroup, const std::string& root);

/// The two combined.
std::uint32_t limit_by_quota(std::uint32_t cpus, std::optional<double> quota) noexcept;

}  // namespace ringo::detail

#include "sched/cpu_quota.hpp"

#include <doctest/doctest.h>

#include <sched.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "support/temporary_directory.hpp"

using namespace ringo::detail;

namespace {

/// A directory that stands for where cgroup file systems are mounted.
class fake_root {
 public:
  fake_root() { REQUIRE(!directory_.path().empty()); }
  fake_root& file(const std::string& name, const std::string& text) {
    const std::filesystem::path place = directory_.path(name);
    std::filesystem::create_directories(place.parent_path());
    std::ofstream(place) << text;
    return *this;
  }
  std::optional<double> quota(const std::string& proc_cgroup) const {
    return cgroup_cpu_quota(proc_cgroup, directory_.path());
  }

 private:
  ringo::test::temporary_directory directory_;
};

}  // namespace

// After Go's TestCgroupGOMAXPROCS and TestCgroupGOMAXPROCSRound.
TEST_CASE("GR-18: a quota is rounded up, never below 2 and never above the CPUs") {
  struct row {
    long quota;
    std::uint32_t workers;
  };
  constexpr row rows[] = {{1, 2},
                          {50'000, 2},
                          {100'000, 2},
                          {150'000, 2},
                          {199'999, 2},
                          {200'000, 2},
                          {200'001, 3},
                          {250'000, 3},
                          {299'999, 3},
                          {300'000, 3},
                          {300'001, 4},
                          {800'000, 8},
                          {800'001, 8},
                          {100'000'000'000, 8}};
  for (const row& each : rows) {
    CAPTURE(each.quota);
    fake_root root;
    root.file("cpu.max", std::to_string(each.quota) + " 100000\n");
    const auto quota = root.quota("0::/\n");
    REQUIRE(quota.has_value());
    CHECK(limit_by_quota(8, quota) == each.workers);
    CHECK(limit_by_quota(1, quota) == 1);
  }
  CHECK(limit_by_quota(8, std::nullopt) == 8);
  CHECK(limit_by_quota(1, std::nullopt) == 1);
}

TEST_CASE("cpu_quota: version 2 reads cpu.max of the group") {
  fake_root root;
  root.file("a/b/cpu.max", "300000 100000\n");
  CHECK(root.quota("0::/a/b\n") == 3.0);
  CHECK(root.quota("0::/a\n") == std::nullopt);
  CHECK(root.quota("0::/other\n") == std::nullopt);
}

TEST_CASE("cpu_quota: the smallest quota on the way to the root counts") {
  fake_root root;
  root.file("a/cpu.max", "250000 50000\n").file("a/b/cpu.max", "max 100000\n");
  root.file("a/b/c/cpu.max", "700000 100000\n");
  CHECK(root.quota("0::/a/b/c\n") == 5.0);
  CHECK(root.quota("0::/a/b\n") == 5.0);
  root.file("a/b/c/cpu.max", "400000 100000\n");
  CHECK(root.quota("0::/a/b/c\n") == 4.0);
}

TEST_CASE("cpu_quota: max and no file mean no quota") {
  fake_root root;
  CHECK(root.quota("0::/\n") == std::nullopt);
  root.file("cpu.max", "max 100000\n");
  CHECK(root.quota("0::/\n") == std::nullopt);
}

TEST_CASE("cpu_quota: version 1 reads quota and period of the cpu controller") {
  fake_root root;
  root.file("cpu/app/cpu.cfs_quota_us", "350000\n").file("cpu/app/cpu.cfs_period_us", "100000\n");
  const std::string hybrid =
      "12:memory:/app\n4:cpu,cpuacct:/app\n1:name=systemd:/app\n0::/system.slice\n";
  CHECK(root.quota(hybrid) == 3.5);
  CHECK(root.quota("4:cpu:/app\n") == 3.5);
  CHECK(root.quota("4:cpuset:/app\n") == std::nullopt);
  CHECK(root.quota("4:cpuacct:/app\n") == std::nullopt);
  root.file("cpu/app/cpu.cfs_quota_us", "-1\n");
  CHECK(root.quota(hybrid) == std::nullopt);
}

// In a container /proc/self/cgroup may name the group as the host sees it, while the mount shows
// only the inside.
TEST_CASE("cpu_quota: a group that the mount does not show falls back to the root") {
  fake_root root;
  root.file("cpu/cpu.cfs_quota_us", "200000\n").file("cpu/cpu.cfs_period_us", "100000\n");
  CHECK(root.quota("4:cpu,cpuacct:/docker/0123abc\n") == 2.0);
}

TEST_CASE("cpu_quota: of two hierarchies the smaller quota counts") {
  fake_root root;
  root.file("cpu/app/cpu.cfs_quota_us", "400000\n").file("cpu/app/cpu.cfs_period_us", "100000\n");
  root.file("app/cpu.max", "300000 100000\n");
  CHECK(root.quota("4:cpu:/app\n0::/app\n") == 3.0);
}

TEST_CASE("cpu_quota: nonsense is no quota") {
  for (const char* const text :
       {"", "\n", "x y\n", "100000\n", "0 100000\n", "-5 100000\n", "5 0\n"}) {
    CAPTURE(text);
    fake_root root;
    root.file("cpu.max", text);
    CHECK(root.quota("0::/\n") == std::nullopt);
  }
  fake_root root;
  root.file("cpu.max", "300000 100000\n");
  for (const char* const text : {"", "\n", "0\n", "0:\n", "::::\n", "garbage without colons\n"}) {
    CAPTURE(text);
    CHECK_NOTHROW(static_cast<void>(root.quota(text)));
  }
  CHECK(root.quota("") == std::nullopt);
}

TEST_CASE("GR-18: the affinity mask limits what a process may use") {
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(cpus_of_affinity_mask() == static_cast<std::uint32_t>(CPU_COUNT(&before)));
  CHECK(usable_cpus() >= 1);
  CHECK(usable_cpus() <= cpus_of_affinity_mask());
  std::uint32_t in_mask = 1;
  std::uint32_t usable = 1;
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &before)) continue;
      CPU_SET(cpu, &one);
      break;
    }
    if (::sched_setaffinity(0, sizeof one, &one) != 0) return;  // not allowed here
    in_mask = cpus_of_affinity_mask();
    usable = usable_cpus();
  }).join();
  CHECK(in_mask == 1);
  CHECK(usable == 1);
}

#include "debug/memory_scan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fiber/stack.hpp"

namespace ringo::detail {
namespace {

constexpr std::uint64_t present_or_swapped = std::uint64_t{3} << 62;  // of /proc/self/pagemap

}  // namespace

memory_reader::memory_reader() noexcept
    : memory_(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)),
      pages_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) {
  void* room =
      ::mmap(nullptr, room_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room != MAP_FAILED) room_ = static_cast<std::uintptr_t*>(room);
}

memory_reader::~memory_reader() {
  if (room_ != nullptr) ::munmap(room_, room_size);
  if (memory_ >= 0) ::close(memory_);
  if (pages_ >= 0) ::close(pages_);
}

bool memory_reader::find_data(std::vector<data_region>& found) const {
  std::FILE* file = std::fopen("/proc/self/maps", "re");
  if (file == nullptr) return false;
  std::array<char, 4352> line{};  // a path may have 4096
  while (std::fgets(line.data(), line.size(), file) != nullptr) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    std::array<char, 5> rights{};
    unsigned long inode = 0;
    int behind = 0;
    // NOLINTNEXTLINE(cert-err34-c): the kernel writes it
    if (std::sscanf(line.data(),
                    "%zx-%zx %4s %*x %*s %lu %n",
                    &begin,
                    &end,
                    rights.data(),
                    &inode,
                    &behind) != 4) {
      std::fclose(file);
      return false;
    }
    const bool is_kernels = std::strncmp(line.data() + behind, "[v", 2) == 0;  // vdso, vvar
    const bool is_data = rights[0] == 'r' && (rights[1] == 'w' || inode == 0) && !is_kernels;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): see above
    const hidden_range range(reinterpret_cast<const void*>(begin), end - begin);
    if (is_data) found.push_back({range, rights[3] == 's'});
  }
  std::fclose(file);
  return true;
}

/// True also where that cannot be found out.
bool memory_reader::is_resident(std::uintptr_t begin, std::uintptr_t end) const noexcept {
  std::array<std::uint64_t, room_size / page_size + 1> pages{};
  const std::uintptr_t first = begin / page_size;
  const std::size_t count = (end - 1) / page_size - first + 1;
  const auto bytes = static_cast<ssize_t>(count * sizeof(std::uint64_t));
  const ssize_t got = ::pread(pages_,
                              pages.data(),
                              static_cast<std::size_t>(bytes),
                              static_cast<off_t>(first * sizeof(std::uint64_t)));
  if (got != bytes) return true;
  return std::any_of(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count), [](auto p) {
    return (p & present_or_swapped) != 0;
  });
}

/// What lies behind a page that cannot be read is read all the same, one page at a time.
std::size_t memory_reader::read(std::uintptr_t begin, std::uintptr_t end) noexcept {
  auto* const into = reinterpret_cast<std::byte*>(room_);
  std::size_t done = 0;
  const std::size_t wanted = end - begin;
  while (done < wanted) {
    const ssize_t got =
        ::pread(memory_, into + done, wanted - done, static_cast<off_t>(begin + done));
    if (got > 0) {
      done += static_cast<std::size_t>(got);
      continue;
    }
    const std::size_t to_next = page_size - (begin + done) % page_size;
    const std::size_t lost = std::min(to_next, wanted - done);
    std::memset(into + done, 0, lost);
    done += lost;
  }
  return done;
}

}  // namespace ringo::detail

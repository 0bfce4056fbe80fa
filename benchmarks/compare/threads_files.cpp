#include <cstdint>
#include <string>
#include <vector>

#include "blocks.hpp"
#include "thread_set.hpp"

namespace {

using compare::block_size;
using compare::must;
using compare::nanoseconds;
using std::int64_t;

nanoseconds read_blocks(const std::string& path, int64_t n, int readers) {
  const compare::scattered_blocks blocks(compare::prepare(path, readers > 1));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  must(fd >= 0, "open");
  compare::expect_random_reads(fd);
  const compare::stopwatch watch;
  compare::thread_set threads;
  for (int first = 0; first < readers; ++first) {
    threads.go([&blocks, fd, first, n, readers] {
      compare::block bytes;
      for (int64_t i = first; i < n; i += readers) {
        const int64_t number = blocks[i];
        const auto size = ::pread(fd, bytes.data(), bytes.size(), number * block_size);
        must(size == block_size, "pread");
        compare::check_block(bytes, number);
      }
    });
  }
  threads.join();
  const nanoseconds took = watch.elapsed();
  ::close(fd);
  return took;
}

}  // namespace

namespace compare {

std::vector<workload> file_workloads(const std::string& file) {
  return {
      {.name = "read_4k/cached",
       .n_max = 10'000'000,
       .run = [file](int64_t n) { return read_blocks(file, n, 1); },
       .needs_file = true},
      {.name = "read_4k/cold",
       .n_max = 16'384,
       .step = cold_readers,
       .run = [file](int64_t n) { return read_blocks(file, n, cold_readers); },
       .needs_file = true},
  };
}

}  // namespace compare

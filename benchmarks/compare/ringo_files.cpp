#include <cstdint>
#include <string>
#include <vector>

#include <fcntl.h>

#include <ringo/io/file.hpp>
#include <ringo/ringo.hpp>

#include "blocks.hpp"
#include "harness.hpp"

namespace {

using compare::block_size;
using compare::must;
using compare::nanoseconds;
using std::int64_t;

nanoseconds read_blocks(const std::string& path, int64_t n, int readers) {
  const compare::scattered_blocks blocks(compare::prepare(path, readers > 1));
  const auto opened = ringo::io::file::open(path);
  must(opened.has_value(), "open");
  const ringo::io::file& file = *opened;
  must(!file.with_fd([](int fd) { compare::expect_random_reads(fd); }), "posix_fadvise");
  const compare::stopwatch watch;
  ringo::wait_group group;
  for (int first = 0; first < readers; ++first) {
    group.go([&blocks, &file, first, n, readers] {
      compare::block bytes;
      for (int64_t i = first; i < n; i += readers) {
        const int64_t number = blocks[i];
        const auto size = file.pread(bytes, number * block_size);
        must(size && *size == static_cast<std::size_t>(block_size), "pread");
        compare::check_block(bytes, number);
      }
    });
  }
  group.wait();
  return watch.elapsed();
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

// Files that several numbers share, or several runs.

#include <ringo/io/file.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include <ringo/go.hpp>
#include <ringo/io/copy.hpp>
#include <ringo/runtime.hpp>

#include "support/fibers.hpp"
#include "support/run_on.hpp"
#include "support/temporary_directory.hpp"

using namespace ringo::test;
namespace io = ringo::io;

namespace {

constexpr std::size_t large_piece = std::size_t{1} << 20;
constexpr int large_pieces = sizes::pick<int>(24, 12, 6);

}  // namespace

// A fiber that had the use of a file, and was queued when the run ended, never gave it back:
// close() waited for it for ever.
TEST_CASE("file: one that outlives a run can be closed, whatever fibers were busy with it") {
  for_each_worker_count([](std::size_t workers) {
    const temporary_directory folder;
    const auto file =
        io::file::open(folder.path("file"), {.read = true, .write = true, .create = true});
    const auto copy = io::file::open(folder.path("copy"), {.write = true, .create = true});
    REQUIRE(file);
    REQUIRE(copy);
    REQUIRE_FALSE(file->write(std::string(large_piece, 'x')));
    std::atomic<int> calls{0};  // until all of the run has ended, not its main fiber only
    run_on(
        workers,
        [&] {
          ringo::go([&calls, file = *file] {
            std::string room(large_piece, ' ');
            while (file.pread(room, 0)) ++calls;
          });
          ringo::go([&calls, file = *file] {
            const std::string bytes(large_piece / 16, 'y');
            while (!file.pwrite(bytes, 0)) ++calls;
          });
          ringo::go([&calls, file = *file] {
            while (!file.truncate(large_piece)) ++calls;
          });
          ringo::go([&calls, file = *file, copy = *copy] {
            while (file.seek(0) && !io::copy(copy, file).error) ++calls;
          });
          eventually([&] { return calls >= 20; }, "calls on the file");
        },
        leftovers::allowed);
    CHECK_FALSE(file->close());
    CHECK_FALSE(copy->close());
  });
}

// The position is that of the open file description: what writes large pieces must not find out
// where it is, and write there later.
TEST_CASE("file: numbers that share a position do not write over each other") {
  run_freely_on_each([] {
    const temporary_directory folder;
    const std::string path = folder.path("log");
    const int first = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(first >= 0);
    const auto output = io::file::from_fd(first).value();
    const auto errors = io::file::from_fd(::dup(first)).value();
    std::atomic<bool> over{false};
    std::atomic<int> lines{0};
    fiber_group fibers;
    fibers.go([&] {
      const std::string piece(large_piece, 'x');
      for (int i = 0; i < large_pieces; ++i) EXPECT(!output.write(piece));
      over = true;
    });
    fibers.go([&] {
      while (!over) {
        EXPECT(!errors.write("!\n"));
        ++lines;
        ringo::yield();
      }
    });
    fibers.join();
    const std::string all = io::read_file(path).value();
    EXPECT_EQ(
        all.size(),
        large_piece * static_cast<std::size_t>(large_pieces) + 2 * static_cast<std::size_t>(lines));
    EXPECT_EQ(std::count(all.begin(), all.end(), '!'), lines);
    EXPECT_EQ(std::count(all.begin(), all.end(), '\0'), 0);
  });
}

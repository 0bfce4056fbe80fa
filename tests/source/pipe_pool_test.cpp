#include "source/pipe_pool.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "support/copying.hpp"

using namespace ringo::detail;
using namespace std::chrono_literals;

TEST_CASE("pipe_pool: gives back the pipe that was used last, and keeps only so many") {
  const auto before = ringo::test::open_descriptors();
  auto& pool = pipe_pool::instance();
  pool.close_all();
  std::vector<kernel_pipe> taken;
  for (int i = 0; i < 20; ++i) {
    const kernel_pipe made = pool.take();
    REQUIRE(made);
    CHECK((::fcntl(made.reader, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(made.writer, F_GETFL) & O_NONBLOCK) != 0);
    taken.push_back(made);
  }
  for (const kernel_pipe& made : taken) pool.give_back(made);
  CHECK(pool.size() == 16);
  CHECK(ringo::test::open_descriptors() == before + 32);
  const kernel_pipe last = pool.take();
  CHECK(last.reader == taken[15].reader);
  pipe_pool::close(last);
  pool.close_all();
  CHECK(pool.size() == 0);
  CHECK(ringo::test::open_descriptors() == before);
}

TEST_CASE("pipe_pool: closes what nobody has used for a while") {
  auto& pool = pipe_pool::instance();
  pool.close_all();
  const auto before = ringo::test::open_descriptors();
  pool.give_back(pool.take());
  const auto now = std::chrono::steady_clock::now();
  pool.trim(now);
  CHECK(pool.size() == 1);
  pool.trim(now + 1h);
  CHECK(pool.size() == 0);
  CHECK(ringo::test::open_descriptors() == before);
}

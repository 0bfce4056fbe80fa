// Files that are always ready; see pipe_test.cpp for those that can be waited for.

#include <ringo/io/file.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/detail/config.hpp>
#include <ringo/io/pipe.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/files.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::io::file;
using ringo::io::open_options;
using ringo::io::seek_from;

TEST_CASE("NT-35: regular files have no deadlines") {
  const temporary_directory room;
  run_on_each([&] {
    const file f = opened(room.path("f"), both);
    EXPECT(f.set_deadline({}) == std::errc::operation_not_supported);
    EXPECT(f.set_read_deadline({}) == std::errc::operation_not_supported);
    EXPECT(f.set_write_deadline({}) == std::errc::operation_not_supported);
    EXPECT(!f.close());
    EXPECT(f.set_deadline({}) == ringo::errc::closed);
  });
}

TEST_CASE("file: reads and writes go on where the last one ended") {
  const temporary_directory room;
  run_on_each([&] {
    const auto made = file::create(room.path("f"));
    EXPECT(made.has_value());
    const file& f = *made;
    EXPECT(!f.write("hello, "));
    EXPECT(f.write_some("world").value_or(0) == 5);
    EXPECT(next_text(f, 5) == make_error_code(ringo::errc::eof).message());
    EXPECT(f.seek(0).value_or(-1) == 0);
    EXPECT(next_text(f, 5) == "hello");
    EXPECT(!f.write("!"));
    EXPECT(next_text(f, 100) == " world");
    EXPECT(f.seek(-6, seek_from::end).value_or(-1) == 6);
    EXPECT(f.seek(1, seek_from::current).value_or(-1) == 7);
    EXPECT(next_text(f, 100) == "world");
    EXPECT(f.seek(-1).error() == std::errc::invalid_argument);
    EXPECT(text_at(f, 0, 100) == "hello! world");
  });
}

TEST_CASE("NT-37: reads at a place read until full or the end, and leave the position alone") {
  const temporary_directory room;
  run_on_each([&] {
    const file f = opened(room.path("f"), {.write = true, .create = true, .truncate = true});
    EXPECT(!f.write("0123456789"));
    EXPECT(f.seek(2).value_or(-1) == 2);
    EXPECT(text_at(f, 7, 2) == "78");
    EXPECT(text_at(f, 7, 100) == "789");
    EXPECT(text_at(f, 10, 1) == make_error_code(ringo::errc::eof).message());
    EXPECT(text_at(f, 1000, 1) == make_error_code(ringo::errc::eof).message());
    EXPECT(f.pread({}, 10).value_or(1) == 0);
    EXPECT(!f.pwrite("ab", 9));
    EXPECT(!f.pwrite("z", 12));
    EXPECT(text_at(f, 8, 100) == std::string("8ab\0z", 5));
    EXPECT(next_text(f, 3) == "234");
  });
}

TEST_CASE("NT-37: a negative offset is an error") {
  const temporary_directory room;
  run_on_each([&] {
    const file f = opened(room.path("f"), both);
    EXPECT(!f.write("data"));
    std::string text(4, ' ');
    EXPECT(f.pread(text, -1).error() == std::errc::invalid_argument);
    EXPECT(f.pread(text, INT64_MIN).error() == std::errc::invalid_argument);
    EXPECT(f.pwrite("x", -1) == std::errc::invalid_argument);
    EXPECT(text_at(f, 0, 9) == "data");
  });
}

TEST_CASE("NT-37: a write at a place is an error in append mode; other writes go to the end") {
  const temporary_directory room;
  run_on_each([&] {
    EXPECT(!ringo::io::write_file(room.path("f"), "one"));
    const file f = opened(room.path("f"), {.write = true, .append = true});
    EXPECT(f.pwrite("x", 0) == std::errc::invalid_argument);
    EXPECT(!f.write("two"));
    EXPECT(f.seek(0).value_or(-1) == 0);
    EXPECT(!f.write("three"));
    EXPECT(ringo::io::read_file(room.path("f")).value_or("") == "onetwothree");
    const std::string much(200'000, 'm');
    EXPECT(f.seek(0).value_or(-1) == 0);
    EXPECT(!f.write(much));
    EXPECT(f.seek(0, seek_from::current).value_or(-1) == 200'011);
    EXPECT(ringo::io::read_file(room.path("f")).value_or("") == "onetwothree" + much);
    // What others have opened says it too.
    const int number = ::open(room.path("f").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    const auto adopted = file::from_fd(number);
    EXPECT(adopted.has_value() && adopted->pwrite("x", 0) == std::errc::invalid_argument);
  });
}

// After Go's TestReadAt and TestWriteAt, of many at a time: each block is one fiber's.
TEST_CASE("NT-37: reads and writes at places run in parallel") {
  const temporary_directory room;
  run_on_each([&] {
    constexpr std::size_t fibers = 8;
    constexpr std::size_t rounds = 8;
    constexpr std::size_t block = 64 * 1024;
    const file f = opened(room.path("f"), both);
    EXPECT(!f.truncate(fibers * block));
    fiber_group group;
    for (std::size_t i = 0; i < fibers; ++i) {
      group.go([&f, i] {
        const auto place = static_cast<std::int64_t>(i * block);
        for (std::size_t round = 0; round < rounds; ++round) {
          const std::string mine(block, static_cast<char>('a' + (i + round) % 26));
          EXPECT(!f.pwrite(mine, place));
          EXPECT(text_at(f, place, block) == mine);
        }
      });
    }
    group.join();
  });
}

TEST_CASE("file: what is not in memory is read from the disk") {
  const temporary_directory room;
  const std::string content = blocks(300);  // more than is read at once
  run_on_each([&] {
    const file f = opened(room.path("f"), both);
    EXPECT(!f.write(content));
    for (int round = 0; round < 3; ++round) {
      make_cold(f);
      EXPECT(text_at(f, 0, content.size()) == content);
      make_cold(f);
      EXPECT(text_at(f, 500'001, 70'000) == content.substr(500'001, 70'000));
      make_cold(f);
      EXPECT(f.seek(4096 * 7 + 1).value_or(-1) == 4096 * 7 + 1);
      EXPECT(next_text(f, 10) == content.substr(4096 * 7 + 1, 10));
      EXPECT(next_text(f, 10) == content.substr(4096 * 7 + 11, 10));
    }
  });
}

TEST_CASE("file: writes of any size arrive, at the position and at places") {
  const temporary_directory room;
  const std::string content = blocks(300);
  run_on_each([&] {
    for (const std::size_t size : {std::size_t{0},
                                   std::size_t{1},
                                   std::size_t{128} << 10,
                                   (std::size_t{128} << 10) + 1,
                                   content.size()}) {
      const std::string part = content.substr(0, size);
      const auto f = file::create(room.path("f"));
      EXPECT(f.has_value());
      EXPECT(!f->write("start"));
      EXPECT(!f->write(part));
      EXPECT(!f->write("end"));
      EXPECT(ringo::io::read_file(room.path("f")).value_or("") == "start" + part + "end");
      EXPECT(!f->pwrite(part, 2));
      EXPECT(text_at(*f, 2, part.size()) == part || part.empty());
      const ringo::io::const_buffer pieces[] = {{"a", 1}, ringo::io::const_buffer(part), {"z", 1}};
      EXPECT(f->seek(0).has_value());
      EXPECT(!f->write(pieces));
      EXPECT(text_at(*f, 0, part.size() + 2) == "a" + part + "z");
    }
  });
}

TEST_CASE("file: writers through one handle do not mix, nor do readers") {
  const temporary_directory room;
  run_on_each([&] {
    constexpr std::size_t fibers = 6;
    constexpr std::size_t size = 300'000;
    const auto f = file::create(room.path("f"));
    EXPECT(f.has_value());
    fiber_group writers;
    for (std::size_t i = 0; i < fibers; ++i) {
      writers.go([&f, i] { EXPECT(!f->write(std::string(size, static_cast<char>('a' + i)))); });
    }
    writers.join();
    const std::string all = ringo::io::read_file(room.path("f")).value_or("");
    EXPECT_EQ(all.size(), fibers * size);
    for (std::size_t i = 0; i + 1 < all.size(); ++i) {
      if (all[i] != all[i + 1] && (i + 1) % size != 0) EXPECT(false);
    }
    EXPECT(f->seek(0).has_value());
    make_cold(*f);
    std::atomic<std::size_t> read{0};
    fiber_group readers;
    for (std::size_t i = 0; i < fibers; ++i) {
      readers.go([&] {
        std::string text(10'000, ' ');
        for (;;) {
          const auto got = f->read(text);
          if (!got) return EXPECT(got.error() == ringo::errc::eof);
          read += *got;
        }
      });
    }
    readers.join();
    EXPECT_EQ(read.load(), fibers * size);
  });
}

TEST_CASE("file: sync, sync_data and truncate") {
  const temporary_directory room;
  run_on_each([&] {
    const file f = opened(room.path("f"), both);
    EXPECT(!f.write("0123456789"));
    EXPECT(!f.sync());
    EXPECT(!f.sync_data());
    EXPECT(!f.truncate(4));
    EXPECT(text_at(f, 0, 100) == "0123");
    EXPECT(!f.truncate(6));
    EXPECT(text_at(f, 0, 100) == std::string("0123\0\0", 6));
    EXPECT(f.truncate(-1) == std::errc::invalid_argument);
    const file through = opened(room.path("f"), {.write = true, .sync = true});
    EXPECT(!through.write("abc"));
    EXPECT(!through.pwrite("def", 3));
    EXPECT(text_at(through, 0, 100) == "abcdef");
    const file reader = opened(room.path("f"));
    EXPECT(reader.truncate(0) == std::errc::invalid_argument);
    EXPECT(reader.write("x") == std::errc::bad_file_descriptor);
    EXPECT(reader.pwrite("x", 0) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("file: options say how it is opened") {
  const temporary_directory room;
  run_on_each([&] {
    const std::string path = room.path("f");
    ::unlink(path.c_str());
    EXPECT(file::open(path).error() == std::errc::no_such_file_or_directory);
    const mode_t before = ::umask(027);
    EXPECT(!opened(path, {.write = true, .create = true, .permissions = 0666}).write("old"));
    ::umask(before);
    EXPECT_EQ(ringo::io::stat(path)->permissions, 0640U);
    EXPECT(file::open(path, {.write = true, .create = true, .exclusive = true}).error() ==
           std::errc::file_exists);
    const file writer = opened(path, {.read = false, .write = true});
    EXPECT(text_at(writer, 0, 1) == std::make_error_code(std::errc::bad_file_descriptor).message());
    int flags = 0;
    EXPECT(!writer.with_fd([&](int fd) { flags = ::fcntl(fd, F_GETFD); }));
    EXPECT((flags & FD_CLOEXEC) != 0);
    EXPECT(text_at(opened(path), 0, 9) == "old");
    EXPECT(text_at(opened(path, {.write = true, .truncate = true}), 0, 9) ==
           make_error_code(ringo::errc::eof).message());
    for (const open_options& senseless : {open_options{.read = false},
                                          open_options{.truncate = true},
                                          open_options{.write = true, .exclusive = true}}) {
      EXPECT(file::open(path, senseless).error() == std::errc::invalid_argument);
    }
    EXPECT(file::open(path + '\0' + "x").error() == std::errc::invalid_argument);
  });
}

TEST_CASE("file: the system's errors come through") {
  run_on_each([] {
    const temporary_directory room;
    EXPECT(next_text(opened(room.path()), 5) ==
           std::make_error_code(std::errc::is_a_directory).message());
    EXPECT(file::open(room.path(), {.write = true}).error() == std::errc::is_a_directory);
    EXPECT(file::open(room.path("no/f")).error() == std::errc::no_such_file_or_directory);
    EXPECT(!ringo::io::write_file(room.path("f"), "x"));
    EXPECT(file::open(room.path("f/g")).error() == std::errc::not_a_directory);
    if (::geteuid() != 0) {
      EXPECT(!ringo::io::write_file(room.path("secret"), "x", 0));
      EXPECT(file::open(room.path("secret")).error() == std::errc::permission_denied);
    }
    const file full = opened("/dev/full", {.write = true});
    EXPECT(full.write("x") == std::errc::no_space_on_device);
    EXPECT(full.write(std::string(1'000'000, 'x')) == std::errc::no_space_on_device);
    EXPECT(full.pwrite("x", 0) == std::errc::no_space_on_device);
    const auto pipe = ringo::io::pipe();
    std::string text(4, ' ');
    EXPECT(pipe->reader.pread(text, 0).error() == std::errc::invalid_seek);
    EXPECT(pipe->writer.pwrite("x", 0) == std::errc::invalid_seek);
    EXPECT(pipe->reader.seek(0).error() == std::errc::invalid_seek);
    EXPECT(pipe->writer.sync() == std::errc::invalid_argument);
    EXPECT(pipe->writer.truncate(0) == std::errc::invalid_argument);
  });
}

TEST_CASE("file: what has nothing but memory, or cannot tell, is read as well") {
  run_on_each([] {
    EXPECT(ringo::io::read_file("/proc/self/stat").value_or("").find('(') != std::string::npos);
    EXPECT(ringo::io::read_file("/proc/self/maps").value_or("").size() > 1000);
    EXPECT(next_text(opened("/dev/zero"), 4) == std::string(4, '\0'));
    EXPECT(next_text(opened("/dev/null"), 4) == make_error_code(ringo::errc::eof).message());
    EXPECT(!opened("/dev/null", {.write = true}).write(std::string(1'000'000, 'x')));
  });
}

TEST_CASE("file: whole files are read and written") {
  const temporary_directory room;
  const std::string content = blocks(200);
  run_on_each([&] {
    EXPECT(!ringo::io::write_file(room.path("f"), content));
    EXPECT(ringo::io::read_file(room.path("f")).value_or("") == content);
    EXPECT(!ringo::io::write_file(room.path("f"), "short"));
    EXPECT(ringo::io::read_file(room.path("f")).value_or("") == "short");
    EXPECT(!ringo::io::write_file(room.path("f"), ""));
    EXPECT(ringo::io::read_file(room.path("f")).value_or("x").empty());
    EXPECT(ringo::io::read_file(room.path("g")).error() == std::errc::no_such_file_or_directory);
    EXPECT(ringo::io::write_file(room.path("no/g"), "x") == std::errc::no_such_file_or_directory);
    // Longer than memory can be.
    const file sparse = opened(room.path("sparse"), both);
    // (Sanitizers end the process for that.)
    if (!RINGO_ASAN && !RINGO_TSAN && !sparse.truncate(std::int64_t{1} << 43)) {
      EXPECT(ringo::io::read_file(room.path("sparse")).error() == std::errc::not_enough_memory);
    }
    EXPECT(!sparse.truncate(0));
  });
}

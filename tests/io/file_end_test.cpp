// How calls on files end early, and who may make them.

#include <ringo/io/file.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/ringo.hpp>

#include "support/fibers.hpp"
#include "support/files.hpp"
#include "support/run_on.hpp"
#include "support/sizes.hpp"

using namespace ringo::test;
using ringo::io::file;

TEST_CASE("file: nil and closed handles say so") {
  const temporary_directory room;
  run_on_each([&] {
    const file nil;
    std::string text(4, ' ');
    EXPECT(nil.pread(text, 0).error() == std::errc::invalid_argument);
    EXPECT(nil.pwrite("x", 0) == std::errc::invalid_argument);
    EXPECT(nil.seek(0).error() == std::errc::invalid_argument);
    EXPECT(nil.sync() == std::errc::invalid_argument);
    EXPECT(nil.sync_data() == std::errc::invalid_argument);
    EXPECT(nil.truncate(0) == std::errc::invalid_argument);
    EXPECT(nil.stat().error() == std::errc::invalid_argument);
    const file f = opened(room.path("f"), both);
    EXPECT(!f.close());
    EXPECT(f.close() == ringo::errc::closed);
    EXPECT(f.pread(text, 0).error() == ringo::errc::closed);
    EXPECT(f.pwrite("x", 0) == ringo::errc::closed);
    EXPECT(f.seek(0).error() == ringo::errc::closed);
    EXPECT(f.sync() == ringo::errc::closed);
    EXPECT(f.truncate(0) == ringo::errc::closed);
    EXPECT(f.stat().error() == ringo::errc::closed);
  });
}

TEST_CASE("file: a context that is done wins over every call") {
  const temporary_directory room;
  run_on_each([&] {
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    const std::string path = room.path("f");
    const auto f = file::create(ctx, path, 0600);
    EXPECT(f.has_value());
    EXPECT(!f->pwrite(ctx, "data", 0));
    std::string text(4, ' ');
    EXPECT(f->pread(ctx, text, 0).value_or(0) == 4);
    EXPECT(f->seek(ctx, 1).value_or(-1) == 1);
    EXPECT(f->read(ctx, text).value_or(0) == 3);
    EXPECT(!f->sync(ctx) && !f->sync_data(ctx) && !f->truncate(ctx, 2));
    EXPECT(ringo::io::read_file(ctx, path).value_or("") == "da");
    EXPECT(!ringo::io::write_file(ctx, path, "more"));
    EXPECT(file::open(ctx, path).has_value());
    cancel();
    EXPECT(file::open(ctx, path).error() == ringo::errc::canceled);
    EXPECT(file::create(ctx, path).error() == ringo::errc::canceled);
    EXPECT(f->pread(ctx, text, 0).error() == ringo::errc::canceled);
    EXPECT(f->pwrite(ctx, "x", 0) == ringo::errc::canceled);
    EXPECT(f->seek(ctx, 0).error() == ringo::errc::canceled);
    EXPECT(f->sync(ctx) == ringo::errc::canceled);
    EXPECT(f->sync_data(ctx) == ringo::errc::canceled);
    EXPECT(f->truncate(ctx, 0) == ringo::errc::canceled);
    EXPECT(ringo::io::read_file(ctx, path).error() == ringo::errc::canceled);
    EXPECT(ringo::io::write_file(ctx, path, "x") == ringo::errc::canceled);
    EXPECT(ringo::io::read_file(path).value_or("") == "more");
    EXPECT(panic_text([&] { static_cast<void>(file::open(ringo::context(), path)); }) ==
           "nil context");
  });
}

TEST_CASE("NT-16: a read that is given up leaves its buffer alone") {
  const temporary_directory room;
  const std::string content = blocks(64);
  run_on_each([&] {
    const file f = opened(room.path("f"), both);
    EXPECT(!f.write(content));
    constexpr std::size_t readers = 8;
    for (std::size_t round = 0; round < sizes::pick<std::size_t>(20, 8, 5); ++round) {
      make_cold(f);
      auto [ctx, cancel] = ringo::with_cancel(ringo::background());
      fiber_group group;
      for (std::size_t i = 0; i < readers; ++i) {
        group.go([&f, &content, i, round, ctx = ctx] {
          const std::size_t place = (i * 7 + round) % 60 * 4096;
          std::string text(4096, '#');
          const auto got = f.pread(ctx, text, static_cast<std::int64_t>(place));
          const std::string seen = text;
          if (!got) EXPECT(got.error() == ringo::errc::canceled);
          if (got) EXPECT(text == content.substr(place, 4096));
          text.assign(4096, '@');  // the canary
          for (int turn = 0; turn < 20; ++turn) ringo::yield();
          EXPECT(text == std::string(4096, '@'));
        });
      }
      if (round % 2 == 0) ringo::yield();
      cancel();
      group.join();
    }
  });
}

TEST_CASE("NT-36: close waits for the calls under way") {
  const temporary_directory room;
  const std::string content = blocks(64);
  run_on_each([&] {
    EXPECT(!ringo::io::write_file(room.path("f"), content));
    for (int round = 0; round < 10; ++round) {
      const file f = opened(room.path("f"));
      make_cold(f);
      int number = -1;
      EXPECT(!f.with_fd([&](int fd) { number = fd; }));
      fiber_group group;
      for (std::size_t i = 0; i < 6; ++i) {
        group.go([&f, &content, i] {
          std::string text(4096, ' ');
          const auto got =
              i % 2 == 0 ? f.read(text) : f.pread(text, static_cast<std::int64_t>(i * 4096));
          if (!got) EXPECT(got.error() == ringo::errc::closed);
          if (got && i % 2 != 0) EXPECT(text == content.substr(i * 4096, 4096));
        });
      }
      if (round % 2 == 0) ringo::yield();
      EXPECT(!f.close());
      EXPECT(::fcntl(number, F_GETFD) < 0);
      group.join();
    }
  });
}

TEST_CASE("file: plain threads, and calls inside blocking(), just make the call") {
  const temporary_directory room;
  const std::string content = blocks(100);
  run_on_each([&] {
    const file f = opened(room.path("f"), both);
    EXPECT(!f.write(content));
    make_cold(f);
    std::thread outsider([&] {
      EXPECT(text_at(f, 4096, 4096) == content.substr(4096, 4096));
      EXPECT(!f.pwrite("outside", 0));
      EXPECT(!f.sync());
      EXPECT(ringo::io::read_file(room.path("f")).value_or("").size() == content.size());
    });
    ringo::blocking([&] { outsider.join(); });
    make_cold(f);
    ringo::blocking([&] {
      EXPECT(text_at(f, 8192, 4096) == content.substr(8192, 4096));
      EXPECT(!f.pwrite(content, 0));
      EXPECT(!f.sync());
    });
    EXPECT(text_at(f, 0, content.size()) == content);
  });
  const file f = opened(room.path("f"));
  CHECK(text_at(f, 0, 4096) == content.substr(0, 4096));
}

// What is known about files.

#include <ringo/io/file_info.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringo/context.hpp>
#include <ringo/io/file.hpp>
#include <ringo/io/pipe.hpp>
#include <ringo/ringo.hpp>

#include "support/files.hpp"
#include "support/run_on.hpp"

using namespace ringo::test;
using ringo::io::file;
using ringo::io::file_kind;

TEST_CASE("file_info: a file tells its kind, size, permissions, owner and time") {
  const temporary_directory room;
  run_on_each([&] {
    const std::string path = room.path("f");
    EXPECT(!ringo::io::write_file(path, "12345"));
    EXPECT(::chmod(path.c_str(), 0754) == 0);
    const timespec times[] = {{0, 0}, {1'000'000'000, 500'000'000}};
    EXPECT(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
    EXPECT(::link(path.c_str(), room.path("other").c_str()) == 0);
    const auto by_name = ringo::io::stat(path);
    const auto f = file::open(path);
    EXPECT(by_name.has_value() && f.has_value());
    const auto by_handle = f->stat();
    EXPECT(by_handle.has_value());
    for (const auto* info : {&*by_name, &*by_handle}) {
      EXPECT(info->kind == file_kind::regular);
      EXPECT_EQ(info->size, 5);
      EXPECT_EQ(info->permissions, 0754U);
      EXPECT_EQ(info->user, ::geteuid());
      EXPECT_EQ(info->links, 2U);
      EXPECT(info->modified.time_since_epoch() == std::chrono::milliseconds(1'000'000'000'500));
    }
    EXPECT(by_name->inode == by_handle->inode && by_name->device == by_handle->device);
    EXPECT(::unlink(room.path("other").c_str()) == 0);
  });
}

TEST_CASE("file_info: kinds, and links that are followed") {
  const temporary_directory room;
  run_on_each([&] {
    EXPECT(ringo::io::stat(room.path())->kind == file_kind::directory);
    EXPECT(ringo::io::stat("/dev/null")->kind == file_kind::character_device);
    EXPECT(ringo::io::pipe()->reader.stat()->kind == file_kind::pipe);
    EXPECT(::symlink(room.path().c_str(), room.path("link").c_str()) == 0);
    EXPECT(ringo::io::stat(room.path("link"))->kind == file_kind::directory);
    EXPECT(::unlink(room.path("link").c_str()) == 0);
  });
}

TEST_CASE("file_info: errors, and a context that is done") {
  const temporary_directory room;
  run_on_each([&] {
    EXPECT(ringo::io::stat(room.path("no")).error() == std::errc::no_such_file_or_directory);
    EXPECT(ringo::io::stat(room.path() + '\0').error() == std::errc::invalid_argument);
    auto [ctx, cancel] = ringo::with_cancel(ringo::background());
    EXPECT(ringo::io::stat(ctx, room.path()).has_value());
    cancel();
    EXPECT(ringo::io::stat(ctx, room.path()).error() == ringo::errc::canceled);
  });
}

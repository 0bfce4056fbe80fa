#pragma once

/// Streams of bytes: what they are made of, and what can be done with any of them.

#include <ringo/io/buffer.hpp>
#include <ringo/io/buffered_reader.hpp>
#include <ringo/io/buffered_writer.hpp>
#include <ringo/io/copy.hpp>
#include <ringo/io/file.hpp>
#include <ringo/io/file_info.hpp>
#include <ringo/io/line_scanner.hpp>
#include <ringo/io/memory_pipe.hpp>
#include <ringo/io/pipe.hpp>
#include <ringo/io/read_dir.hpp>
#include <ringo/io/stream.hpp>
#include <ringo/io/wait_fd.hpp>

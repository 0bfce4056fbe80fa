#pragma once

#include <ringo/io/file.hpp>
#include <ringo/result.hpp>

namespace ringo::io {

/// The two ends of a pipe.
struct pipe_ends {
  file reader;
  file writer;
};

/// Makes a pipe of the system: what is written to `writer` comes out of `reader`, in order. Both
/// are closed on exec, can be waited for without a thread, and have deadlines. The reader's
/// errc::eof comes when every handle of the writer is gone and no other process has it; a write
/// without a reader fails with EPIPE. Never blocks. Errors: EMFILE, ENFILE. Source: pipe(7); Go's
/// os.Pipe.
result<pipe_ends> pipe();

}  // namespace ringo::io

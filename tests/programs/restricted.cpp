// Runs another program under a policy or limit that refuses io_uring or much of it, as containers
// do. Arguments: what to refuse (see support/restrict.hpp), then the program and its arguments.

#include <cstdio>

#include <unistd.h>

#include "support/restrict.hpp"

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  if (!ringo::test::restrict_process(argv[1])) {
    std::printf("%s cannot be had here\n", argv[1]);
    return 77;
  }
  ::execv(argv[2], argv + 2);
  std::perror(argv[2]);
  return 1;
}

#include <string>
#include <vector>

#include "harness.hpp"

namespace compare {

std::vector<workload> file_workloads(const std::string&) {
  return {
      {.name = "read_4k/cached", .missing = "ringo has no files yet", .needs_file = true},
      {.name = "read_4k/cold", .missing = "ringo has no files yet", .needs_file = true},
  };
}

}  // namespace compare

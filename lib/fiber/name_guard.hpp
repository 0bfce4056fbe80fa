#pragma once

#include <atomic>

#include "fiber/fiber.hpp"

/// Reading the names of fibers that may end at any moment.
///
/// A name is freed by its fiber at its end, or by whoever discards the fiber. Readers are rare, so
/// that the cost lies with them:
///   reader: 1. count in   2. heavy fence   3. read names   4. count out
///   end:    1. name = null   2. light fence   3. wait while there is a reader   4. free
/// The fences leave no order in which the reader finds the name and the end misses the reader.
/// A reader copies at most a chunk's names at a time, and does not wait for anything.

namespace ringo::detail {

/// Names that are found in fibers stay, for a scope.
class name_guard {
 public:
  name_guard() noexcept;
  ~name_guard();
  name_guard(const name_guard&) = delete;
  name_guard& operator=(const name_guard&) = delete;
};

/// The end of a fiber that has a name.
void free_name(fiber& of) noexcept;

}  // namespace ringo::detail

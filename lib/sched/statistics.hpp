#pragma once

#include <ringo/runtime.hpp>

namespace ringo::detail {

class scheduler;

/// Sums up what each worker has counted. Within scheduler::visit().
void count_all(scheduler& s, statistics& sum) noexcept;
/// Stacks belong to the process: at any time.
void count_stacks(statistics& sum) noexcept;

}  // namespace ringo::detail

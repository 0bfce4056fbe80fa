#pragma once

#include <vector>

#include <ringo/debug/dump.hpp>

#include "sched/snapshot.hpp"

namespace ringo::detail {

/// What was taken, as users see it.
std::vector<debug::fiber_info> infos_of(snapshot taken);

}  // namespace ringo::detail

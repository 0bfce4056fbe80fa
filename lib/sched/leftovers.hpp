#pragma once

namespace ringo::detail {

/// Names the fibers that the main fiber has left behind, in debug builds, and when RINGO_LOG has
/// "leftovers". Once no worker runs fibers any more, and before they are reclaimed.
void report_leftovers() noexcept;

}  // namespace ringo::detail

#pragma once

namespace ringo::detail {

/// Names the fibers that the main fiber leaves behind, in debug builds, and when RINGO_LOG has
/// "leftovers".
void report_leftovers() noexcept;

}  // namespace ringo::detail

#pragma once

namespace ringo::detail {

/// True when another worker may run at the same time, so that a short spin can spare a park.
bool spinning_pays() noexcept;

}  // namespace ringo::detail

#pragma once

/// All that the layers below contexts know of them.

#include <system_error>

namespace ringo {

class context;

namespace detail {

class cancellation;

/// Its code if it is done, else empty; null: it never is.
std::error_code code_if_done(const cancellation* stop) noexcept;

/// What an operation with this context listens to; null: the context is never done. Panics "nil
/// context". Valid as long as the context.
cancellation* cancellation_of(const ringo::context& ctx);

}  // namespace detail
}  // namespace ringo

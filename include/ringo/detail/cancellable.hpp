#pragma once

/// All that the layers below contexts know of them.

namespace ringo {

class context;

namespace detail {

class cancellation;

/// What an operation with this context listens to; null: the context is never done. Panics "nil
/// context". Valid as long as the context.
cancellation* cancellation_of(const ringo::context& ctx);

}  // namespace detail
}  // namespace ringo

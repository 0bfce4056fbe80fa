#pragma once

/// Who runs here: the only home of thread_local.
///
/// A fiber may wake up on another thread, and both compilers keep the address of a thread_local, or what
/// they read through it, across a call that parks. So nothing here returns an address or a reference
/// into thread-local storage, nothing is inline, and nobody keeps what it returns across a park.

namespace ringo::detail {

struct fiber;
class worker;

/// The worker whose thread this is; null on plain threads, and inside blocking().
worker* current_worker() noexcept;
void set_current_worker(worker* w) noexcept;

/// The worker whose thread this is, inside blocking() too. For signal handlers.
worker* worker_of_thread() noexcept;
void set_worker_of_thread(worker* w) noexcept;

/// The running fiber, or the one that stands for this plain thread (made at first use, recycled when the
/// thread ends).
fiber* current_fiber();

}  // namespace ringo::detail

#pragma once

/// Clang's thread-safety attributes; empty for other compilers. They put the lock protocol into the
/// signature, and the `clang` preset checks it.

#if defined(__clang__)
#define RINGO_ATTRIBUTE(x) __attribute__((x))
#else
#define RINGO_ATTRIBUTE(x)
#endif

#define RINGO_CAPABILITY(name) RINGO_ATTRIBUTE(capability(name))
#define RINGO_SCOPED_CAPABILITY RINGO_ATTRIBUTE(scoped_lockable)
#define RINGO_GUARDED_BY(lock) RINGO_ATTRIBUTE(guarded_by(lock))
#define RINGO_REQUIRES(...) RINGO_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define RINGO_ACQUIRE(...) RINGO_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RINGO_TRY_ACQUIRE(...) RINGO_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RINGO_RELEASE(...) RINGO_ATTRIBUTE(release_capability(__VA_ARGS__))
#define RINGO_EXCLUDES(...) RINGO_ATTRIBUTE(locks_excluded(__VA_ARGS__))
/// For locks that are released on another stack than the one that took them.
#define RINGO_NO_THREAD_SAFETY RINGO_ATTRIBUTE(no_thread_safety_analysis)

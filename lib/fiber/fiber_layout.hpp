#pragma once

#include <cstdint>

namespace ringo::detail {

/// What a debugger must know of this build to find the fibers of a process, or of its core file,
/// without debug information. tools/gdb/ringo_gdb.py reads it by this order of members: add at the
/// end only; what changes its meaning takes another magic.
struct fiber_layout {
  char magic[8];
  const void* chunks;             // the registry's vector of chunks: begins with begin() and end()
  const void* resumes;            // where every suspended stack goes on; null: cannot be unwound
  std::uint32_t chunk_blocks;     // fibers in a chunk
  std::uint32_t fiber_size;       // the rest are offsets in a fiber
  std::uint32_t resume_at;        // pointer to the saved registers
  std::uint32_t state;            // one byte, fiber_state
  std::uint32_t stack_size_log2;  // one byte
  std::uint32_t is_thread;        // one byte
  std::uint32_t kind;             // pointer to a park_kind
  std::uint32_t stack_base;       // pointer
  std::uint32_t id;               // eight bytes
  std::uint32_t name;             // pointer to text
  std::uint32_t spawn_site;       // address of code
  std::uint32_t kind_reason;      // in a park_kind: pointer to text

  static constexpr fiber_layout of_this_build() noexcept;
};

extern "C" const fiber_layout ringo_fiber_layout;

}  // namespace ringo::detail

#pragma once

#include <array>

namespace ringo::detail {

/// A code address as text: "function+0x12 (module+0x3456)". addr2line turns the module's offset
/// into file and line. Functions of an executable have names only when it was linked with
/// -rdynamic.
struct symbol {
  char text[512];
};
symbol symbol_of(const void* code) noexcept;

/// Prints the frames of the running stack, newest first, to descriptor 2.
void print_backtrace() noexcept;
void print_frames(void* const* frames, int count) noexcept;

}  // namespace ringo::detail

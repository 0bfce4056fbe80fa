#pragma once

#include <array>

namespace ringo::detail {

/// A code address as text: "function+0x12 (module+0x3456)". addr2line turns the module's offset
/// into file and line. Functions of a stripped program have no names, unless it was linked with
/// -rdynamic.
struct symbol {
  char text[512];
};
/// `is_return`: the address is behind a call, and stands for the call.
symbol symbol_of(const void* code, bool is_return = false) noexcept;

/// From now on names stay mangled: the process ends from within a signal handler, which may have
/// interrupted malloc(), and demangling allocates.
void keep_names_mangled() noexcept;

/// Prints the frames of the running stack, newest first, to descriptor 2.
void print_backtrace() noexcept;
void print_frames(void* const* frames, int count) noexcept;

}  // namespace ringo::detail

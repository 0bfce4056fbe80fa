#pragma once

#include <cstddef>
#include <cstdint>

namespace ringo::detail {

/// A function in the full symbol table (.symtab) of a program or library on disk, which knows those
/// that are not exported too, unless it was stripped.
struct table_symbol {
  bool found = false;
  std::size_t offset = 0;  // of the address, from the function's begin
  char name[384] = {};     // mangled; cut
};

/// The function at `offset` from where the file is loaded. Reads the file anew: some 100 us for ten
/// thousand symbols. Neither allocates nor locks.
table_symbol find_in_file(const char* path, std::uintptr_t offset) noexcept;

}  // namespace ringo::detail

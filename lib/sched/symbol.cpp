#include "sched/symbol.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>

#include "base/print.hpp"

namespace ringo::detail {

symbol symbol_of(const void* code) noexcept {
  symbol result{};
  Dl_info info{};
  if (code == nullptr || ::dladdr(code, &info) == 0 || info.dli_fname == nullptr) {
    std::snprintf(result.text, sizeof result.text, "%p", code);
    return result;
  }
  const char* slash = std::strrchr(info.dli_fname, '/');
  const char* module = slash != nullptr ? slash + 1 : info.dli_fname;
  const auto address = reinterpret_cast<std::uintptr_t>(code);
  const auto module_offset = address - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  if (info.dli_sname == nullptr) {
    std::snprintf(result.text, sizeof result.text, "%s+0x%zx", module, module_offset);
    return result;
  }
  int status = 0;
  char* demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::snprintf(result.text,
                sizeof result.text,
                "%s+0x%zx (%s+0x%zx)",
                demangled != nullptr ? demangled : info.dli_sname,
                address - reinterpret_cast<std::uintptr_t>(info.dli_saddr),
                module,
                module_offset);
  std::free(demangled);  // NOLINT(cppcoreguidelines-no-malloc): the ABI's contract
  return result;
}

void print_frames(void* const* frames, int count) noexcept {
  for (int i = 0; i < count; ++i) print_error("    %s\n", symbol_of(frames[i]).text);
}

void print_backtrace() noexcept {
  std::array<void*, 64> frames{};
  print_frames(frames.data(), ::backtrace(frames.data(), static_cast<int>(frames.size())));
}

}  // namespace ringo::detail

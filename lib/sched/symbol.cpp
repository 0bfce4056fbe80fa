#include "sched/symbol.hpp"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <sys/auxv.h>

#include "base/print.hpp"
#include "sched/symbol_table.hpp"

namespace ringo::detail {
namespace {

std::atomic<bool> in_signal_handler{false};

/// The program's own name may be a path from a directory that is no longer the current one.
const char* file_of(const Dl_info& info) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel gives a number
  const auto* headers = reinterpret_cast<const void*>(::getauxval(AT_PHDR));
  Dl_info program{};
  const bool is_program = ::dladdr(headers, &program) != 0 && program.dli_fbase == info.dli_fbase;
  return is_program ? "/proc/self/exe" : info.dli_fname;
}

struct function {
  table_symbol found;
  const char* mangled = nullptr;
  std::size_t offset = 0;
};

/// What is exported is found without reading a file; but an address in a function that is not may
/// seem to lie in the exported one before it.
void find_function(const Dl_info& info, std::uintptr_t module_offset, function& into) noexcept {
  into.found = find_in_file(file_of(info), module_offset);
  if (into.found.found) {
    into.mangled = into.found.name;
    into.offset = into.found.offset;
  } else if (info.dli_sname != nullptr) {
    into.mangled = info.dli_sname;
    into.offset = module_offset - (reinterpret_cast<std::uintptr_t>(info.dli_saddr) -
                                   reinterpret_cast<std::uintptr_t>(info.dli_fbase));
  }
}

}  // namespace

symbol symbol_of(const void* code, bool is_return) noexcept {
  symbol result{};
  Dl_info info{};
  const auto shown = reinterpret_cast<std::uintptr_t>(code);
  const std::uintptr_t looked_up = shown - (is_return && shown != 0 ? 1 : 0);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): see above
  if (code == nullptr || ::dladdr(reinterpret_cast<void*>(looked_up), &info) == 0 ||
      info.dli_fname == nullptr) {
    std::snprintf(result.text, sizeof result.text, "%p", code);
    return result;
  }
  const char* slash = std::strrchr(info.dli_fname, '/');
  const char* module = slash != nullptr ? slash + 1 : info.dli_fname;
  const std::uintptr_t base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  function at;
  find_function(info, looked_up - base, at);
  if (at.mangled == nullptr) {
    std::snprintf(result.text, sizeof result.text, "%s+0x%zx", module, shown - base);
    return result;
  }
  int status = 0;
  char* demangled = in_signal_handler.load()
                        ? nullptr
                        : abi::__cxa_demangle(at.mangled, nullptr, nullptr, &status);
  std::snprintf(result.text,
                sizeof result.text,
                "%.400s+0x%zx (%s+0x%zx)",
                demangled != nullptr ? demangled : at.mangled,
                at.offset + (shown - looked_up),
                module,
                shown - base);
  std::free(demangled);  // NOLINT(cppcoreguidelines-no-malloc): the ABI's contract
  return result;
}

void keep_names_mangled() noexcept {
  in_signal_handler.store(true);
}

void print_frames(void* const* frames, int count) noexcept {
  for (int i = 0; i < count; ++i) print_error("    %s\n", symbol_of(frames[i], true).text);
}

void print_backtrace() noexcept {
  std::array<void*, 64> frames{};
  print_frames(frames.data(), ::backtrace(frames.data(), static_cast<int>(frames.size())));
}

}  // namespace ringo::detail

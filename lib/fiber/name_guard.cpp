#include "fiber/name_guard.hpp"

#include <cstdint>

#include <sched.h>

#include "base/fence.hpp"

namespace ringo::detail {
namespace {

std::atomic<std::uint32_t> readers{0};  // atomic: see name_guard.hpp

}  // namespace

name_guard::name_guard() noexcept {
  readers.fetch_add(1);
  heavy_fence();  // pairs with free_name()
}

name_guard::~name_guard() {
  readers.fetch_sub(1);
}

void free_name(fiber& of) noexcept {
  const char* name = of.name.exchange(nullptr);
  if (name == nullptr) return;
  light_fence();  // pairs with name_guard()
  while (readers.load() != 0) ::sched_yield();
  delete[] name;
}

}  // namespace ringo::detail

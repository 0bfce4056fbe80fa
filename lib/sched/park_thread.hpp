#pragma once

#include "fiber/fiber.hpp"

namespace ringo::detail {

/// park() and the end of ready() for plain threads.
void park_thread(const park_kind& kind, void* subject) noexcept;
void unpark_thread(fiber* f) noexcept;

}  // namespace ringo::detail

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fiber/fiber.hpp"

namespace ringo::detail {

class scheduler;

/// True: the process has a thread that ringo did not start, other than the one blocked in run(); it
/// may make any fiber ready. Read from /proc/self/task; true when that cannot be read.
bool foreign_threads(const scheduler& s, std::int32_t caller_thread) noexcept;

/// Nothing can ever wake a fiber: prints all of them and ends the process.
[[noreturn]] void report_deadlock(const scheduler& s) noexcept;

/// The wanted fibers, in the order of their numbers.
std::vector<const fiber*> list_fibers(const std::function<bool(const fiber&)>& wanted);
/// Prints each with its state or wait reason and spawn site to descriptor 2, but at most 1000.
void print_fibers(const std::vector<const fiber*>& fibers) noexcept;
/// The same text.
std::string text_of(const std::vector<const fiber*>& fibers);

}  // namespace ringo::detail

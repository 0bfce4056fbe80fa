#include <ringo/debug/dump.hpp>

#include <new>

#include "base/write_all.hpp"
#include "debug/fiber_infos.hpp"
#include "sched/snapshot.hpp"
#include "sched/symbol.hpp"

namespace ringo::detail {
namespace {

using debug::fiber_info;

fiber_info::status status_of(const fiber_entry& entry) noexcept {
  switch (entry.state) {
    case fiber_state::parked: return fiber_info::status::waiting;
    case fiber_state::running: return fiber_info::status::running;
    case fiber_state::lost: return fiber_info::status::abandoned;
    case fiber_state::runnable:
    case fiber_state::unused: break;
  }
  return fiber_info::status::runnable;
}

}  // namespace

std::vector<fiber_info> infos_of(snapshot taken) {
  std::vector<fiber_info> result;
  result.reserve(taken.fibers.size());
  for (auto& entry : taken.fibers) {
    const auto frames = taken.stacks.at(entry.stack);
    result.push_back(
        {.id = entry.id,
         .name = std::move(entry.name),
         .state = status_of(entry),
         .reason = entry.reason(),
         .detail = std::move(entry.detail),
         .waited = entry.waited,
         .is_pinned = entry.is_pinned,
         .created_by = entry.spawn_site,
         .frames = std::vector<const void*>(frames.begin, frames.begin + frames.size)});
  }
  return result;
}

}  // namespace ringo::detail

namespace ringo::debug {

std::vector<fiber_info> fibers() {
  return ringo::detail::infos_of(ringo::detail::snapshot::take());
}

std::string symbol(const void* code) {
  return ringo::detail::symbol_of(code).text;
}

std::string dump() {
  return text_of(ringo::detail::snapshot::take());
}

std::error_code dump(int fd) noexcept {
  try {
    const std::string text = dump();
    return ringo::detail::write_all(fd, text.data(), text.size());
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

}  // namespace ringo::debug

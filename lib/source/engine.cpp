#include "source/engine.hpp"

#include <atomic>

namespace ringo::detail {
namespace {

std::atomic<std::uint64_t> generation{1};

}  // namespace

std::uint64_t engine_generation() noexcept {
  return generation.load();
}

void next_engine_generation() noexcept {
  generation.fetch_add(1);
}

std::unique_ptr<engine> make_engine(engine_kind kind, std::error_code& error) {
  return kind == engine_kind::io_uring ? make_ring_engine(error) : make_epoll_engine(error);
}

}  // namespace ringo::detail

#include "source/engine.hpp"

#include <atomic>
#include <ctime>

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

std::unique_ptr<engine> make_engine_patiently(engine_kind kind, std::error_code& error) {
  constexpr int tries_max = 50;
  for (int tries = 0;; ++tries) {
    auto made = make_engine(kind, error);
    if (made || error != std::errc::not_enough_memory || tries == tries_max) return made;
    const std::timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
}

}  // namespace ringo::detail

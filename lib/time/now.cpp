#include <ringo/time/now.hpp>

namespace ringo {

std::chrono::steady_clock::time_point now() noexcept {
  return std::chrono::steady_clock::now();
}

}  // namespace ringo

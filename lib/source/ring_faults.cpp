#include "source/ring_faults.hpp"

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "source/ring_queues.hpp"

namespace ringo::detail {

int ring_faults::enter_error() noexcept {
  constexpr std::array<int, 3> errors{ENOMEM, EAGAIN, EBUSY};
  return strikes(owner_, plan_.enter_fails) ? errors[owner_.below(errors.size())] : 0;
}

std::int32_t ring_faults::refusal() noexcept {
  constexpr std::array<std::int32_t, 5> errors{-EINTR, -EAGAIN, -ECANCELED, -ENOBUFS, -ENOMEM};
  return strikes(owner_, plan_.refused) ? errors[owner_.below(errors.size())] : 0;
}

std::uint32_t ring_faults::shortened(std::uint32_t length) noexcept {
  if (length < plan_.shortened_from || !strikes(owner_, plan_.shortened)) return length;
  return 1 + owner_.below(length - 1);
}

unsigned ring_faults::disturb(ring_completion* batch, unsigned count, unsigned max) noexcept {
  // relaxed: whoever has the try-lock changes it
  unsigned kept = kept_count_.load(std::memory_order_relaxed);
  unsigned given = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (kept < kept_max && strikes(reaper_, plan_.late)) {
      kept_[kept++] = {batch[i].id, batch[i].result};
    } else {
      batch[given++] = batch[i];
    }
  }
  for (unsigned i = 0; i < kept && given < max;) {
    if (reaper_.below(2) == 0) {
      ++i;
      continue;
    }
    batch[given++] = {kept_[i].id, kept_[i].result};
    kept_[i] = kept_[--kept];
  }
  for (unsigned i = given; i > 1; --i) std::swap(batch[i - 1], batch[reaper_.below(i)]);
  kept_count_.store(kept);
  return given;
}

const ring_fault_plan* faults_from_environment([[maybe_unused]] ring_fault_plan& room) noexcept {
#if !defined(NDEBUG) || defined(RINGO_ASSERTIONS)
  static std::atomic<std::uint64_t> rings{0};
  const char* text = std::getenv("RINGO_TEST_FAULTS");  // NOLINT(concurrency-mt-unsafe)
  if (text != nullptr && *text != '\0') {
    const std::uint64_t seed = std::strtoull(text, nullptr, 0);
    room = {.seed = seed + rings.fetch_add(1),
            .shortened = 64,
            .shortened_from = 256,  // the tests' small messages come whole
            .refused = 16,
            .enter_fails = 16,
            .late = 32,
            .tiny = seed % 4 == 1,
            .old_kernel = seed % 4 == 2};
    return &room;
  }
#endif
  return nullptr;
}

}  // namespace ringo::detail

#pragma once

#include <cstdint>
#include <type_traits>

#include <ringo/detail/cancellable.hpp>

namespace ringo::detail {
class descriptor;
}

namespace ringo::io::detail {

/// One end of a copy, if it is a descriptor and nothing besides.
struct kernel_end {
  ringo::detail::descriptor* number = nullptr;  ///< null: a nil handle, or one of packets
  std::uint64_t* left = nullptr;  ///< how much may still be read; null: there is no limit
};

/// Tells the descriptor of a stream, by `static kernel_end of(T&)`. Specialised for handles
/// themselves. What only derives from one, or holds one, may read and write in its own way.
template <typename T>
struct kernel_access;

template <typename T>
concept has_kernel_access = requires(T& stream) {
  kernel_access<std::remove_cv_t<T>>::of(stream);
};

/// Both ends of a copy, and who calls it off. Valid as long as the handles and the context.
struct kernel_pair {
  kernel_end to;
  kernel_end from;
  ringo::detail::cancellation* stop = nullptr;
};

template <typename W, typename R>
kernel_pair kernel_pair_of(W& to, R& from, ringo::detail::cancellation* stop) {
  return {kernel_access<std::remove_cv_t<W>>::of(to),
          kernel_access<std::remove_cv_t<R>>::of(from),
          stop};
}

}  // namespace ringo::io::detail

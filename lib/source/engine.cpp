#include "source/engine.hpp"

namespace ringo::detail {

std::unique_ptr<engine> make_engine(engine_kind kind, std::error_code& error) {
  return kind == engine_kind::io_uring ? make_ring_engine(error) : make_epoll_engine(error);
}

}  // namespace ringo::detail

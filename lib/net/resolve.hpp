#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <ringo/context.hpp>
#include <ringo/net/endpoint.hpp>
#include <ringo/result.hpp>

namespace ringo::net {

class resolver;

namespace detail {

/// What a host is wanted for.
enum class host_use : std::uint8_t {
  dialling,  ///< none is this machine; all that there are, the best first
  listening  ///< none is every address; only one, an IPv4 one if there is any
};

/// The addresses that "host:port" stands for, of IP version 4, 6 or either (0). A name is looked
/// up by `names`, null: the one that all share, which blocks. Errors: those of split_host_port()
/// and of the look-up; std::errc::invalid_argument for a port;
/// std::errc::address_family_not_supported; ctx.err().
result<std::vector<endpoint>> resolve(const context& ctx,
                                      int version,
                                      std::string_view address,
                                      host_use use,
                                      const resolver* names = nullptr);

}  // namespace detail
}  // namespace ringo::net

#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <ringo/net/endpoint.hpp>

namespace ringo::net::detail {

/// What resolv.conf(5) says, of what a resolver needs. Immutable once read.
struct resolv_conf {
  std::vector<endpoint> servers;    ///< the first three; those of this machine when there are none
  std::vector<std::string> search;  ///< suffixes with a dot at the end
  std::size_t ndots = 1;
  std::chrono::seconds timeout{5};  ///< for an answer of one server
  int attempts = 2;                 ///< rounds through the servers
  bool rotate = false;              ///< begin with another server each time
  bool tcp = false;                 ///< no UDP

  static constexpr std::chrono::seconds timeout_max{30};
  static constexpr int attempts_max = 10;

  /// What does not make sense is passed over. `host_name` of this machine: without a search list,
  /// what follows its first dot is searched.
  static resolv_conf parse(std::string_view text, std::string_view host_name);
};

}  // namespace ringo::net::detail

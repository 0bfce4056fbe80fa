#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <ringo/net/address.hpp>

namespace ringo::net::detail {

/// What hosts(5) says: names that need no server. Immutable once read.
class hosts_file {
 public:
  hosts_file() = default;
  /// Lines that make no sense are passed over.
  explicit hosts_file(std::string_view text);

  /// The addresses of `name` in the order of the file; none: it is not there. Neither case nor a
  /// dot at the end matters.
  std::vector<address> find(std::string_view name) const;

 private:
  std::unordered_map<std::string, std::vector<address>> addresses_;
};

}  // namespace ringo::net::detail

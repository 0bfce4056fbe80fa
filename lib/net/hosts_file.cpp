#include "net/hosts_file.hpp"

#include <cstddef>

#include "net/config_lines.hpp"
#include "net/domain_name.hpp"

namespace ringo::net::detail {
namespace {

std::string key_of(std::string_view name) {
  if (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  return lower_case(name);
}

}  // namespace

hosts_file::hosts_file(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const auto words = words_of(line.substr(0, line.find('#')));
    if (words.size() < 2) continue;
    const auto of = address::parse(words.front());
    if (!of) continue;
    for (std::size_t i = 1; i < words.size(); ++i) addresses_[key_of(words[i])].push_back(*of);
  }
}

std::vector<address> hosts_file::find(std::string_view name) const {
  const auto at = addresses_.find(key_of(name));
  return at != addresses_.end() ? at->second : std::vector<address>();
}

}  // namespace ringo::net::detail

#include "net/resolv_conf.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "net/config_lines.hpp"

namespace ringo::net::detail {
namespace {

constexpr std::uint16_t domain_port = 53;
constexpr std::size_t servers_max = 3;  // of resolv.conf(5)
constexpr int ndots_max = 15;

void add_suffix(std::vector<std::string>& search, std::string_view suffix) {
  if (suffix.empty() || suffix == ".") return;
  search.emplace_back(suffix);
  if (!search.back().ends_with('.')) search.back() += '.';
}

/// The number of an option "name:number" within its limits.
int number_of(std::string_view digits, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::result_out_of_range) number = most;
  return static_cast<int>(std::clamp(number, least, most));
}

void apply_option(resolv_conf& conf, std::string_view option) {
  const std::size_t colon = option.find(':');
  const std::string_view name = option.substr(0, colon);
  const std::string_view digits =
      colon == std::string_view::npos ? std::string_view() : option.substr(colon + 1);
  if (name == "ndots") {
    conf.ndots = static_cast<std::size_t>(number_of(digits, 0, ndots_max));
  } else if (name == "timeout") {
    conf.timeout = std::chrono::seconds(number_of(digits, 1, resolv_conf::timeout_max.count()));
  } else if (name == "attempts") {
    conf.attempts = number_of(digits, 1, resolv_conf::attempts_max);
  } else if (name == "rotate") {
    conf.rotate = true;
  } else if (name == "use-vc" || name == "usevc" || name == "tcp") {
    conf.tcp = true;
  }
}

void apply_line(resolv_conf& conf, const std::vector<std::string_view>& words) {
  const std::string_view key = words.front();
  if (key == "nameserver" && words.size() > 1) {
    const auto server = address::parse(words[1]);
    if (server && conf.servers.size() < servers_max)
      conf.servers.emplace_back(*server, domain_port);
  } else if (key == "domain" && words.size() > 1) {
    conf.search.clear();
    add_suffix(conf.search, words[1]);
  } else if (key == "search") {
    conf.search.clear();
    for (std::size_t i = 1; i < words.size(); ++i) add_suffix(conf.search, words[i]);
  } else if (key == "options") {
    for (std::size_t i = 1; i < words.size(); ++i) apply_option(conf, words[i]);
  }
}

}  // namespace

resolv_conf resolv_conf::parse(std::string_view text, std::string_view host_name) {
  resolv_conf conf;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with(';') || line.starts_with('#')) continue;
    const auto words = words_of(line);
    if (!words.empty()) apply_line(conf, words);
  }
  if (conf.servers.empty()) {
    conf.servers = {endpoint(address::from_v4({127, 0, 0, 1}), domain_port),
                    endpoint(address::parse("::1").value(), domain_port)};
  }
  if (conf.search.empty()) {
    const std::size_t dot = host_name.find('.');
    if (dot != std::string_view::npos) add_suffix(conf.search, host_name.substr(dot + 1));
  }
  return conf;
}

}  // namespace ringo::net::detail

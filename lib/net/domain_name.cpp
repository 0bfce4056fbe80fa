#include "net/domain_name.hpp"

#include <algorithm>

namespace ringo::net::detail {
namespace {

constexpr std::size_t name_max = 254;  // with the dot at its end
constexpr std::size_t label_max = 63;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= label_max && !label.starts_with('-') &&
         !label.ends_with('-') && std::all_of(label.begin(), label.end(), [](char c) {
           return is_digit(c) || is_letter(c) || c == '-';
         });
}

}  // namespace

bool is_domain_name(std::string_view name) {
  if (name == ".") return true;
  const bool absolute = name.ends_with('.');
  if (name.size() > name_max || (name.size() == name_max && !absolute)) return false;
  if (absolute) name.remove_suffix(1);
  if (std::all_of(name.begin(), name.end(), [](char c) { return is_digit(c) || c == '.'; })) {
    return false;
  }
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

std::string lower_case(std::string_view name) {
  std::string lowered(name);
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lowered;
}

bool is_localhost(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name == "localhost" || name.ends_with(".localhost");
}

std::vector<std::string> names_to_try(std::string_view name,
                                      const std::vector<std::string>& search,
                                      std::size_t ndots) {
  std::vector<std::string> names;
  const auto add = [&names](std::string absolute) {
    if (absolute.size() > name_max || lower_case(absolute).ends_with(".onion.")) return;
    names.push_back(std::move(absolute));
  };
  if (name.ends_with('.')) {
    add(std::string(name));
    return names;
  }
  const std::string as_it_is = std::string(name) + ".";
  const auto dots = static_cast<std::size_t>(std::count(name.begin(), name.end(), '.'));
  if (dots >= ndots) add(as_it_is);
  for (const auto& suffix : search) add(as_it_is + suffix);
  if (dots < ndots) add(as_it_is);
  return names;
}

}  // namespace ringo::net::detail

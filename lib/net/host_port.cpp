#include <ringo/net/host_port.hpp>

#include <cstddef>

namespace ringo::net {
namespace {

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "ringo.net.address"; }

  std::string message(int code) const override {
    switch (static_cast<address_errc>(code)) {
      case address_errc::missing_port: return "missing port in address";
      case address_errc::too_many_colons: return "too many colons in address";
      case address_errc::missing_bracket: return "missing ']' in address";
      case address_errc::unexpected_bracket: return "unexpected bracket in address";
    }
    return "unknown address error";
  }

  std::error_condition default_error_condition(int /*code*/) const noexcept override {
    return std::errc::invalid_argument;
  }
};

constexpr std::size_t nowhere = std::string_view::npos;

/// "[host]:port".
result<host_port> split_bracketed(std::string_view text) {
  const std::size_t end = text.find(']');
  if (end == nowhere) return address_errc::missing_bracket;
  const std::string_view host = text.substr(1, end - 1);
  std::string_view rest = text.substr(end + 1);
  if (!rest.starts_with(':')) return address_errc::missing_port;
  rest.remove_prefix(1);
  if (rest.find(':') != nowhere) return address_errc::too_many_colons;
  if (host.find('[') != nowhere || rest.find_first_of("[]") != nowhere) {
    return address_errc::unexpected_bracket;
  }
  return host_port{std::string(host), std::string(rest)};
}

}  // namespace

const std::error_category& address_category() noexcept {
  // Never destroyed: an error may be compared while static destructors run.
  static const auto& instance = *new category;
  return instance;
}

result<host_port> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == nowhere) return address_errc::missing_port;
  if (text.front() == '[') return split_bracketed(text);
  const std::string_view host = text.substr(0, colon);
  if (host.find(':') != nowhere) return address_errc::too_many_colons;
  if (text.find_first_of("[]") != nowhere) return address_errc::unexpected_bracket;
  return host_port{std::string(host), std::string(text.substr(colon + 1))};
}

std::string join_host_port(std::string_view host, std::string_view port) {
  const bool bracketed = host.find(':') != nowhere;
  std::string text;
  if (bracketed) text += '[';
  text += host;
  if (bracketed) text += ']';
  text += ':';
  text += port;
  return text;
}

}  // namespace ringo::net

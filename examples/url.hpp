#pragma once

// What programs must know of the addresses of pages: RFC 3986, as far as HTTP needs it.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <ringo/net.hpp>

namespace web {

/// What another trial would not mend.
struct hopeless : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// For https://x:8443/y?z these are https://x:8443, x:8443, x, x:8443 and /y?z.
struct url {
  std::string origin, authority, host, address, target;

  bool is_secure() const { return origin.starts_with("https:"); }
};

/// Throws hopeless.
inline url parse_url(const std::string& text) {
  const auto breaks_line = [](unsigned char c) { return c <= ' ' || c == 127; };
  const std::size_t colon = std::min(text.find("://"), text.size());
  const std::size_t begin = std::min(colon + 3, text.size());
  const std::size_t path = std::min(text.find_first_of("/?#", begin), text.size());
  url made;
  made.origin = text.substr(0, path);
  made.authority = text.substr(begin, path - begin);
  const bool plain = made.origin == "http://" + made.authority;
  if ((!plain && made.origin != "https://" + made.authority) ||
      made.authority.find('@') != std::string::npos ||
      std::any_of(text.begin(), text.end(), breaks_line)) {
    throw hopeless("not a URL of http or https");
  }
  auto at = ringo::net::split_host_port(made.authority);
  if (!at) at = ringo::net::split_host_port(made.authority + (plain ? ":80" : ":443"));
  if (!at || at->host.empty() || at->port.empty()) throw hopeless("a URL without a host");
  made.host = at->host;
  made.address = ringo::net::join_host_port(at->host, at->port);
  made.target = text.substr(path, text.find('#', path) - path);
  if (!made.target.starts_with("/")) made.target.insert(0, "/");
  return made;
}

/// Where a redirection leads. Throws hopeless, also rather than leave TLS.
inline url follow(const url& from, const std::string& to) {
  if (to.find("://") < to.find_first_of("/?#")) {
    url next = parse_url(to);
    if (from.is_secure() && !next.is_secure()) throw hopeless("leads away from https");
    return next;
  }
  if (to.starts_with("//")) return parse_url(from.origin.substr(0, from.origin.find('/')) + to);
  if (to.starts_with("/")) return parse_url(from.origin + to);
  const std::string path = from.target.substr(0, from.target.find('?'));
  if (to.starts_with("?")) return parse_url(from.origin + path + to);
  const std::size_t end = std::min(to.find_first_of("?#"), to.size());
  const std::string joined = path.substr(0, path.rfind('/') + 1) + to.substr(0, end);
  const auto direct = std::filesystem::path(joined).lexically_normal();  // without "." and ".."
  return parse_url(from.origin + direct.string() + to.substr(end));
}

}  // namespace web

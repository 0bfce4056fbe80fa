#include "io/describe_socket.hpp"

#include <array>
#include <cstddef>
#include <cstdio>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace ringo::detail {
namespace {

/// Empty: nothing that could be shown.
void show(const sockaddr_storage& address, socklen_t length, char* text, std::size_t size) {
  std::array<char, INET6_ADDRSTRLEN> host{};
  text[0] = '\0';
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &in.sin_addr, host.data(), host.size());
    std::snprintf(text, size, "%s:%d", host.data(), int{ntohs(in.sin_port)});
  } else if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &in.sin6_addr, host.data(), host.size());
    std::snprintf(text, size, "[%s]:%d", host.data(), int{ntohs(in.sin6_port)});
  } else if (address.ss_family == AF_UNIX && length > offsetof(sockaddr_un, sun_path)) {
    const auto& in = reinterpret_cast<const sockaddr_un&>(address);
    const int path = static_cast<int>(length - offsetof(sockaddr_un, sun_path));
    const bool is_abstract = in.sun_path[0] == '\0';
    std::snprintf(text,
                  size,
                  "%s%.*s",
                  is_abstract ? "@" : "",
                  is_abstract ? path - 1 : path,
                  in.sun_path + (is_abstract ? 1 : 0));
  }
}

}  // namespace

void describe_socket(int fd, char* text, std::size_t size) noexcept {
  text[0] = '\0';
  for (auto* const ask : {&::getpeername, &::getsockname}) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (ask(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) continue;
    show(address, length, text, size);
    if (text[0] != '\0') return;
  }
  std::snprintf(text, size, "fd %d", fd);
}

}  // namespace ringo::detail

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringo::debug::detail {

/// The part of an HTTP/1 request that the page looks at.
struct http_request {
  std::string_view head;  // all of it
  std::string_view method;
  std::string_view path;   // without the query
  std::string_view query;  // without the '?'

  /// Of the head up to the first empty line. Nothing: it is none.
  static std::optional<http_request> parse(std::string_view head) noexcept;

  /// A number in the query; nothing if it is not there, or none in [least, most].
  std::optional<unsigned> number(std::string_view key,
                                 unsigned least,
                                 unsigned most) const noexcept;
  bool has(std::string_view key) const noexcept;
  /// The first header of that name, without blanks around it; empty if there is none.
  std::string_view header(std::string_view name) const noexcept;

 private:
  std::optional<std::string_view> value(std::string_view key) const noexcept;
};

struct http_answer {
  int status = 200;
  std::string_view type = "text/plain; charset=utf-8";
  std::string_view more_headers = {};  // each with its line end
  std::string body = {};
};

/// What stands ahead of the body.
std::string head_of(const http_answer& answer);

}  // namespace ringo::debug::detail

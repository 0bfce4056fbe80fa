#include "debug/http_request.hpp"

#include <algorithm>
#include <charconv>

namespace ringo::debug::detail {
namespace {

std::string_view cut(std::string_view& rest, char at) noexcept {
  const auto end = rest.find(at);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

bool is_token(std::string_view text) noexcept {
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7F) return false;
  }
  return !text.empty();
}

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r';
}

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool are_equal_names(std::string_view a, std::string_view b) noexcept {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

const char* phrase_of(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 431: return "Request Header Fields Too Large";
    default: return "Internal Server Error";
  }
}

}  // namespace

std::optional<http_request> http_request::parse(std::string_view head) noexcept {
  std::string_view line = head.substr(0, head.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  http_request request;
  request.head = head;
  request.method = cut(line, ' ');
  std::string_view target = cut(line, ' ');
  if (!is_token(request.method) || !is_token(target) || !target.starts_with('/')) return {};
  if (line != "HTTP/1.1" && line != "HTTP/1.0") return {};
  request.path = cut(target, '?');
  request.query = target;
  return request;
}

std::optional<std::string_view> http_request::value(std::string_view key) const noexcept {
  for (std::string_view rest = query; !rest.empty();) {
    std::string_view pair = cut(rest, '&');
    if (cut(pair, '=') == key) return pair;
  }
  return {};
}

bool http_request::has(std::string_view key) const noexcept {
  return value(key).has_value();
}

std::optional<unsigned> http_request::number(std::string_view key,
                                             unsigned least,
                                             unsigned most) const noexcept {
  const auto text = value(key);
  if (!text) return {};
  unsigned number = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc{} || stop != end || number < least || number > most) return {};
  return number;
}

std::string_view http_request::header(std::string_view name) const noexcept {
  std::string_view rest = head;
  cut(rest, '\n');
  while (!rest.empty()) {
    std::string_view value = cut(rest, '\n');
    if (!are_equal_names(cut(value, ':'), name)) continue;
    while (!value.empty() && is_blank(value.front())) value.remove_prefix(1);
    while (!value.empty() && is_blank(value.back())) value.remove_suffix(1);
    return value;
  }
  return {};
}

std::string head_of(const http_answer& answer) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + phrase_of(answer.status);
  text += "\r\nContent-Type: ";
  text += answer.type;
  text += "\r\nContent-Length: " + std::to_string(answer.body.size());
  text += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  text += "Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n";
  text += answer.more_headers;
  text += "\r\n";
  return text;
}

}  // namespace ringo::debug::detail

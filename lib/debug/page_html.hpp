#pragma once

#include <string_view>

namespace ringo::debug::detail {

/// The page for people. It fetches what it shows from `/metrics` and `/fibers`, and shows it as
/// text.
extern const std::string_view page_html;

}  // namespace ringo::debug::detail

#pragma once

#include <string>

namespace ringo::debug {

/// stats() in the text format 0.0.4 that Prometheus reads: `ringo_fibers{state="parked"} 12` and so
/// on, each with its HELP and TYPE. Outside run() every number is 0, but for those of stacks.
///
/// Never blocks. May throw std::bad_alloc. Any fiber or thread. O(threads).
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
std::string prometheus();

}  // namespace ringo::debug

#pragma once

// Everything in ringo::debug: how a program looks into its own runtime.

#include <ringo/debug/dump.hpp>
#include <ringo/debug/leaks.hpp>
#include <ringo/debug/metrics.hpp>
#include <ringo/debug/serve.hpp>
#include <ringo/debug/trace.hpp>

#pragma once

// Everything in ringo::debug: how a program looks into its own runtime.

#include <ringo/debug/dump.hpp>
#include <ringo/debug/leaks.hpp>

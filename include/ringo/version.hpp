#pragma once

/// ringo's version, as three numbers. Before 1.0 a minor version may break.

// CMake reads the version from these three lines.
#define RINGO_VERSION_MAJOR 0
#define RINGO_VERSION_MINOR 1
#define RINGO_VERSION_PATCH 0

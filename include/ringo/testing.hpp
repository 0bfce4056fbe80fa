#pragma once

/// Tools for tests of concurrent programs: virtual time and explored schedules.
#include <ringo/testing/bubble.hpp>
#include <ringo/testing/explore.hpp>

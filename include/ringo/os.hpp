#pragma once

/// What the operating system tells a process, and the processes it starts.
#include <ringo/os/process.hpp>
#include <ringo/os/run_process.hpp>
#include <ringo/os/signal.hpp>

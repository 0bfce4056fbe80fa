#pragma once

/// All of ringo's core.

#include <ringo/blocking.hpp>
#include <ringo/chan.hpp>
#include <ringo/context.hpp>
#include <ringo/defer.hpp>
#include <ringo/error.hpp>
#include <ringo/fiber_local.hpp>
#include <ringo/go.hpp>
#include <ringo/group/singleflight.hpp>
#include <ringo/group/task_group.hpp>
#include <ringo/result.hpp>
#include <ringo/runtime.hpp>
#include <ringo/select.hpp>
#include <ringo/sync/condition_variable.hpp>
#include <ringo/sync/mutex.hpp>
#include <ringo/sync/once.hpp>
#include <ringo/sync/once_func.hpp>
#include <ringo/sync/pool.hpp>
#include <ringo/sync/semaphore.hpp>
#include <ringo/sync/shared_mutex.hpp>
#include <ringo/sync/wait_group.hpp>
#include <ringo/task.hpp>
#include <ringo/thread_pin.hpp>
#include <ringo/time/after.hpp>
#include <ringo/time/now.hpp>
#include <ringo/time/ticker.hpp>
#include <ringo/time/timer.hpp>
#include <ringo/version.hpp>

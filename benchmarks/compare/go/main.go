// The suite's workloads in Go. The other rivals do the same work in functions of the same names.

// By go.mod's version timers would follow the rules before Go 1.23, and unread ones be in the heap.
//go:debug asynctimerchan=0

package main

import "runtime"

const semaphoreNote = "a buffered channel"

var workloads = []workload{
	{name: "spawn_join", maxN: 300_000, step: 1, run: spawnJoin},
	{name: "spawn_many", maxN: 1_000_000, step: 1, run: spawnMany},
	{name: "parked_million", rows: parkedMillion},
	{name: "yield", maxN: 4_000_000, step: 2, run: yield},
	{name: "chan_pingpong", maxN: 10_000_000, step: 1, run: chanPingpong},
	{name: "chan_stream/cap:0", maxN: 50_000_000, step: 1, run: chanStream(0)},
	{name: "chan_stream/cap:1", maxN: 50_000_000, step: 1, run: chanStream(1)},
	{name: "chan_stream/cap:128", maxN: 50_000_000, step: 1, run: chanStream(128)},
	{name: "chan_mpmc8x8/cap:0", maxN: 50_000_000, step: 8, run: chanMpmc(0)},
	{name: "chan_mpmc8x8/cap:128", maxN: 50_000_000, step: 8, run: chanMpmc(128)},
	{name: "select_default", maxN: 200_000_000, step: 1, run: selectDefault},
	{name: "select_2_parked", maxN: 10_000_000, step: 2, run: select2Parked},
	{name: "select_8_fanin", maxN: 10_000_000, step: 8, run: select8Fanin},
	{name: "mutex_uncontended", maxN: 200_000_000, step: 1, run: mutexUncontended},
	{name: "mutex_contended64", maxN: 200_000_000, step: 64, run: mutexContended64},
	{name: "shared_mutex_read", maxN: 200_000_000, step: 1, run: sharedMutexRead},
	{name: "shared_mutex_mixed8", maxN: 200_000_000, step: 8, run: sharedMutex(8, 16, func() {})},
	{name: "shared_mutex_contended64", maxN: 200_000_000, step: 64, run: sharedMutex(64, 4, runtime.Gosched)},
	{name: "cond_pingpong", maxN: 10_000_000, step: 1, run: condPingpong},
	{name: "cond_broadcast64", maxN: 10_000_000, step: 64, run: condBroadcast64},
	{name: "semaphore_uncontended", maxN: 200_000_000, step: 1, run: semaphoreUncontended,
		note: semaphoreNote},
	{name: "semaphore_contended64", maxN: 200_000_000, step: 64, run: semaphoreContended64,
		note: semaphoreNote},
	{name: "timer_stop", maxN: 10_000_000, step: 1, run: timerStop},
	{name: "timer_stop/after_func", maxN: 10_000_000, step: 1, run: timerStopAfterFunc},
	{name: "sleep_100k_1ms", maxN: 1_000_000, step: 100_000, run: sleep100k},
	{name: "ctx_with_cancel", maxN: 10_000_000, step: 1, run: ctxWithCancel},
	{name: "ctx_with_timeout", maxN: 10_000_000, step: 1, run: ctxWithTimeout},
	{name: "sieve_1500", maxN: 20, step: 1, run: sieve1500},
	{name: "skynet_1m", maxN: 1_000_000, step: 1_000_000, run: skynet1m},
	{name: "fanout_fib27x256", maxN: 10, step: 1, run: fanoutFib},
	{name: "hog_p99", rows: hogs},
	{name: "idle", rows: idle},
	{name: "read_4k/cached", maxN: 10_000_000, step: 1, needsFile: true, run: readBlocks(1, false)},
	{name: "read_4k/cold", maxN: 16_384, step: 64, needsFile: true, run: readBlocks(64, true)},
}

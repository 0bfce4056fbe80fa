// The suite's workloads in Go. The other rivals do the same work in functions of the same names.

package main

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
	{name: "sieve_1500", maxN: 20, step: 1, run: sieve1500},
	{name: "skynet_1m", maxN: 1_000_000, step: 1_000_000, run: skynet1m},
	{name: "fanout_fib27x256", maxN: 10, step: 1, run: fanoutFib},
	{name: "idle", rows: idle},
}

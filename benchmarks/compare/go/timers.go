package main

import (
	"sync"
	"time"
)

// An unread timer stays out of the heap (see main.go).
func timerStop(n int) time.Duration {
	stopped := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		if time.NewTimer(time.Hour).Stop() {
			stopped++
		}
	}
	took := time.Since(start)
	must(stopped == n, "timer_stop")
	return took
}

// A timer with a function is always in the heap.
func timerStopAfterFunc(n int) time.Duration {
	stopped := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		if time.AfterFunc(time.Hour, func() {}).Stop() {
			stopped++
		}
	}
	took := time.Since(start)
	must(stopped == n, "timer_stop/after_func")
	return took
}

// A hundred thousand at a time; one operation is one of them, from its start to its end.
func sleep100k(n int) time.Duration {
	const sleepers = 100_000
	start := time.Now()
	for round := 0; round < n/sleepers; round++ {
		var wg sync.WaitGroup
		wg.Add(sleepers)
		for i := 0; i < sleepers; i++ {
			go func() {
				time.Sleep(time.Millisecond)
				wg.Done()
			}()
		}
		wg.Wait()
	}
	return time.Since(start)
}

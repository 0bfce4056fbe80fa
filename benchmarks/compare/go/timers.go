package main

import (
	"fmt"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
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

// Ticks beside goroutines that hold every processor: hold until over. Tick i is due i ms after the
// start, whatever became of those before.
func hog(name string, hold func(over *atomic.Bool)) {
	const ticks = 1000
	lateness := make([]time.Duration, 0, ticks)
	var over atomic.Bool
	var hogs sync.WaitGroup
	for i := 0; i < runtime.GOMAXPROCS(0); i++ {
		hogs.Add(1)
		go func() {
			hold(&over)
			hogs.Done()
		}()
	}
	done := make(chan bool)
	go func() {
		start := time.Now()
		for i := 1; i <= ticks; i++ {
			due := start.Add(time.Duration(i) * time.Millisecond)
			time.Sleep(time.Until(due))
			lateness = append(lateness, time.Since(due))
		}
		over.Store(true)
		done <- true
	}()
	<-done
	hogs.Wait()
	sort.Slice(lateness, func(i, j int) bool { return lateness[i] < lateness[j] })
	printRow(name, float64(lateness[ticks*99/100]), fmt.Sprintf("n=%d", ticks))
}

func hogs() {
	hog("hog_p99/compute", func(over *atomic.Bool) {
		for !over.Load() {
		}
	})
	hog("hog_p99/read", func(over *atomic.Bool) {
		var ends [2]int
		must(syscall.Pipe2(ends[:], syscall.O_CLOEXEC) == nil, "pipe2")
		go func() {
			for !over.Load() {
				time.Sleep(time.Millisecond)
			}
			syscall.Close(ends[1])
		}()
		n, err := syscall.Read(ends[0], make([]byte, 1))
		must(n == 0 && err == nil, "read")
		syscall.Close(ends[0])
	})
}

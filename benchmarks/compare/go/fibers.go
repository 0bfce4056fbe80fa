package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

func spawnJoin(n int) time.Duration {
	done := make(chan struct{})
	start := time.Now()
	for i := 0; i < n; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
	return time.Since(start)
}

func spawnMany(n int) time.Duration {
	var wg sync.WaitGroup
	start := time.Now()
	wg.Add(n)
	for i := 0; i < n; i++ {
		go wg.Done()
	}
	wg.Wait()
	return time.Since(start)
}

// Spawns n goroutines that say ready and park on one channel; returns once all have been there.
func parkOn(ch chan struct{}, n int, ended *sync.WaitGroup) {
	var ready sync.WaitGroup
	ready.Add(n)
	ended.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			ready.Done()
			<-ch
			ended.Done()
		}()
	}
	ready.Wait()
	// The last may be between its Done and its receive.
	for i := 0; i < 10; i++ {
		runtime.Gosched()
	}
}

func parkBystanders(n int) chan struct{} {
	ch := make(chan struct{})
	parkOn(ch, n, new(sync.WaitGroup))
	return ch
}

func parkAndWake(n int, inTheMiddle func()) (spawn, wake time.Duration) {
	var ended sync.WaitGroup
	ch := make(chan struct{})
	start := time.Now()
	parkOn(ch, n, &ended)
	spawn = time.Since(start)
	inTheMiddle()
	start = time.Now()
	close(ch)
	ended.Wait()
	return spawn, time.Since(start)
}

func parkedMillion() {
	n := 1_000_000
	if *size > 0 {
		n = *size
	}
	parkAndWake(1000, func() {})
	before, after := memory(), 0
	spawn, wake := parkAndWake(n, func() { after = memory() })
	field := fmt.Sprintf("n=%d", n)
	printRow("parked_million/spawn", float64(spawn)/float64(n), field)
	printRow("parked_million/wake", float64(wake)/float64(n), field)
	printRow("parked_million/bytes", float64(after-before)/float64(n), field, "unit=bytes")
}

func yield(n int) time.Duration {
	var wg sync.WaitGroup
	wg.Add(2)
	start := time.Now()
	for f := 0; f < 2; f++ {
		go func() {
			for i := 0; i < n/2; i++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	return time.Since(start)
}

func skynet(out chan<- int, first, leaves int) {
	if leaves == 1 {
		out <- first
		return
	}
	sums := make(chan int)
	for i := 0; i < 10; i++ {
		go skynet(sums, first+i*(leaves/10), leaves/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	out <- sum
}

func skynet1m(n int) time.Duration {
	out := make(chan int)
	start := time.Now()
	go skynet(out, 0, n)
	sum := <-out
	took := time.Since(start)
	must(sum == n*(n-1)/2, "skynet_1m")
	return took
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func fanoutFib(n int) time.Duration {
	start := time.Now()
	for i := 0; i < n; i++ {
		var wg sync.WaitGroup
		var results [256]int
		wg.Add(256)
		for f := range results {
			result := &results[f]
			go func() {
				*result = fib(27)
				wg.Done()
			}()
		}
		wg.Wait()
		for _, result := range results {
			must(result == 196418, "fanout_fib27x256")
		}
	}
	return time.Since(start)
}

package main

import (
	"runtime"
	"sync"
	"time"
)

func mutexUncontended(n int) time.Duration {
	var mutex sync.Mutex
	count := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		mutex.Lock()
		count++
		mutex.Unlock()
	}
	took := time.Since(start)
	must(count == n, "mutex_uncontended")
	return took
}

func mutexContended64(n int) time.Duration {
	var mutex sync.Mutex
	var wg sync.WaitGroup
	count := 0
	wg.Add(64)
	start := time.Now()
	for f := 0; f < 64; f++ {
		go func() {
			for i := 0; i < n/64; i++ {
				mutex.Lock()
				count++
				mutex.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	took := time.Since(start)
	must(count == n, "mutex_contended64")
	return took
}

func sharedMutexRead(n int) time.Duration {
	var mutex sync.RWMutex
	count := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		mutex.RLock()
		count++
		mutex.RUnlock()
	}
	took := time.Since(start)
	must(count == n, "shared_mutex_read")
	return took
}

// So many goroutines lock in turn; each writes once in so many operations, and reads otherwise. Held over a
// yield, the lock is contended on one CPU too.
func sharedMutex(fibers, period int, hold func()) func(int) time.Duration {
	return func(n int) time.Duration {
		var mutex sync.RWMutex
		var wg sync.WaitGroup
		count := 0
		start := time.Now()
		wg.Add(fibers)
		for f := 0; f < fibers; f++ {
			go func() {
				for i := 0; i < n/fibers; i++ {
					if i%period == 0 {
						mutex.Lock()
						count++
						hold()
						mutex.Unlock()
					} else {
						mutex.RLock()
						hold()
						mutex.RUnlock()
					}
				}
				wg.Done()
			}()
		}
		wg.Wait()
		took := time.Since(start)
		each := n / fibers
		must(count == fibers*((each+period-1)/period), "shared_mutex")
		return took
	}
}

// One operation is one round trip: two goroutines take turns under one mutex and one condition.
func condPingpong(n int) time.Duration {
	var mutex sync.Mutex
	turned := sync.NewCond(&mutex)
	turn := 0
	play := func(me int) {
		for i := 0; i < n; i++ {
			mutex.Lock()
			for turn != me {
				turned.Wait()
			}
			turn = 1 - me
			turned.Signal()
			mutex.Unlock()
		}
	}
	var wg sync.WaitGroup
	wg.Add(1)
	start := time.Now()
	go func() {
		play(1)
		wg.Done()
	}()
	play(0)
	wg.Wait()
	return time.Since(start)
}

// One operation is one of 64 that are woken together, and wait again.
func condBroadcast64(n int) time.Duration {
	var mutex sync.Mutex
	next, all := sync.NewCond(&mutex), sync.NewCond(&mutex)
	round, waiting := 0, 0
	rounds := n / 64
	var wg sync.WaitGroup
	wg.Add(64)
	start := time.Now()
	for f := 0; f < 64; f++ {
		go func() {
			mutex.Lock()
			for seen := 0; seen < rounds; seen++ {
				if waiting++; waiting == 64 {
					all.Signal()
				}
				for round == seen {
					next.Wait()
				}
			}
			mutex.Unlock()
			wg.Done()
		}()
	}
	for i := 0; i < rounds; i++ {
		mutex.Lock()
		for waiting < 64 {
			all.Wait()
		}
		waiting = 0
		round++
		next.Broadcast()
		mutex.Unlock()
	}
	wg.Wait()
	return time.Since(start)
}

// The standard library has no semaphore: this is the idiom, a buffered channel.
func semaphoreUncontended(n int) time.Duration {
	tokens := make(chan struct{}, 8)
	start := time.Now()
	for i := 0; i < n; i++ {
		tokens <- struct{}{}
		<-tokens
	}
	return time.Since(start)
}

// 64 goroutines, 8 tokens, each held over a yield.
func semaphoreContended64(n int) time.Duration {
	tokens := make(chan struct{}, 8)
	var wg sync.WaitGroup
	wg.Add(64)
	start := time.Now()
	for f := 0; f < 64; f++ {
		go func() {
			for i := 0; i < n/64; i++ {
				tokens <- struct{}{}
				runtime.Gosched()
				<-tokens
			}
			wg.Done()
		}()
	}
	wg.Wait()
	return time.Since(start)
}

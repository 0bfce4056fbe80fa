package main

import (
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

package main

import (
	"sync"
	"time"
)

func chanPingpong(n int) time.Duration {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for v := range ping {
			pong <- v
		}
		close(pong)
	}()
	sum := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		ping <- i
		sum += <-pong
	}
	took := time.Since(start)
	close(ping)
	<-pong
	must(sum == n*(n-1)/2, "chan_pingpong")
	return took
}

func chanStream(capacity int) func(int) time.Duration {
	return func(n int) time.Duration {
		ch := make(chan int, capacity)
		sum := 0
		start := time.Now()
		go func() {
			for i := 0; i < n; i++ {
				ch <- i
			}
			close(ch)
		}()
		for v := range ch {
			sum += v
		}
		took := time.Since(start)
		must(sum == n*(n-1)/2, "chan_stream")
		return took
	}
}

func chanMpmc(capacity int) func(int) time.Duration {
	return func(n int) time.Duration {
		ch := make(chan int, capacity)
		sums := make(chan int, 8)
		var senders sync.WaitGroup
		senders.Add(8)
		start := time.Now()
		for f := 0; f < 8; f++ {
			go func() {
				for i := 0; i < n/8; i++ {
					ch <- i
				}
				senders.Done()
			}()
			go func() {
				sum := 0
				for v := range ch {
					sum += v
				}
				sums <- sum
			}()
		}
		senders.Wait()
		close(ch)
		sum := 0
		for f := 0; f < 8; f++ {
			sum += <-sums
		}
		took := time.Since(start)
		must(sum == 8*((n/8)*(n/8-1)/2), "chan_mpmc8x8")
		return took
	}
}

func generate(out chan<- int, done <-chan struct{}, wg *sync.WaitGroup) {
	defer wg.Done()
	for i := 2; ; i++ {
		select {
		case out <- i:
		case <-done:
			return
		}
	}
}

func filter(in <-chan int, out chan<- int, prime int, done <-chan struct{}, wg *sync.WaitGroup) {
	defer wg.Done()
	for {
		v := 0
		select {
		case v = <-in:
		case <-done:
			return
		}
		if v%prime == 0 {
			continue
		}
		select {
		case out <- v:
		case <-done:
			return
		}
	}
}

func sieve(primes int) int {
	var wg sync.WaitGroup
	done := make(chan struct{})
	ch := make(chan int)
	wg.Add(1 + primes)
	go generate(ch, done, &wg)
	prime := 0
	for i := 0; i < primes; i++ {
		prime = <-ch
		next := make(chan int)
		go filter(ch, next, prime, done, &wg)
		ch = next
	}
	close(done)
	wg.Wait()
	return prime
}

func sieve1500(n int) time.Duration {
	start := time.Now()
	for i := 0; i < n; i++ {
		must(sieve(1500) == 12553, "sieve_1500")
	}
	return time.Since(start)
}

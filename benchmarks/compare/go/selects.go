package main

import (
	"time"
)

func selectDefault(n int) time.Duration {
	ch := make(chan int)
	found := 0
	start := time.Now()
	for i := 0; i < n; i++ {
		select {
		case v := <-ch:
			found += v
		default:
		}
	}
	took := time.Since(start)
	must(found == 0, "select_default")
	return took
}

// Two goroutines wake each other; each then parks in a select over two channels. One operation is
// one select, with the send that ends it, so n operations are n/2 round trips.
func select2Parked(n int) time.Duration {
	a := [2]chan int{make(chan int), make(chan int)}
	b := [2]chan int{make(chan int), make(chan int)}
	go func() {
		for i := 0; i < n/2; i++ {
			v := 0
			select {
			case v = <-b[0]:
			case v = <-b[1]:
			}
			a[i&1] <- v
		}
	}()
	sum := 0
	start := time.Now()
	for i := 0; i < n/2; i++ {
		b[i&1] <- i
		select {
		case v := <-a[0]:
			sum += v
		case v := <-a[1]:
			sum += v
		}
	}
	took := time.Since(start)
	must(sum == (n/2)*(n/2-1)/2, "select_2_parked")
	return took
}

func select8Fanin(n int) time.Duration {
	var c [8]chan int
	for f := range c {
		c[f] = make(chan int)
	}
	sum := 0
	start := time.Now()
	for f := range c {
		ch := c[f]
		go func() {
			for i := 0; i < n/8; i++ {
				ch <- i
			}
		}()
	}
	for i := 0; i < n; i++ {
		v := 0
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		case v = <-c[3]:
		case v = <-c[4]:
		case v = <-c[5]:
		case v = <-c[6]:
		case v = <-c[7]:
		}
		sum += v
	}
	took := time.Since(start)
	must(sum == 8*((n/8)*(n/8-1)/2), "select_8_fanin")
	return took
}

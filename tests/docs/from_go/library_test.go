package main

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimer(t *testing.T) {
	// [timer]
	timer := time.NewTimer(time.Hour)
	timer.Reset(time.Nanosecond) // since Go 1.23 there is never an old value to drain
	<-timer.C
	// [timer]
	check(t, !timer.Stop())
}

func TestUnlock(t *testing.T) {
	var lock sync.Mutex
	count := 0
	func() {
		// [unlock]
		lock.Lock()
		defer lock.Unlock()
		count++
		// [unlock]
	}()
	check(t, lock.TryLock() && count == 1)
}

func TestWaitGroup(t *testing.T) {
	parts := []int{1, 2, 3}
	var results [3]int
	func() {
		// [group]
		var group sync.WaitGroup // lives as long as a goroutine uses it
		for i, part := range parts {
			group.Go(func() { results[i] = part * 2 })
		}
		group.Wait()
		// [group]
	}()
	check(t, results == [3]int{2, 4, 6})
}

func TestOnce(t *testing.T) {
	opened := 0
	open := func() {
		opened++
		panic(errors.New("no disk"))
	}
	attempt := func(f func()) (failed bool) {
		defer func() { failed = recover() != nil }()
		f()
		return
	}
	// [once]
	var once sync.Once
	first := attempt(func() { once.Do(open) })  // open panics
	second := attempt(func() { once.Do(open) }) // does nothing: the panic counts as done
	// [once]
	check(t, first && !second && opened == 1)
}

func TestTask(t *testing.T) {
	work := func() int { return 42 }
	// [task]
	result := make(chan int, 1)
	go func() { result <- work() }()
	answer := <-result
	// [task]
	check(t, answer == 42)
}

func TestBubble(t *testing.T) {
	// [bubble]
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		time.Sleep(time.Hour) // takes no time
		if time.Since(start) != time.Hour {
			t.Error("the clock is wrong")
		}
	})
	// [bubble]
}

package main

import (
	"context"
	"time"
)

// The root can be cancelled itself, so that each child enters and leaves its list.
func ctxWithCancel(n int) time.Duration {
	root, cancelRoot := context.WithCancel(context.Background())
	defer cancelRoot()
	start := time.Now()
	for i := 0; i < n; i++ {
		_, cancel := context.WithCancel(root)
		cancel()
	}
	return time.Since(start)
}

func ctxWithTimeout(n int) time.Duration {
	root, cancelRoot := context.WithCancel(context.Background())
	defer cancelRoot()
	start := time.Now()
	for i := 0; i < n; i++ {
		_, cancel := context.WithTimeout(root, time.Hour)
		cancel()
	}
	return time.Since(start)
}

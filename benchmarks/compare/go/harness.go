// Arguments, calibration, printing. Its twin is ../harness.hpp; the two must calibrate alike, or
// sizes, and with them cache misses, would differ between rivals.

package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// A workload either measures n operations (run), or prints rows of its own (rows).
type workload struct {
	name string
	// At most this many operations per round: the suite's table, or what memory allows.
	maxN int
	// The sizes allowed are multiples of this, e.g. the number of senders.
	step int
	// Does n operations and returns how long they took. What it sets up first is outside the
	// clock.
	run func(n int) time.Duration
	// For figures that are not a time per operation. Only when asked for by name: it needs a
	// clean process.
	rows func()
	// Printed with the row: where the work differs from the other rivals'.
	note string
	// Only where a file was named.
	needsFile bool
}

var (
	workers    = flag.Int("workers", 1, "GOMAXPROCS")
	only       = flag.String("only", "", "run the workloads whose name contains this")
	exact      = flag.String("exact", "", "run the workloads of these names, separated by commas")
	seconds    = flag.Float64("seconds", 0.35, "length of a measured round")
	bystanders = flag.Int("bystanders", 0, "goroutines parked meanwhile")
	size       = flag.Int("size", 0, "size of the rows that are not calibrated (parked_million, idle)")
	file       = flag.String("file", "", "read by read_4k: a power of two of 4 KiB blocks, each of which begins with its number")
	server     = flag.String("serve", "", "be a server, echo or http, on a port that is printed")
	list       = flag.Bool("list", false, "print the workloads and stop")
)

// Grows n until a run is long enough to tell its speed, then returns the size that fills a round.
func calibrate(w workload) int {
	target := time.Duration(*seconds * 1e9)
	n := w.step
	for {
		took := w.run(n)
		if took < time.Microsecond {
			took = time.Microsecond
		}
		growth := float64(target) / float64(took)
		if growth <= 8 || n >= w.maxN {
			return clamp(float64(n)*growth, w)
		}
		// Ten times at most: the first runs are cold and promise too little.
		if growth = growth / 6; growth > 10 {
			growth = 10
		}
		if growth < 2 {
			growth = 2
		}
		n = clamp(float64(n)*growth, w)
	}
}

func clamp(n float64, w workload) int {
	if n > float64(w.maxN) {
		n = float64(w.maxN)
	}
	steps := int(n) / w.step
	if steps < 1 {
		steps = 1
	}
	return steps * w.step
}

func printRow(name string, value float64, fields ...string) {
	fmt.Printf("%s\t%.4g", name, value)
	for _, field := range fields {
		fmt.Printf("\t%s", field)
	}
	fmt.Println()
}

func wanted(w workload) bool {
	if w.needsFile && *file == "" {
		return false
	}
	if *exact != "" {
		return strings.Contains(","+*exact+",", ","+w.name+",")
	}
	if w.rows != nil {
		return *only != "" && strings.Contains(w.name, *only)
	}
	return strings.Contains(w.name, *only)
}

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(*workers)
	if *list {
		for _, w := range workloads {
			fmt.Println(w.name)
		}
		return
	}
	if *server != "" {
		serve(*server)
	}
	release := parkBystanders(*bystanders)
	found := false
	for _, w := range workloads {
		if !wanted(w) {
			continue
		}
		found = true
		if w.rows != nil {
			w.rows()
			continue
		}
		n := calibrate(w)
		took := w.run(n)
		fields := []string{fmt.Sprintf("n=%d", n), fmt.Sprintf("ms=%d", took.Milliseconds())}
		if w.note != "" {
			fields = append(fields, "note="+w.note)
		}
		printRow(w.name, float64(took)/float64(n), fields...)
	}
	close(release)
	if !found {
		fmt.Fprintln(os.Stderr, "no workload of that name")
		os.Exit(1)
	}
}

func must(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "wrong result:", what)
		os.Exit(1)
	}
}

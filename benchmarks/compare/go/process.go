// What the process costs, from the system: memory, CPU time, wake-ups.

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Resident memory plus page tables, in bytes.
func memory() int {
	return 1024 * (status("/proc/self/status", "VmRSS:") + status("/proc/self/status", "VmPTE:"))
}

// The number after key in a /proc status file; 0 for a thread that is gone.
func status(path, key string) int {
	text, _ := os.ReadFile(path)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, key) {
			value, _ := strconv.Atoi(strings.Fields(line)[1])
			return value
		}
	}
	return 0
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func contextSwitches() int {
	tasks, _ := os.ReadDir("/proc/self/task")
	sum := 0
	for _, task := range tasks {
		path := "/proc/self/task/" + task.Name() + "/status"
		sum += status(path, "voluntary_ctxt_switches:") + status(path, "nonvoluntary_ctxt_switches:")
	}
	return sum
}

// The reading of /proc is outside the CPU figure; the sleeper's own wake-up is inside both.
func idle() {
	n := 10_000
	if *size > 0 {
		n = *size
	}
	release := parkBystanders(n)
	time.Sleep(200 * time.Millisecond)
	switches, cpu, start := contextSwitches(), cpuTime(), time.Now()
	time.Sleep(time.Second)
	took := time.Since(start).Seconds()
	cpu = cpuTime() - cpu
	switches = contextSwitches() - switches
	close(release)
	field := fmt.Sprintf("n=%d", n)
	printRow("idle/cpu", 100*cpu.Seconds()/took, field, "unit=%")
	printRow("idle/wakeups", float64(switches)/took, field, "unit=1/s")
}

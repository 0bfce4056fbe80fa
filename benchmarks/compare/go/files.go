package main

import (
	"encoding/binary"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	blockSize = 4096
	// POSIX_FADV_*, which package syscall does not name.
	adviseRandom   = 1
	adviseDontNeed = 4
)

// Reads n blocks of the file in a scattered order. Up to their number, a power of two, each is read
// once: what was cold stays so.
func readBlocks(readers int, cold bool) func(n int) time.Duration {
	return func(n int) time.Duration {
		f, err := os.Open(*file)
		check(err)
		defer f.Close()
		info, err := f.Stat()
		check(err)
		blocks := int(info.Size() / blockSize)
		if cold {
			advise(f, adviseDontNeed)
		} else {
			io.Copy(io.Discard, f)
		}
		advise(f, adviseRandom)
		var group sync.WaitGroup
		group.Add(readers)
		start := time.Now()
		for r := 0; r < readers; r++ {
			go func(first int) {
				defer group.Done()
				readEach(f, first, n, readers, blocks)
			}(r)
		}
		group.Wait()
		return time.Since(start)
	}
}

func readEach(f *os.File, first, n, step, blocks int) {
	buffer := make([]byte, blockSize)
	for i := first; i < n; i += step {
		// An odd factor leaves none out.
		block := (i * 0x9E3779B1) & (blocks - 1)
		_, err := f.ReadAt(buffer, int64(block)*blockSize)
		check(err)
		must(int(binary.LittleEndian.Uint64(buffer)) == block, "read_4k")
	}
}

func advise(f *os.File, advice uintptr) {
	_, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, advice, 0, 0)
	must(errno == 0, "posix_fadvise")
}

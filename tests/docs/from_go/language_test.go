package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func check(t *testing.T, holds bool) {
	t.Helper()
	if !holds {
		t.Error("not what the page says")
	}
}

func TestMainsEnd(t *testing.T) {
	if os.Getenv("FROM_GO_MAIN") != "" {
		main()
	}
	command := exec.Command(os.Args[0], "-test.run=^TestMainsEnd$")
	command.Env = append(os.Environ(), "FROM_GO_MAIN=1")
	var end *exec.ExitError
	check(t, errors.As(command.Run(), &end) && end.ExitCode() == 3)
}

// [panic]
func trySend(c chan int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("lost: %v", r)
		}
	}()
	c <- 1
	return nil
}

// [panic]

func TestPanic(t *testing.T) {
	c := make(chan int)
	close(c)
	check(t, trySend(c).Error() == "lost: send on closed channel")
}

func TestDefer(t *testing.T) {
	var notes []string
	note := func(text string) { notes = append(notes, text) }
	func() {
		// [defer]
		for _, name := range []string{"a", "b"} {
			note("open " + name)
			defer note("close " + name) // at the end of the function
		}
		// [defer]
	}()
	check(t, slices.Equal(notes, []string{"open a", "open b", "close b", "close a"}))
}

func TestZeroValues(t *testing.T) {
	// [zero]
	var c chan int      // nil: never ready
	var lock sync.Mutex // ready for use
	var count int       // 0
	// [zero]
	select {
	case <-c:
		t.Error("nil channel")
	default:
	}
	lock.Lock()
	count++
	lock.Unlock()
	check(t, count == 1)
}

func produce(values ...int) chan int {
	c := make(chan int)
	go func() {
		for _, v := range values {
			c <- v
		}
		close(c)
	}()
	return c
}

func TestMerge(t *testing.T) {
	a, b := produce(1, 2), produce(3)
	sum := 0
	// [nil_case]
	for a != nil || b != nil {
		select {
		case v, ok := <-a:
			if !ok {
				a = nil // this case is never ready again
			}
			sum += v
		case v, ok := <-b:
			if !ok {
				b = nil
			}
			sum += v
		}
	}
	// [nil_case]
	check(t, sum == 6)
}

func TestSelect(t *testing.T) {
	in, out := produce(7), make(chan int)
	ctx := context.Background()
	sum, sent := 0, 0
	next := func() int { return 1 }
	err := func() error {
		// [select]
		select {
		case v := <-in:
			sum += v
		case out <- next(): // next() is called in any case
			sent++
		case <-ctx.Done():
			return ctx.Err()
		}
		// [select]
		return nil
	}()
	<-in
	check(t, sum == 7 && sent == 0 && err == nil)
}

func TestRange(t *testing.T) {
	words := make(chan string, 2)
	words <- "a"
	words <- "b"
	close(words)
	var seen []string
	// [range]
	for word := range words {
		seen = append(seen, word)
	}
	// [range]
	check(t, len(seen) == 2)
}

func TestLoopVariables(t *testing.T) {
	var squares [3]int
	var group sync.WaitGroup
	// [loop]
	for i := range 3 { // each round has an i of its own
		group.Go(func() { squares[i] = i * i })
	}
	group.Wait()
	// [loop]
	check(t, squares == [3]int{0, 1, 4})
}

// [capture]
func greet(name string) <-chan string {
	done := make(chan string)
	go func() {
		done <- "hello, " + name // name and done live as long as this needs them
	}()
	return done
}

// [capture]

func TestCapture(t *testing.T) {
	check(t, <-greet("fiber") == "hello, fiber")
}

// [context]
func ask(ctx context.Context, answers <-chan int) (int, error) {
	select {
	case answer, ok := <-answers:
		if !ok {
			return 0, errors.New("no answer")
		}
		return answer, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// [context]

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	answer, err := ask(ctx, produce(42))
	check(t, answer == 42 && err == nil)
	cancel()
	_, err = ask(ctx, nil)
	check(t, err == context.Canceled)
}

// [errors]
func parsePort(text string) (int, error) {
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("port: %w", err)
	}
	return port, nil
}

// [errors]

func TestErrors(t *testing.T) {
	usable := true
	// [errors_is]
	port, err := parsePort("80a")
	if errors.Is(err, strconv.ErrSyntax) {
		usable = false
	}
	// [errors_is]
	check(t, port == 0 && !usable)
	port, err = parsePort("80")
	check(t, port == 80 && err == nil)
}

func TestOwnership(t *testing.T) {
	buffers := make(chan []byte, 1)
	buffer := []byte("data")
	// [ownership]
	buffers <- buffer // from here on both sides hold the same bytes
	// [ownership]
	check(t, &buffer[0] == &(<-buffers)[0])
}

func TestTightLoop(t *testing.T) {
	var stop atomic.Bool
	var rounds int
	go stop.Store(true)
	// [tight]
	for !stop.Load() { // is interrupted when it runs for long
		rounds++
	}
	// [tight]
}

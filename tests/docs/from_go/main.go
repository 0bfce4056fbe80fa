// The Go side of docs/guide/from_go.md, so that it compiles and does what the page says. A region
// from `// [name]` to `// [name]` stands in the page, its tabs as four spaces; tests/docs/check.py
// compares them. The C++ side is tests/docs/from_go_test.cpp.
package main

import "os"

func serve() int {
	return 3
}

// [main_end]
func main() {
	go func() { select {} }() // never runs again once main has ended
	os.Exit(serve())
}

// [main_end]

// Servers that run until they are killed, driven from outside. They print their port.

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func serve(what string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	switch what {
	case "echo":
		serveEcho(listener)
	case "http":
		check(http.Serve(listener, http.HandlerFunc(hello)))
	default:
		check(fmt.Errorf("no server called %s", what))
	}
}

func serveEcho(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		check(err)
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 1024)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func hello(w http.ResponseWriter, _ *http.Request) {
	// Named, so that net/http does not guess it from the body.
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, "Hello, world\n")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

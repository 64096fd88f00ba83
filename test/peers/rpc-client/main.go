// rpc-client plays the client's half of Go's net/rpc against a plugin that is
// already listening, as a JSON script on stdin tells it. It has no dependency
// but the standard library, so the Go release that built it is its version.
//
//	rpc-client ADDR < script.json
//
// script.go documents the script. Every finished call is one JSON line on
// stdout, in the order in which the replies arrived. An error that the peer
// returned is a result: the exit code stays 0. Exit 1 means that the script
// could not be carried out, 2 that it was not understood.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if len(os.Args) != 2 {
		fail(exitUsage, fmt.Errorf("usage: rpc-client ADDR < script.json"))
	}

	todo, err := readScript(os.Stdin)
	if err != nil {
		fail(exitUsage, fmt.Errorf("cannot read the script: %w", err))
	}

	time.AfterFunc(todo.timeout(), func() {
		fail(exitFailed, fmt.Errorf("cannot finish the script: no end after %s", todo.timeout()))
	})

	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)

	if err := run(os.Args[1], todo, out.Encode); err != nil {
		fail(exitFailed, err)
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "rpc-client:", err)
	os.Exit(code)
}

// vpnkit-client drives the control interfaces of a network with the clients
// that others wrote for them, over a unix socket.
//
//	vpnkit-client http SOCKET      VPNKit's own HTTP client
//	vpnkit-client gvproxy SOCKET   gvisor-tap-vsock's own HTTP client
//	vpnkit-client 9p SOCKET        Plan 9 from User Space's 9P2000 client
//	vpnkit-client serve SOCKET     VPNKit's own HTTP server, to compare with
//
// A client reads one command per line of stdin, a JSON object with "do", and
// answers each with one JSON line on stdout. What the server refused is an
// "error" in the answer and the exit code stays 0. Exit 1 means that the
// connection could not be made, 2 that a command was not understood.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/moby/vpnkit/go/pkg/vpnkit/control"
	vpnkithttp "github.com/moby/vpnkit/go/pkg/vpnkit/http"
)

const (
	exitFailed = 1
	exitUsage  = 2

	// Nobody should be left running by a test that was killed.
	lifetime = 5 * time.Minute
)

// player carries out one command, given with its "do" and all of its fields.
type player func(do string, fields json.RawMessage) (any, error)

func main() {
	if len(os.Args) != 3 {
		fail(exitUsage, fmt.Errorf("usage: vpnkit-client http|gvproxy|9p|serve SOCKET"))
	}

	time.AfterFunc(lifetime, func() { fail(exitFailed, fmt.Errorf("no end after %s", lifetime)) })

	socket := os.Args[2]
	switch os.Args[1] {
	case "http":
		play(newVpnkit(socket))
	case "gvproxy":
		play(newGvproxy(socket))
	case "9p":
		play(newNineP(socket))
	case "serve":
		serve(socket)
	default:
		fail(exitUsage, fmt.Errorf("there is no client called %s", os.Args[1]))
	}
}

func play(perform player) {
	in := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)

	for in.Scan() {
		var command struct {
			Do string `json:"do"`
		}
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			fail(exitUsage, fmt.Errorf("cannot read a command: %w", err))
		}

		answer := map[string]any{}
		result, err := perform(command.Do, json.RawMessage(in.Bytes()))
		if err != nil {
			answer["error"] = err.Error()
		}
		if result != nil {
			answer["result"] = result
		}
		if err := out.Encode(answer); err != nil {
			fail(exitFailed, err)
		}
	}
}

// serve lasts until stdin ends.
func serve(socket string) {
	server, err := vpnkithttp.NewServer(socket, control.Make())
	if err != nil {
		fail(exitFailed, err)
	}
	server.Echo().HidePort = true
	server.Start()
	fmt.Println("{}")
	for bufio.NewScanner(os.Stdin).Scan() {
	}
	_ = server.Stop()
}

func read(fields json.RawMessage, into any) {
	if err := json.Unmarshal(fields, into); err != nil {
		fail(exitUsage, fmt.Errorf("cannot read a command: %w", err))
	}
}

func unknown(do string) (any, error) {
	fail(exitUsage, fmt.Errorf("there is no command %q", do))
	return nil, nil
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "vpnkit-client:", err)
	os.Exit(code)
}

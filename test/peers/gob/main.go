// Command gobpeer is Go's own encoding/gob as a partner for the tests and benchmarks of driver/gob.
//
//	gobpeer vectors                     one JSON line per sample stream (test/unit/driver/gob/vectors)
//	gobpeer vector NAME                 the one of that name
//	gobpeer echo                        JSON lines in: {types, hex}; out: what was decoded, and that encoded again
//	gobpeer verify                      JSON lines in: {types, hex, values}; out: whether the stream holds the values
//	gobpeer bench-encode PAYLOAD COUNT  nanoseconds per operation, see bench.go
//	gobpeer bench-decode PAYLOAD COUNT
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: gobpeer vectors | echo | verify | bench-encode | bench-decode"))
	}
	registerTypes()
	var err error
	switch mode, args := os.Args[1], os.Args[2:]; mode {
	case "vectors":
		err = printVectors()
	case "vector":
		err = printVector(args[0])
	case "echo":
		err = serve(echo)
	case "verify":
		err = serve(verify)
	case "bench-encode", "bench-decode":
		err = bench(mode, args)
	default:
		err = fmt.Errorf("unknown mode %q", mode)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "gobpeer:", err)
	os.Exit(1)
}

// serve answers each line of standard input with one line of standard output, at once.
func serve(answer func(request) any) error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		if err := out.Encode(answer(r)); err != nil {
			return err
		}
	}
	return in.Err()
}

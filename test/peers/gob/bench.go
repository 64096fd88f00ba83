package main

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Record is the element of the payload "records"; bench/gob-payloads.ts has the same.
type Record struct {
	Id      int
	Name    string
	Enabled bool
	Score   float64
	Tags    []string
	Size    uint64
}

func records() []Record {
	list := make([]Record, 100)
	for i := range list {
		list[i] = Record{
			Id: i * 1000, Name: "record-" + strconv.Itoa(i), Enabled: i%2 == 0, Score: float64(i) * 0.25,
			Tags: []string{"alpha", "beta-" + strconv.Itoa(i%10)}, Size: uint64(i) * 1 << 20,
		}
	}
	return list
}

// payload is what one operation sends: "reply" a header and 2 KB of configuration, "records" a slice of structs.
func payload(name string) ([]any, error) {
	switch name {
	case "reply":
		header := &Response{ServiceMethod: "RPCServerDriver.GetConfigRaw", Seq: 42}
		config := []byte(strings.Repeat(`{"k":"v"}`, 228))[:2048]
		return []any{header, &config}, nil
	case "records":
		list := records()
		return []any{&list}, nil
	}
	return nil, fmt.Errorf("no payload %q", name)
}

// bench prints the nanoseconds one operation takes on a stream whose types have been defined.
func bench(mode string, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: gobpeer %s reply|records COUNT", mode)
	}
	values, err := payload(args[0])
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	run := benchEncode
	if mode == "bench-decode" {
		run = benchDecode
	}
	elapsed, err := run(args[0], values, count)
	if err != nil {
		return err
	}
	fmt.Println(float64(elapsed.Nanoseconds()) / float64(count))
	return nil
}

func benchEncode(_ string, values []any, count int) (time.Duration, error) {
	encoder := gob.NewEncoder(io.Discard)
	started := time.Now()
	for i := -count / 10; i < count; i++ {
		if i == 0 {
			started = time.Now()
		}
		for _, value := range values {
			if err := encoder.Encode(value); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(started), nil
}

func benchDecode(name string, values []any, count int) (time.Duration, error) {
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	total := count + count/10
	sizes := 0
	for i := 0; i < 2; i++ {
		for _, value := range values {
			if err := encoder.Encode(value); err != nil {
				return 0, err
			}
		}
		if i == 0 {
			sizes = stream.Len()
		}
	}
	// The second operation has no definitions any more and is what gets repeated.
	operation := append([]byte(nil), stream.Bytes()[sizes:]...)
	stream.Truncate(sizes)
	source := &repeated{head: stream.Bytes(), operation: operation}
	decoder := gob.NewDecoder(source)
	started := time.Now()
	for i := -1; i < total; i++ {
		if i == total-count {
			started = time.Now()
		}
		if name == "reply" {
			var header Response
			var config []byte
			if err := decoder.Decode(&header); err != nil {
				return 0, err
			}
			if err := decoder.Decode(&config); err != nil {
				return 0, err
			}
			continue
		}
		var list []Record
		if err := decoder.Decode(&list); err != nil {
			return 0, err
		}
	}
	return time.Since(started), nil
}

// repeated reads as head, then operation without end. It has ReadByte, so that the decoder adds no buffer.
type repeated struct {
	head, operation []byte
}

func (r *repeated) ReadByte() (byte, error) {
	if len(r.head) == 0 {
		r.head = r.operation
	}
	b := r.head[0]
	r.head = r.head[1:]
	return b, nil
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		r.head = r.operation
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}

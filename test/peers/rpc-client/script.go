package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// script is what stdin holds: one JSON object.
type script struct {
	// Connections is how many connections are opened before the first step; 0 means 1.
	Connections int `json:"connections"`

	// Together sends every call without waiting for the one before it.
	Together bool `json:"together"`

	// TimeoutMs bounds the whole run; 0 means 30000.
	TimeoutMs int `json:"timeoutMs"`

	Steps []step `json:"steps"`
}

// step is a call, unless SleepMs or Close is set.
type step struct {
	// Method is sent as it is, so that ill-formed names can be tried.
	Method string `json:"method"`

	Argument argument `json:"arg"`

	// Reply names the type the reply is decoded into (see newReply in
	// values.go). Empty: what libmachine uses for this method.
	Reply string `json:"reply"`

	// On is the index of the connection.
	On int `json:"on"`

	// Repeat is how often the call is made; 0 means once.
	Repeat int `json:"repeat"`

	SleepMs int  `json:"sleepMs"`
	Close   bool `json:"close"`
}

// argument holds at most one of its fields; none stands for the empty struct
// that libmachine passes to methods without arguments.
type argument struct {
	Bytes   *string        `json:"bytes"`   // []byte, from text
	Size    *int           `json:"size"`    // []byte, this many spaces
	String  *string        `json:"string"`  // string
	Int     *int           `json:"int"`     // int
	Bool    *bool          `json:"bool"`    // bool
	Strings []string       `json:"strings"` // []string
	Record  *record        `json:"record"`  // a struct with fields
	Flags   map[string]any `json:"flags"`   // interface holding *rpcdriver.RPCFlags
}

// record is a struct no method of the contract takes.
type record struct {
	Name  string
	Count int
}

func readScript(in io.Reader) (script, error) {
	var s script

	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&s); err != nil {
		return s, err
	}

	s.Connections = max(s.Connections, 1)
	for i := range s.Steps {
		s.Steps[i].Repeat = max(s.Steps[i].Repeat, 1)
		if on := s.Steps[i].On; on < 0 || on >= s.Connections {
			return s, fmt.Errorf("step %d: there is no connection %d", i, on)
		}
	}
	return s, nil
}

func (s script) timeout() time.Duration {
	if s.TimeoutMs == 0 {
		return 30 * time.Second
	}
	return time.Duration(s.TimeoutMs) * time.Millisecond
}

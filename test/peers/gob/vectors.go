package main

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
)

type vector struct {
	Name   string      `json:"name"`
	Types  []*typeText `json:"types"`
	Values []any       `json:"values"`
	// Registry has the types of interface values by their registered names.
	Registry map[string]*typeText `json:"registry,omitempty"`
	// Cut: Go splits a message at a type definition inside an interface value, which driver/gob does not.
	Cut bool   `json:"cut,omitempty"`
	Hex string `json:"hex"`
}

// printVectors starts a process for each sample: gob numbers types by process, and so every stream starts afresh.
func printVectors() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, sample := range samples() {
		command := exec.Command(self, "vector", sample.name)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		if err := command.Run(); err != nil {
			return err
		}
	}
	return nil
}

func printVector(name string) error {
	for _, sample := range samples() {
		if sample.name != name {
			continue
		}
		result := vector{Name: name, Cut: sample.cut, Registry: map[string]*typeText{}}
		var stream bytes.Buffer
		encoder := gob.NewEncoder(&stream)
		for _, value := range sample.values {
			// A copy that has an address, as methods with pointer receivers need one.
			variable := reflect.New(reflect.TypeOf(value))
			variable.Elem().Set(reflect.ValueOf(value))
			if err := encoder.EncodeValue(variable); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			result.Types = append(result.Types, describe(variable.Elem().Type(), nil))
			result.Values = append(result.Values, plain(variable.Elem()))
		}
		for name, t := range used {
			if _, ok := registered[t.Name()]; ok {
				result.Registry[name] = describe(t, nil)
			}
		}
		result.Hex = hex.EncodeToString(stream.Bytes())
		out := json.NewEncoder(os.Stdout)
		out.SetEscapeHTML(false)
		return out.Encode(result)
	}
	return fmt.Errorf("no sample %q", name)
}

package main

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
)

type request struct {
	Types  []*typeText       `json:"types"`
	Hex    string            `json:"hex"`
	Values []json.RawMessage `json:"values"`
}

type reply struct {
	Values []any  `json:"values,omitempty"`
	Hex    string `json:"hex,omitempty"`
	Error  string `json:"error,omitempty"`
}

// decodeAll decodes one stream into variables of the given types.
func decodeAll(r request) (values []reflect.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	stream, err := hex.DecodeString(r.Hex)
	if err != nil {
		return nil, err
	}
	in := bytes.NewReader(stream)
	decoder := gob.NewDecoder(in)
	for _, text := range r.Types {
		variable := reflect.New(text.build())
		if err := decoder.DecodeValue(variable); err != nil {
			return nil, err
		}
		values = append(values, variable)
	}
	if in.Len() > 0 {
		return nil, fmt.Errorf("%d bytes left over", in.Len())
	}
	return values, nil
}

func echo(r request) any {
	values, err := decodeAll(r)
	if err != nil {
		return reply{Error: err.Error()}
	}
	answer := reply{Values: []any{}}
	var out bytes.Buffer
	encoder := gob.NewEncoder(&out)
	for _, value := range values {
		answer.Values = append(answer.Values, plain(value))
		// A pointer to an interface is encoded as an interface; what is in an interface would lose it.
		if err := encoder.EncodeValue(value); err != nil {
			return reply{Error: "encode: " + err.Error()}
		}
	}
	answer.Hex = hex.EncodeToString(out.Bytes())
	return answer
}

func verify(r request) any {
	values, err := decodeAll(r)
	if err != nil {
		return reply{Error: err.Error()}
	}
	for i, value := range values {
		found, err := json.Marshal(plain(value))
		if err != nil {
			return reply{Error: err.Error()}
		}
		var a, b any
		if json.Unmarshal(found, &a) != nil || json.Unmarshal(r.Values[i], &b) != nil || !reflect.DeepEqual(a, b) {
			return reply{Error: fmt.Sprintf("value %d is %s instead of %s", i, found, r.Values[i])}
		}
	}
	return reply{}
}

package main

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// The concrete types libmachine sends inside interface values. gob matches
// them by registered name, and struct fields by name, so local twins do.
type (
	RPCFlags struct {
		Values map[string]any
	}
	StringFlag struct {
		Name, Usage, EnvVar string
		Value               string
	}
	IntFlag struct {
		Name, Usage, EnvVar string
		Value               int
	}
	StringSliceFlag struct {
		Name, Usage, EnvVar string
		Value               []string
	}
	BoolFlag struct {
		Name, Usage, EnvVar string
	}
)

func init() {
	gob.RegisterName("*rpcdriver.RPCFlags", &RPCFlags{})
	gob.RegisterName("*mcnflag.StringFlag", &StringFlag{})
	gob.RegisterName("*mcnflag.IntFlag", &IntFlag{})
	gob.RegisterName("*mcnflag.StringSliceFlag", &StringSliceFlag{})
	gob.RegisterName("*mcnflag.BoolFlag", &BoolFlag{})
}

// build returns what is handed to net/rpc as the argument.
func (a argument) build() (any, error) {
	switch {
	case a.Bytes != nil:
		return []byte(*a.Bytes), nil
	case a.Size != nil:
		return []byte(strings.Repeat(" ", *a.Size)), nil
	case a.String != nil:
		return *a.String, nil
	case a.Int != nil:
		return *a.Int, nil
	case a.Bool != nil:
		return *a.Bool, nil
	case a.Strings != nil:
		return a.Strings, nil
	case a.Record != nil:
		return *a.Record, nil
	case a.Flags != nil:
		return buildFlags(a.Flags)
	default:
		return struct{}{}, nil
	}
}

// buildFlags returns a pointer to an interface: given the bare struct, gob
// would not write the registered name that the server goes by.
func buildFlags(values map[string]any) (any, error) {
	typed := make(map[string]any, len(values))
	for key, value := range values {
		flag, err := flagValue(value)
		if err != nil {
			return nil, fmt.Errorf("flag %q: %w", key, err)
		}
		typed[key] = flag
	}
	var held any = &RPCFlags{Values: typed}
	return &held, nil
}

// flagValue turns a JSON value into one of the four Go types that flags have.
func flagValue(value any) (any, error) {
	switch v := value.(type) {
	case nil, string, bool:
		return v, nil
	case json.Number:
		n, err := v.Int64()
		return int(n), err
	case []any:
		list := make([]string, 0, len(v))
		for _, element := range v {
			text, ok := element.(string)
			if !ok {
				return nil, fmt.Errorf("a list flag holds strings, not %T", element)
			}
			list = append(list, text)
		}
		return list, nil
	default:
		return nil, fmt.Errorf("no flag has the type %T", value)
	}
}

// replyNames lists the methods whose reply is not discarded.
var replyNames = map[string]string{
	"GetVersion": "int", "GetState": "int", "GetSSHPort": "int",
	"GetConfigRaw": "bytes", "GetCreateFlags": "flags",
	"DriverName": "string", "GetMachineName": "string", "GetIP": "string", "GetIPv6": "string",
	"GetURL": "string", "GetSSHHostname": "string", "GetSSHKeyPath": "string", "GetSSHUsername": "string",
}

// newReply returns where net/rpc shall put the reply; nil discards it.
func newReply(name, method string) (any, error) {
	if name == "" {
		_, short, _ := strings.Cut(method, ".")
		name = replyNames[short]
	}
	switch name {
	case "", "discard":
		return nil, nil
	case "int":
		return new(int), nil
	case "bool":
		return new(bool), nil
	case "string":
		return new(string), nil
	case "bytes":
		return new([]byte), nil
	case "struct":
		return new(struct{}), nil
	case "flags":
		return new([]any), nil
	default:
		return nil, fmt.Errorf("no reply type is called %q", name)
	}
}

// namedFlag adds the kind of a create flag to its fields.
type namedFlag struct {
	Kind string `json:"kind"`
	Flag any    `json:"flag"`
}

// printable turns a decoded reply into what the JSON line shows.
func printable(reply any) any {
	switch r := reply.(type) {
	case *[]byte:
		if utf8.Valid(*r) {
			return string(*r)
		}
		return *r
	case *[]any:
		flags := make([]namedFlag, 0, len(*r))
		for _, flag := range *r {
			kind := "nil"
			if flag != nil {
				kind = reflect.TypeOf(flag).Elem().Name()
			}
			flags = append(flags, namedFlag{kind, flag})
		}
		return flags
	default:
		return reply
	}
}

package main

import (
	"encoding/gob"
	"fmt"
	"reflect"
)

// typeText is a Go type as JSON. A named type that occurs inside itself is there just {"kind":"ref","name":...}.
type typeText struct {
	Kind   string      `json:"kind"`
	Name   string      `json:"name,omitempty"`
	Elem   *typeText   `json:"elem,omitempty"`
	Key    *typeText   `json:"key,omitempty"`
	Length int         `json:"length,omitempty"`
	Fields []fieldText `json:"fields,omitempty"`
	Method string      `json:"method,omitempty"`
}

type fieldText struct {
	Name string    `json:"name"`
	Type *typeText `json:"type"`
}

var kinds = map[string]reflect.Type{
	"bool":      reflect.TypeOf(false),
	"int":       reflect.TypeOf(int64(0)),
	"uint":      reflect.TypeOf(uint64(0)),
	"float":     reflect.TypeOf(float64(0)),
	"complex":   reflect.TypeOf(complex128(0)),
	"string":    reflect.TypeOf(""),
	"bytes":     reflect.TypeOf([]byte(nil)),
	"interface": reflect.TypeOf((*any)(nil)).Elem(),
}

// build makes the Go type. Types of samples.go are found by name, all others are put together by reflection.
func (t *typeText) build() reflect.Type {
	if named, ok := registered[t.Name]; ok && t.Name != "" {
		return named
	}
	switch t.Kind {
	case "slice":
		return reflect.SliceOf(t.Elem.build())
	case "array":
		return reflect.ArrayOf(t.Length, t.Elem.build())
	case "map":
		return reflect.MapOf(t.Key.build(), t.Elem.build())
	case "pointer":
		return reflect.PointerTo(t.Elem.build())
	case "struct":
		fields := make([]reflect.StructField, len(t.Fields))
		for i, field := range t.Fields {
			fields[i] = reflect.StructField{Name: field.Name, Type: field.Type.build()}
		}
		return reflect.StructOf(fields)
	}
	if basic, ok := kinds[t.Kind]; ok {
		return basic
	}
	panic(fmt.Sprintf("no such kind of type: %q", t.Kind))
}

var (
	gobEncoder      = reflect.TypeOf((*gob.GobEncoder)(nil)).Elem()
	binaryMarshaler = reflect.TypeOf((*interface{ MarshalBinary() ([]byte, error) })(nil)).Elem()
)

// isMarshaler asks whether a type encodes itself; the methods of the pointer to a type include its own.
func isMarshaler(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(gobEncoder) || reflect.PointerTo(t).Implements(binaryMarshaler)
}

// describe is the reverse of build.
func describe(t reflect.Type, open map[reflect.Type]bool) *typeText {
	name := ""
	if t.PkgPath() != "" {
		name = t.Name()
	}
	if open[t] && name != "" {
		return &typeText{Kind: "ref", Name: name}
	}
	inner := map[reflect.Type]bool{t: true}
	for known := range open {
		inner[known] = true
	}
	if t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer {
		if isMarshaler(t) {
			method := "GobEncoder"
			if !reflect.PointerTo(t).Implements(gobEncoder) {
				method = "BinaryMarshaler"
			}
			return &typeText{Kind: "marshaled", Name: name, Method: method}
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return &typeText{Kind: "bool"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &typeText{Kind: "int"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return &typeText{Kind: "uint"}
	case reflect.Float32, reflect.Float64:
		return &typeText{Kind: "float"}
	case reflect.Complex64, reflect.Complex128:
		return &typeText{Kind: "complex"}
	case reflect.String:
		return &typeText{Kind: "string"}
	case reflect.Interface:
		return &typeText{Kind: "interface"}
	case reflect.Pointer:
		return &typeText{Kind: "pointer", Elem: describe(t.Elem(), open)}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &typeText{Kind: "bytes"}
		}
		return &typeText{Kind: "slice", Name: name, Elem: describe(t.Elem(), inner)}
	case reflect.Array:
		return &typeText{Kind: "array", Name: name, Length: t.Len(), Elem: describe(t.Elem(), inner)}
	case reflect.Map:
		return &typeText{Kind: "map", Name: name, Key: describe(t.Key(), inner), Elem: describe(t.Elem(), inner)}
	case reflect.Struct:
		text := &typeText{Kind: "struct", Name: name}
		for i := 0; i < t.NumField(); i++ {
			if field := t.Field(i); field.IsExported() && field.Type.Kind() != reflect.Func && field.Type.Kind() != reflect.Chan {
				text.Fields = append(text.Fields, fieldText{field.Name, describe(field.Type, inner)})
			}
		}
		return text
	}
	panic("cannot describe " + t.String())
}

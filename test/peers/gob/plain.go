package main

import (
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
)

// plain renders a value as JSON that loses nothing: integers as decimal text, floats as the hexadecimal bits, bytes as
// hexadecimal text, maps as sorted pairs, interface values with their registered name, nil pointers as null.
// test/unit/driver/gob/support/plain.ts does the same to what driver/gob decodes.
func plain(v reflect.Value) any {
	if v.Kind() != reflect.Pointer && v.Kind() != reflect.Interface {
		if isMarshaler(v.Type()) && v.IsZero() {
			return nil // left out as a struct field, and samples have it nowhere else
		}
		if encoder, ok := v.Interface().(gob.GobEncoder); ok {
			return marshaledHex(encoder.GobEncode())
		}
		if v.CanAddr() {
			if encoder, ok := v.Addr().Interface().(gob.GobEncoder); ok {
				return marshaledHex(encoder.GobEncode())
			}
		}
		if marshaler, ok := v.Interface().(interface{ MarshalBinary() ([]byte, error) }); ok {
			return marshaledHex(marshaler.MarshalBinary())
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return floatBits(v.Float())
	case reflect.Complex64, reflect.Complex128:
		return []string{floatBits(real(v.Complex())), floatBits(imag(v.Complex()))}
	case reflect.String:
		return v.String()
	case reflect.Pointer:
		if v.IsNil() {
			// A nil pointer is left out, as a zero is; only of structs is it known then that it was a pointer.
			base := v.Type().Elem()
			for base.Kind() == reflect.Pointer {
				base = base.Elem()
			}
			if base.Kind() == reflect.Struct {
				return nil
			}
			return plain(reflect.Zero(base))
		}
		return plain(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		name, ok := names[v.Elem().Type()]
		if !ok {
			panic("no name for " + v.Elem().Type().String())
		}
		used[name] = v.Elem().Type()
		return map[string]any{"type": name, "value": plain(v.Elem())}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return hex.EncodeToString(v.Bytes())
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.Map:
		pairs := make([][2]any, 0, v.Len())
		for iterator := v.MapRange(); iterator.Next(); {
			pairs = append(pairs, [2]any{plain(iterator.Key()), plain(iterator.Value())})
		}
		sort.Slice(pairs, func(i, j int) bool { return sortKey(pairs[i][0]) < sortKey(pairs[j][0]) })
		return pairs
	case reflect.Struct:
		fields := map[string]any{}
		for i := 0; i < v.NumField(); i++ {
			if field := v.Type().Field(i); field.IsExported() && field.Type.Kind() != reflect.Func && field.Type.Kind() != reflect.Chan {
				fields[field.Name] = plain(v.Field(i))
			}
		}
		return fields
	}
	panic("cannot render " + v.Type().String())
}

// sortKey is hexadecimal, so that both sides sort alike whatever their idea of the order of strings, and takes strings
// as they are, as Go's JSON has escapes that others do without.
func sortKey(value any) string {
	if text, ok := value.(string); ok {
		return hex.EncodeToString([]byte(text))
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(text)
}

func floatBits(f float64) string {
	if math.IsNaN(f) {
		return "nan"
	}
	return fmt.Sprintf("%016x", math.Float64bits(f))
}

func marshaledHex(data []byte, err error) any {
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(data)
}

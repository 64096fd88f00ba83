package main

import (
	"encoding/gob"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"
)

type (
	Request struct {
		ServiceMethod string
		Seq           uint64
		next          *Request //nolint:unused // as in net/rpc: unexported, so not sent
	}
	Response struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}
	Empty      struct{}
	StringFlag struct{ Name, Usage, EnvVar, Value string }
	IntFlag    struct {
		Name, Usage, EnvVar string
		Value               int
	}
	SliceFlag struct {
		Name, Usage, EnvVar string
		Value               []string
	}
	Flags struct{ Values map[string]any }

	Point struct{ X, Y int }
	Outer struct {
		Before int
		Point  Point
		After  int
	}
	Pointers struct {
		Set, Nil *Point
		Number   **int
	}
	Kinds struct {
		B   bool
		I   int
		I8  int8
		U   uint
		U8  uint8
		F   float64
		F32 float32
		C   complex128
		S   string
		D   []byte
		L   []int
		A   [2]int
		M   map[string]int
		P   Point
		V   any
	}
	Hidden struct {
		Shown  int
		hidden int
		Func   func()
		Chan   chan int
		Last   int
	}
	Embedding struct {
		Point
		Z int
	}
	Node struct {
		Value int
		Next  *Node
	}
	Tree struct {
		Name     string
		Children []Tree
	}
	Nest  []Nest
	Graph map[string]Graph
	Left  struct {
		Right *Right
		L     int
	}
	Right struct {
		Left []Left
		R    int
	}
	Holder struct{ V any }
	Pair   struct{ First, Second any }
	Many   struct {
		A map[string]Point
		B [][]Outer
		C [3]IntFlag
	}
	Stamp struct{ seconds int64 }
	Event struct {
		At   time.Time
		None time.Time
		Mark Stamp
		Big  *big.Int
		Tail int
	}
	Celsius float64
	Ids     []uint16
	Raw     []byte
)

func (s Stamp) MarshalBinary() ([]byte, error) {
	return []byte{byte(s.seconds), byte(s.seconds >> 8)}, nil
}
func (s *Stamp) UnmarshalBinary(data []byte) error {
	s.seconds = int64(data[0]) | int64(data[1])<<8
	return nil
}

// registered are the types that can be named in a type description; names are those sent with interface values; used
// are the ones that plain has come upon.
var (
	registered = map[string]reflect.Type{}
	names      = map[reflect.Type]string{}
	used       = map[string]reflect.Type{}
)

func registerTypes() {
	for _, sample := range []any{
		Request{}, Response{}, Empty{}, StringFlag{}, IntFlag{}, SliceFlag{}, Flags{}, Point{}, Outer{}, Pointers{},
		Kinds{}, Hidden{}, Embedding{}, Node{}, Tree{}, Nest{}, Graph{}, Left{}, Right{}, Holder{}, Pair{}, Many{},
		Stamp{}, Event{}, Celsius(0), Ids{}, Raw{},
	} {
		t := reflect.TypeOf(sample)
		registered[t.Name()] = t
		names[t] = "sample." + t.Name()
		gob.RegisterName("sample."+t.Name(), sample)
	}
	registered["Time"], registered["Int"] = reflect.TypeOf(time.Time{}), reflect.TypeOf(big.Int{})
	for _, basic := range []any{
		false, 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0),
		0.0, complex64(0), 0i, "", []byte(nil), []int(nil), []int64(nil), []uint64(nil), []float64(nil), []bool(nil),
		[]string(nil), []complex128(nil),
	} {
		names[reflect.TypeOf(basic)] = reflect.TypeOf(basic).String()
	}
}

// sample is one stream. cut: Go splits a message of it at a type definition inside an interface value.
type sample struct {
	name   string
	values []any
	cut    bool
}

func number(n int) **int { p := &n; return &p }
func box(v any) *any     { return &v }

func samples() []sample {
	moment := time.Date(2020, 2, 3, 4, 5, 6, 7, time.UTC)
	big1, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	return []sample{
		{name: "bool", values: []any{true, false}},
		{name: "int", values: []any{0, 1, -1, 63, 64, -64, -65, 127, 128, 2376, 1 << 31, -1 << 31, 1 << 32}},
		{name: "int beyond a safe integer", values: []any{1<<51 + 1, -1<<51 - 1, 1<<53 - 1, -1<<53 + 1, 1 << 53, -1 << 53, math.MaxInt64, math.MinInt64}},
		{name: "uint", values: []any{uint(0), uint(127), uint(128), uint(255), uint(256), uint(65535), uint(65536), uint(1<<24 - 1), uint(1 << 24), uint(1<<32 - 1), uint(1 << 32), uint(1 << 40), uint(1 << 48)}},
		{name: "uint beyond a safe integer", values: []any{uint64(1<<53 - 1), uint64(1 << 53), uint64(1<<56 - 1), uint64(1 << 56), uint64(math.MaxUint64)}},
		{name: "sized integers", values: []any{int8(-128), int16(-32768), int32(math.MinInt32), uint8(255), uint16(65535), uint32(math.MaxUint32), uintptr(7)}},
		{name: "float", values: []any{0.0, 1.0, -1.0, 17.0, 0.1, math.Pi, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.SmallestNonzeroFloat64, math.MaxFloat64, float32(0.5), Celsius(36.6)}},
		{name: "complex", values: []any{0i, 1 + 2i, complex(math.Inf(-1), 0.25), complex64(3i)}},
		{name: "string", values: []any{"", "a", "default", "gr\u00fc\u00dfe \u4e16\u754c \U0001f433", strings.Repeat("long ", 100), "nul\x00 and \u007f"}},
		{name: "bytes", values: []any{[]byte{}, []byte("{}"), []byte{0, 127, 128, 255}, []byte(strings.Repeat("x", 300)), Raw("named")}},
		{name: "slice", values: []any{[]int{}, []int{1, 0, -1}, []string{"", "b"}, []bool{true, false}, []float64{0, 1.5}, []complex128{1i}, Ids{1, 65535}}},
		{name: "slice of slices", values: []any{[][]string{{"a"}, {}, {"b", "c"}}, [][]byte{{1}, {}, {2, 3}}, [][][]int{{{1}}, {}}}},
		{name: "array", values: []any{[3]int{}, [2][2]string{{"a", "b"}, {"", "d"}}, [0]int{}, [4]byte{1, 2, 0, 4}, [1]Point{{1, 0}}}},
		{name: "map", values: []any{map[string]int{}, map[string]int{"one": 1}, map[int]string{-7: ""}, map[bool]float64{true: 0}, map[[2]int]bool{{1, 2}: false}, map[Point]string{{0, 2}: "y"}, map[string][]string{"k": {"v", "w"}}, Graph{"a": {"b": {}}}}},
		{name: "map of many", values: []any{map[string]int{"one": 1, "two": 2, "three": 3, "": 0}, map[any]any{"a": 1, 2: "b", true: nil, 1.5: []string{"x"}}}, cut: true},
		{name: "struct", values: []any{Point{}, Point{0, 2}, Point{1, 0}, Outer{}, Outer{1, Point{2, 3}, 4}, Empty{}, struct{}{}}},
		{name: "struct of all kinds", values: []any{Kinds{}, Kinds{true, -1, -8, 1, 8, 0.5, 0.25, 1i, "s", []byte("d"), []int{0, 1}, [2]int{0, 2}, map[string]int{"k": 0}, Point{1, 1}, "v"}}},
		{name: "struct with nil and empty fields", values: []any{Kinds{D: []byte{}, L: []int{}, M: map[string]int{}}}},
		{name: "struct with unsent fields", values: []any{Hidden{Shown: 1, hidden: 2, Last: 3}, Embedding{Point{1, 2}, 3}}},
		{name: "pointers", values: []any{Pointers{}, Pointers{Set: &Point{}, Number: number(5)}, &Point{3, 4}, []*Point{{1, 2}, {}}, map[string]*Point{"p": {5, 6}}}},
		{name: "recursive types", values: []any{Node{1, &Node{2, &Node{}}}, Tree{"r", []Tree{{"a", nil}, {"b", []Tree{{}}}}}, Nest{{}, {{}, {{}}}}, Left{&Right{[]Left{{nil, 1}, {}}, 2}, 3}}},
		{name: "marshalers", values: []any{moment, Stamp{513}, Event{At: moment, Mark: Stamp{3}, Tail: 1}, Event{Big: big1}, []Stamp{{1}, {2}}, map[string]time.Time{"t": moment}}},
		{name: "interfaces of basic types", values: []any{box(nil), box(7), box(""), []any{}, []any{nil, true, 1, int8(-8), uint(2), uint8(8), 0.5, float32(0.5), 2i, "s", []byte("b")}, Holder{}, Holder{0}, Pair{Second: "x"}}},
		{name: "interface of a struct", values: []any{box(Point{1, 2}), box(Point{}), Holder{Point{3, 4}}}, cut: true},
		{name: "interface with types inside", values: []any{Holder{Many{A: map[string]Point{"k": {1, 2}}, B: [][]Outer{{{1, Point{}, 2}}}}}, Pair{Tree{"t", nil}, Node{1, nil}}}, cut: true},
		{name: "interfaces in a slice", values: []any{[]any{StringFlag{"s", "u", "E", "v"}, IntFlag{"i", "", "", 1024}, SliceFlag{"l", "", "", []string{"a", "b"}}, SliceFlag{Name: "m"}, nil, StringFlag{}}}, cut: true},
		{name: "interfaces in interfaces", values: []any{box(Flags{map[string]any{"k": []string{"a", "b"}}}), Holder{Holder{Holder{Point{1, 2}}}}, Pair{Pair{Outer{1, Point{2, 3}, 4}, []int{5}}, Pair{[]float64{0}, Left{L: 1}}}}, cut: true},
		{name: "three new types in the depth", values: []any{box(Holder{Many{C: [3]IntFlag{{Value: 1}}}}), box(Holder{Many{}})}, cut: true},
		{name: "call", values: []any{Request{ServiceMethod: "RPCServerDriver.GetVersion"}, struct{}{}, Request{ServiceMethod: "RPCServerDriver.SetConfigRaw", Seq: 300}, []byte(`{"a":1}`)}},
		{name: "reply", values: []any{Response{ServiceMethod: "RPCServerDriver.GetURL", Seq: 7, Error: "Host is not running"}, struct{}{}, Response{Seq: 8}, []byte(strings.Repeat("c", 2048))}},
	}
}

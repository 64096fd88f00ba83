package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Step is one call.
type Step struct {
	// Call is SERVICE/METHOD, or "sleep".
	Call string `json:"call"`
	// Requests in protobuf's JSON; a method without streaming requests takes the first.
	Requests []json.RawMessage `json:"requests"`
	// UnknownField puts a field of that many bytes, which nobody knows, behind each request.
	UnknownField int `json:"unknownField"`
	// Metadata is sent with the call.
	Metadata map[string]string `json:"metadata"`
	// TimeoutMs is the call's deadline.
	TimeoutMs int `json:"timeoutMs"`
	// CancelOn cancels the call at the first message whose JSON contains it.
	CancelOn string `json:"cancelOn"`
	// FinishOn ends our side of the call at the first message whose JSON contains it. Without it our side ends at once.
	FinishOn string `json:"finishOn"`
	// Together: the next step does not wait for this one.
	Together bool `json:"together"`
}

// Line is what a call prints.
type Line struct {
	Step    int             `json:"step"`
	Message json.RawMessage `json:"message,omitempty"`
	Status  *Status         `json:"status,omitempty"`
}

// Status ends a call.
type Status struct {
	Code    string            `json:"code"`
	Message string            `json:"message,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Domain  string            `json:"domain,omitempty"`
	Details map[string]string `json:"details,omitempty"`
}

// Client plays steps on one connection.
type Client struct {
	connection *grpc.ClientConn
	methods    *methods
	mutex      sync.Mutex
	out        *json.Encoder
}

func (client *Client) print(line Line) {
	client.mutex.Lock()
	defer client.mutex.Unlock()
	_ = client.out.Encode(line)
}

func (client *Client) play(ctx context.Context, index int, step Step) {
	if step.Call == "sleep" {
		time.Sleep(time.Duration(step.TimeoutMs) * time.Millisecond)
		return
	}
	err := client.call(ctx, index, step)
	client.print(Line{Step: index, Status: describe(err)})
}

func (client *Client) call(ctx context.Context, index int, step Step) error {
	method, err := client.methods.find(step.Call)
	if err != nil {
		return err
	}
	if step.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(step.TimeoutMs)*time.Millisecond)
		defer cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(step.Metadata))
	description := &grpc.StreamDesc{ServerStreams: method.IsStreamingServer(), ClientStreams: method.IsStreamingClient()}
	path := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	stream, err := client.connection.NewStream(ctx, description, path)
	if err != nil {
		return err
	}
	requests := step.Requests
	if len(requests) == 0 && !method.IsStreamingClient() {
		requests = []json.RawMessage{json.RawMessage("{}")}
	}
	for _, text := range requests {
		request := dynamicpb.NewMessage(method.Input())
		if err := protojson.Unmarshal(text, request); err != nil {
			return err
		}
		if step.UnknownField > 0 {
			request.SetUnknown(unknownField(step.UnknownField))
		}
		if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if step.FinishOn == "" {
		if err := stream.CloseSend(); err != nil {
			return err
		}
	}
	// Of a stream of bytes (a console) what is waited for may come in pieces.
	var seen strings.Builder
	for {
		answer := dynamicpb.NewMessage(method.Output())
		if err := stream.RecvMsg(answer); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(answer)
		if err != nil {
			return err
		}
		client.print(Line{Step: index, Message: text})
		seen.Write(text)
		if field := method.Output().Fields().ByName("data"); field != nil {
			seen.Write(answer.Get(field).Bytes())
		}
		if step.CancelOn != "" && strings.Contains(seen.String(), step.CancelOn) {
			cancel()
		}
		if step.FinishOn != "" && strings.Contains(seen.String(), step.FinishOn) {
			_ = stream.CloseSend()
		}
	}
}

// Field number 1000 with that many bytes.
func unknownField(size int) []byte {
	message := []byte{0xc2, 0x3e}
	for length := size; ; length >>= 7 {
		if length < 0x80 {
			message = append(message, byte(length))
			break
		}
		message = append(message, byte(length)|0x80)
	}
	return append(message, make([]byte, size)...)
}

func describe(err error) *Status {
	if err == nil {
		return &Status{Code: "OK"}
	}
	found := status.Convert(err)
	described := &Status{Code: found.Code().String(), Message: found.Message()}
	for _, detail := range found.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			described.Reason, described.Domain, described.Details = info.Reason, info.Domain, info.Metadata
		}
	}
	return described
}

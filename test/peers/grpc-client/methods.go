package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// methods finds methods by name, asking the server.
type methods struct {
	connection *grpc.ClientConn
	mutex      sync.Mutex
	services   map[string]protoreflect.ServiceDescriptor
}

func newMethods(connection *grpc.ClientConn) *methods {
	return &methods{connection: connection, services: map[string]protoreflect.ServiceDescriptor{}}
}

func (known *methods) find(call string) (protoreflect.MethodDescriptor, error) {
	service, name, found := strings.Cut(call, "/")
	if !found {
		return nil, fmt.Errorf("%q is not SERVICE/METHOD", call)
	}
	known.mutex.Lock()
	defer known.mutex.Unlock()
	descriptor, ok := known.services[service]
	if !ok {
		var err error
		if descriptor, err = known.ask(service); err != nil {
			return nil, err
		}
		known.services[service] = descriptor
	}
	if method := descriptor.Methods().ByName(protoreflect.Name(name)); method != nil {
		return method, nil
	}
	return nil, fmt.Errorf("%s has no method %s", service, name)
}

// ask builds the service's descriptors with Go's own strict checks.
func (known *methods) ask(service string) (protoreflect.ServiceDescriptor, error) {
	stream, err := reflection.NewServerReflectionClient(known.connection).ServerReflectionInfo(context.Background())
	if err != nil {
		return nil, err
	}
	defer stream.CloseSend()
	question := &reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
	}
	if err := stream.Send(question); err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if refusal := answer.GetErrorResponse(); refusal != nil {
		return nil, fmt.Errorf("reflection: %s", refusal.ErrorMessage)
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, bytes := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(bytes, file); err != nil {
			return nil, err
		}
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	found, err := files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, err
	}
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no service", service)
	}
	return descriptor, nil
}

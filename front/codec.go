package main

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// unread is a codec that takes messages as the bytes that they are.
type unread struct{}

func (unread) Name() string { return "proto" }

func (unread) Marshal(message any) (mem.BufferSlice, error) {
	body, isBytes := message.(mem.Buffer)
	if !isBytes {
		return nil, fmt.Errorf("a message that is no bytes: %T", message)
	}
	return mem.BufferSlice{body}, nil
}

func (unread) Unmarshal(data mem.BufferSlice, into any) error {
	body, isBytes := into.(*[]byte)
	if !isBytes {
		return fmt.Errorf("a message that is to be no bytes: %T", into)
	}
	*body = data.Materialize()
	return nil
}

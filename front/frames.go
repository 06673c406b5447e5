package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/mem"
)

// What travels over the link. memory_server/transport/front/frames.py is its other half, and says what each kind means.

type kind byte

const (
	configure kind = iota + 1
	listen
	stop
	credit
	response
	end
	fail

	listening
	refused
	open
	request
	lastRequest
	taken
	gone
	note
	stopped
)

// Length of the body (4 bytes), kind (1), number of the call (8), least significant byte first.
const headBytes = 13

// As many bytes of requests as may wait for a handler; one that is larger goes by itself.
const windowBytes = 256 * 1024

// As many words of the memory server as may wait for a client, and its last one: its window is smaller.
const mostWords = 64

// word is what the memory server says of a call.
type word struct {
	kind kind
	// Of a failure.
	body []byte
	// For the client.
	answer mem.Buffer
}

// opening is how a call begins.
type opening struct {
	method  int
	left    time.Duration
	hasLeft bool
	// JSON of what decides who calls; empty: nobody asks.
	facts []byte
	// The one request, where it comes at once.
	request []byte
}

func (o opening) packed() []byte {
	left := -1.0
	if o.hasLeft {
		left = math.Max(o.left.Seconds(), 0)
	}
	made := make([]byte, 14, 14+len(o.facts)+len(o.request))
	binary.LittleEndian.PutUint16(made, uint16(o.method))
	binary.LittleEndian.PutUint64(made[2:], math.Float64bits(left))
	binary.LittleEndian.PutUint32(made[10:], uint32(len(o.facts)))
	return append(append(made, o.facts...), o.request...)
}

// failure is how a call fails: the number of its code, a text, and a serialised google.rpc.Status.
type failure struct {
	code    uint16
	message string
	details []byte
}

func failureOf(body []byte) (failure, error) {
	if len(body) < 6 {
		return failure{}, fmt.Errorf("a failure of %d bytes", len(body))
	}
	size := int(binary.LittleEndian.Uint32(body[2:]))
	if len(body)-6 < size {
		return failure{}, fmt.Errorf("a failure whose message has %d of %d bytes", len(body)-6, size)
	}
	return failure{binary.LittleEndian.Uint16(body), string(body[6 : 6+size]), body[6+size:]}, nil
}

func secondsOf(body []byte) (time.Duration, error) {
	if len(body) != 8 {
		return 0, fmt.Errorf("seconds of %d bytes", len(body))
	}
	seconds := math.Float64frombits(binary.LittleEndian.Uint64(body))
	return time.Duration(seconds * float64(time.Second)), nil
}

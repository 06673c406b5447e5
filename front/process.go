package main

import (
	"context"
	"math"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/keepalive"
)

// Calls are told that the memory server has gone; after so long the rest of them is cut off.
const lastWords = time.Second

// What strangers can make this process hold is bounded: calls of one connection (far more than the memory server takes on
// at once, so that it is the one that refuses, and says when to try again), headers of a call, and the time for a handshake.
const (
	mostCalls       = 8192
	mostHeaderBytes = 64 * 1024
	handshakeTime   = 20 * time.Second
)

// process is what a front process does from its first frame to its last one.
type process struct {
	link    *link
	options options
	front   *front
	server  *grpc.Server
	stops   sync.Once
}

func newProcess(link *link) *process {
	return &process{link: link}
}

// run does what the memory server says, until it has gone.
func (p *process) run() {
	for {
		kind, number, body, err := p.link.read()
		if err == nil && number == 0 {
			err = p.obey(kind, body)
		}
		if err != nil {
			break
		}
		if number != 0 && p.front != nil {
			p.front.receive(kind, number, body)
		}
	}
	if p.front != nil {
		p.front.end()
		time.AfterFunc(lastWords, p.server.Stop)
		p.server.GracefulStop()
	}
	p.link.close()
}

func (p *process) obey(kind kind, body []byte) error {
	switch kind {
	case configure:
		made, err := optionsOf(body)
		p.options = made
		return err
	case listen:
		if err := p.listen(); err != nil {
			p.link.send(refused, 0, []byte(reason(err)))
		}
	case stop:
		grace, err := secondsOf(body)
		if err != nil {
			return err
		}
		p.stop(grace)
	}
	return nil
}

func (p *process) listen() error {
	serving := serverOptions(p.options.channel)
	if p.options.tls != nil {
		watched, err := newCertificates(*p.options.tls, p.link)
		if err != nil {
			return err
		}
		serving = append(serving, grpc.Creds(credentials.NewTLS(watched.config())))
	}
	listener, err := p.socket(p.options.channel["grpc.so_reuseport"] == 1)
	if err != nil {
		return err
	}
	p.front = newFront(p.options, p.link)
	p.server = grpc.NewServer(serving...)
	p.front.register(p.server)
	p.link.send(listening, 0, nil)
	unsent := newUnsent(p.cutOff)
	go unsent.watch()
	go func() {
		if err := p.server.Serve(counted{listener, unsent}); err != nil {
			p.link.close()
		}
	}()
	return nil
}

// cutOff tells of a connection that was cut off.
func (p *process) cutOff(address string, bytes int) {
	p.link.tell(map[string]any{"log": map[string]any{
		"logger":  "front",
		"level":   levelWarning,
		"message": "a client that does not read its answers is cut off",
		"extra":   map[string]any{"client": address, "unsent_bytes": bytes},
	}})
}

// serverOptions returns what a server is made with, of gRPC's own names for it; what is not named is as gRPC has it.
func serverOptions(named map[string]int) []grpc.ServerOption {
	made := []grpc.ServerOption{
		grpc.ForceServerCodecV2(unread{}),
		grpc.MaxSendMsgSize(math.MaxInt32), // what is sent is bounded by the use cases
		grpc.SharedWriteBuffer(true),
		grpc.MaxConcurrentStreams(mostCalls),
		grpc.MaxHeaderListSize(mostHeaderBytes),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time:                  milliseconds(named["grpc.keepalive_time_ms"]),
			Timeout:               milliseconds(named["grpc.keepalive_timeout_ms"]),
			MaxConnectionAge:      milliseconds(named["grpc.max_connection_age_ms"]),
			MaxConnectionAgeGrace: milliseconds(named["grpc.max_connection_age_grace_ms"]),
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             milliseconds(named["grpc.http2.min_ping_interval_without_data_ms"]),
			PermitWithoutStream: named["grpc.keepalive_permit_without_calls"] == 1,
		}),
	}
	if most, has := named["grpc.max_receive_message_length"]; has {
		made = append(made, grpc.MaxRecvMsgSize(most))
	}
	return made
}

func (p *process) socket(isShared bool) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		if !isShared {
			return nil
		}
		var refused error
		err := raw.Control(func(fd uintptr) {
			refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return refused
	}}
	listener, err := config.Listen(context.Background(), "tcp", p.options.address)
	if err != nil {
		return nil, portTaken{err}
	}
	return listener, nil
}

// stop accepts nothing more, gives open calls some time, and ends the process; it may be called again with less.
func (p *process) stop(grace time.Duration) {
	if p.server == nil {
		go p.link.close()
		return
	}
	time.AfterFunc(grace, p.server.Stop)
	p.stops.Do(func() {
		go func() {
			p.server.GracefulStop()
			p.link.send(stopped, 0, nil)
			p.link.close()
		}()
	})
}

// portTaken is why a port cannot be opened: the memory server says that better.
type portTaken struct{ cause error }

func (e portTaken) Error() string { return e.cause.Error() }

func reason(err error) string {
	if _, isTaken := err.(portTaken); isTaken {
		return ""
	}
	return err.Error()
}

func milliseconds(count int) time.Duration {
	return time.Duration(count) * time.Millisecond
}

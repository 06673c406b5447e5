package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
)

const readBytes = 256 * 1024

// link is our end of the socket pair. Frames that are sent while others are being written travel together: a system
// call costs more than a frame.
type link struct {
	connection net.Conn
	reader     *bufio.Reader

	mutex   sync.Mutex
	waiting []byte
	closed  bool
	// Holds one when something waits.
	more chan struct{}
	done chan struct{}
}

func newLink(connection net.Conn) *link {
	return &link{
		connection: connection,
		reader:     bufio.NewReaderSize(connection, readBytes),
		more:       make(chan struct{}, 1),
		done:       make(chan struct{}),
	}
}

// read returns the next frame; an error is the end of the memory server.
func (l *link) read() (kind, uint64, []byte, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(l.reader, head[:]); err != nil {
		return 0, 0, nil, err
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := io.ReadFull(l.reader, body); err != nil {
		return 0, 0, nil, err
	}
	return kind(head[4]), binary.LittleEndian.Uint64(head[5:]), body, nil
}

// send puts a frame behind those that wait. What waits is bounded by the calls: each has a window.
func (l *link) send(kind kind, call uint64, body []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		return
	}
	l.waiting = binary.LittleEndian.AppendUint32(l.waiting, uint32(len(body)))
	l.waiting = append(l.waiting, byte(kind))
	l.waiting = binary.LittleEndian.AppendUint64(l.waiting, call)
	l.waiting = append(l.waiting, body...)
	l.wake()
}

// tell sends something for the memory server's log or metrics.
func (l *link) tell(what map[string]any) {
	body, err := json.Marshal(what)
	if err != nil {
		body = []byte(`{"log": {"logger": "front", "level": 40, "message": "a note cannot be written", "extra": {}}}`)
	}
	l.send(note, 0, body)
}

// close sends what waits, and ends the link.
func (l *link) close() {
	l.mutex.Lock()
	l.closed = true
	l.wake()
	l.mutex.Unlock()
	<-l.done
}

func (l *link) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// write writes what waits, until the link is closed or the memory server has gone.
func (l *link) write() {
	defer close(l.done)
	defer l.connection.Close()
	var spare []byte
	for range l.more {
		l.mutex.Lock()
		some, closed := l.waiting, l.closed
		l.waiting = spare[:0]
		l.mutex.Unlock()
		if _, err := l.connection.Write(some); err != nil || closed {
			return
		}
		// A buffer that one large message has made is not kept for ever.
		spare = nil
		if cap(some) <= readBytes {
			spare = some
		}
	}
}

package main

import (
	"context"
	"sync"
)

// window tells how many requests of a stream may be read: as many as there is credit for, while they are small together.
type window struct {
	mutex  sync.Mutex
	credit int
	// Sizes of the requests that were read, and that the handler has not taken yet, and their sum.
	untaken []int
	bytes   int
	// Holds one when something has changed.
	more chan struct{}
}

func newWindow() *window {
	return &window{more: make(chan struct{}, 1)}
}

// allow takes one more credit: the handler has taken the oldest request, if there is one.
func (w *window) allow() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.untaken) > 0 {
		w.bytes -= w.untaken[0]
		w.untaken = w.untaken[1:]
	}
	w.credit++
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// wasRead counts a request of so many bytes.
func (w *window) wasRead(size int) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.untaken = append(w.untaken, size)
	w.bytes += size
}

// mayRead waits until one more may be read, and uses a credit up; false: the call is over.
func (w *window) mayRead(ctx context.Context) bool {
	for {
		if w.use() {
			return true
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return false
		}
	}
}

func (w *window) use() bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.credit == 0 || w.bytes >= windowBytes {
		return false
	}
	w.credit--
	return true
}

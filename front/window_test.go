package main

import (
	"context"
	"testing"
	"time"
)

const readAhead = 15

// readBy tells how many requests of one size are read until there is something to wait for.
func readBy(window *window, size int) int {
	for count := 0; ; count++ {
		patience, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		allowed := window.mayRead(patience)
		cancel()
		if !allowed {
			return count
		}
		window.wasRead(size)
	}
}

func TestRequestsAreReadAheadWhileTheyAreSmall(t *testing.T) {
	for size, count := range map[int]int{10: 1 + readAhead, 100_000: 3, windowBytes: 1, 8 << 20: 1} {
		window := newWindow()
		if found := readBy(window, size); found != 0 {
			t.Errorf("%d requests are read without credit", found)
		}
		for range 1 + readAhead {
			window.allow()
		}
		if found := readBy(window, size); found != count {
			t.Errorf("%d requests of %d bytes are read, not %d", found, size, count)
		}
		window.allow()
		if found := readBy(window, size); found != 1 {
			t.Errorf("%d requests of %d bytes are read for one that was taken", found, size)
		}
		for range count {
			window.allow()
		}
		if found := readBy(window, size); found != count {
			t.Errorf("%d requests of %d bytes are read when all were taken, not %d", found, size, count)
		}
	}
}

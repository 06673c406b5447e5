// The front process: speaks gRPC with clients, and relays their calls, unread, to the memory server that started it.
//
// What is decided about a call is decided by the memory server (memory_server/transport/front tells the whole story).
// This program knows no message, no credential and no state: it may be killed at any time, and the memory server starts
// another one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// The heap is a few mebibytes of messages that pass through: collecting them so often would take a tenth of the time.
// When clients do not read it is more, and must not grow as much again; what may be unsent is below it.
const (
	heapGrowthPercent = 400
	softHeapBytes     = mostOfAll + 64<<20
)

func init() {
	// The kernel remembers for the first thread alone whose end ends the process.
	runtime.LockOSThread()
}

func main() {
	fd := flag.Int("link", -1, "number of the file descriptor of our end of the socket pair")
	flag.Parse()
	if err := run(*fd); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(fd int) error {
	// A terminal's Ctrl-C goes to all processes; when this one ends is the memory server's to say.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
	// A memory server that is killed must not leave a process on its port.
	if err := endWithParent(); err != nil {
		return err
	}
	debug.SetGCPercent(heapGrowthPercent)
	debug.SetMemoryLimit(softHeapBytes)
	file := os.NewFile(uintptr(fd), "link")
	if file == nil {
		return errors.New("--link must name our end of a socket pair")
	}
	connection, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("--link must name our end of a socket pair: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	link := newLink(connection)
	go link.write()
	newProcess(link).run()
	return nil
}

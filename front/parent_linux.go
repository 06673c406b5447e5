package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent lets the kernel end this process when the thread that started it has ended.
func endWithParent() error {
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
}

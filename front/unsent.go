package main

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Answers that clients have not read wait here, as HTTP/2 wants it. Calls wait before they are relayed, while the answers
// that their connection has and expects are as many bytes as these: of one connection, and of all. A connection may have no
// more than is free, so that one that is stalled leaves the others their share.
const (
	waitsOfConnection = 64 << 20
	waitsOfAll        = 128 << 20
)

// Answers that turn out larger than was expected may be as many bytes as these; then their calls fail, and of all connections
// the one is cut off that has moved nothing for the longest.
const (
	mostOfConnection = 128 << 20
	mostOfAll        = 192 << 20
)

// What an answer of a method is expected to be on a connection: first so much that as many calls are relayed as of one whose
// answers were small, then as large as the last one, or a little less than before. Not too little: nobody knows how large
// the next one is.
const (
	firstExpected = waitsOfConnection / firstCalls
	leastExpected = 128 << 10
	lessExpected  = 32
)

// So many calls of a connection may be relayed at once before one is answered, and one more with every small answer, while
// others wait: however small answers were, so many of the largest that use cases give by default, 4 MiB, have room.
const firstCalls = 24

// What a call is expected to answer counts for so long: one that takes longer must not keep others waiting.
const promiseTime = time.Second

// A connection that has moved nothing for so long may be cut off, when room is needed; when it has kept a good part of its
// share, after the longer time even if nobody needs it.
const (
	stallTime     = time.Second
	longStallTime = time.Minute
	longStalls    = waitsOfConnection / 4
	sweepTime     = 10 * time.Second
)

var errUnread = status.Error(
	codes.Unavailable,
	"the answer is given up: too many others have not been read; a write may have happened: repeat it with its request id",
)

// unsent counts the bytes of answers that have not been sent, of all connections.
type unsent struct {
	mutex    sync.Mutex
	bytes    int
	accounts map[*account]struct{}
	// Those in which calls wait.
	waiting map[*account]struct{}
	// Hears of a connection that is cut off, with what it has not read.
	cut func(address string, bytes int)
}

// account is a connection with what it has not read. It travels to the handlers as the address of the client: gRPC hands
// nothing else of a connection on without a cost for every call.
type account struct {
	net.Conn
	unsent *unsent
	// When it has last moved, nanoseconds since 1970.
	moved atomic.Int64

	// Under the mutex of unsent: bytes that are unsent and that are expected, calls that are to answer and how many may, and
	// what is expected of methods.
	bytes    int
	promised int
	promises int
	most     int
	expected map[int]int
	waiters  []*waiter
	isClosed bool
}

// waiter is a call that waits to be relayed, or a stream to be asked for more.
type waiter struct {
	method  int
	promise *promise
	ready   chan struct{}
}

// promise is what a call is expected to answer.
type promise struct {
	account *account
	bytes   int
	expiry  *time.Timer
	isOver  bool
}

// address is what a handler finds its account by.
type address struct {
	net.Addr
	account *account
}

// counted makes the connections of a listener accounts.
type counted struct {
	net.Listener
	unsent *unsent
}

func newUnsent(cut func(address string, bytes int)) *unsent {
	return &unsent{accounts: map[*account]struct{}{}, waiting: map[*account]struct{}{}, cut: cut}
}

func (c counted) Accept() (net.Conn, error) {
	accepted, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return c.unsent.open(accepted), nil
}

func (u *unsent) open(connection net.Conn) *account {
	made := &account{Conn: connection, unsent: u, most: firstCalls, expected: map[int]int{}}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.accounts[made] = struct{}{}
	return made
}

// accountOf returns the account of a call's connection.
func accountOf(ctx context.Context) *account {
	from, _ := peer.FromContext(ctx)
	return from.Addr.(address).account
}

func (a *account) RemoteAddr() net.Addr {
	return address{a.Conn.RemoteAddr(), a}
}

func (a *account) Write(some []byte) (int, error) {
	count, err := a.Conn.Write(some)
	if count > 0 {
		a.moved.Store(time.Now().UnixNano())
	}
	return count, err
}

// Close frees all that the connection has not read: gRPC forgets it without a word.
func (a *account) Close() error {
	a.unsent.mutex.Lock()
	a.forget()
	a.unsent.mutex.Unlock()
	return a.Conn.Close()
}

// Get is of gRPC's pools, and asked for nothing.
func (a *account) Get(size int) *[]byte {
	made := make([]byte, size)
	return &made
}

// Put takes back an answer that gRPC has written, or given up.
func (a *account) Put(body *[]byte) {
	a.unsent.mutex.Lock()
	defer a.unsent.mutex.Unlock()
	if a.isClosed {
		return
	}
	a.bytes -= len(*body)
	a.unsent.bytes -= len(*body)
	a.unsent.wake()
}

// admit waits until what a method is expected to answer has room.
func (a *account) admit(ctx context.Context, method int) (*promise, error) {
	a.unsent.mutex.Lock()
	if len(a.waiters) == 0 && a.fits(method) {
		defer a.unsent.mutex.Unlock()
		return a.promise(method), nil
	}
	waits := &waiter{method: method, ready: make(chan struct{})}
	a.waiters = append(a.waiters, waits)
	a.unsent.waiting[a] = struct{}{}
	a.unsent.mutex.Unlock()
	select {
	case <-waits.ready:
		return waits.promise, nil
	case <-ctx.Done():
		a.leave(waits)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// leave ends a wait in vain.
func (a *account) leave(waits *waiter) {
	a.unsent.mutex.Lock()
	defer a.unsent.mutex.Unlock()
	if waits.promise != nil {
		waits.promise.drop()
	} else if place := slices.Index(a.waiters, waits); place >= 0 {
		a.waiters = slices.Delete(a.waiters, place, place+1)
	}
	a.unsent.wake()
}

// hold takes the answer of a method in; false: there is no room, and its call has to fail. A few hundred bytes are not
// worth counting, and gRPC would not say when they are sent.
func (a *account) hold(method int, body []byte) (mem.Buffer, bool) {
	size := len(body)
	a.unsent.mutex.Lock()
	defer a.unsent.mutex.Unlock()
	a.learn(method, size)
	if mem.IsBelowBufferPoolingThreshold(cap(body)) {
		return mem.SliceBuffer(body), true
	}
	if a.isClosed || (a.bytes > 0 && a.bytes+size > mostOfConnection) || !a.unsent.makeRoom(a, size) {
		return nil, false
	}
	if a.bytes == 0 {
		a.moved.Store(time.Now().UnixNano())
	}
	a.bytes += size
	a.unsent.bytes += size
	kept := body
	return mem.NewBuffer(&kept, a), true
}

// keep ends a promise: the answer is there, or there will be none.
func (p *promise) keep() {
	p.account.unsent.mutex.Lock()
	defer p.account.unsent.mutex.Unlock()
	p.drop()
	p.account.unsent.wake()
}

// watch sweeps for as long as the process lives.
func (u *unsent) watch() {
	for range time.Tick(sweepTime) {
		u.sweep()
	}
}

// sweep cuts those off that keep much and have moved nothing for long.
func (u *unsent) sweep() {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	for each := range u.accounts {
		if each.bytes >= longStalls && each.stalled() >= longStallTime {
			each.cutOff()
		}
	}
	u.wake()
}

// What follows is called with the mutex held.

func (a *account) expects(method int) int {
	if known, has := a.expected[method]; has {
		return known
	}
	return firstExpected
}

// fits tells whether one more call may be relayed; one may always.
func (a *account) fits(method int) bool {
	held := a.bytes + a.promised
	room := min(waitsOfConnection, waitsOfAll-a.unsent.bytes)
	return held == 0 || (a.promises < a.most && held+a.expects(method) <= room)
}

// learn changes what is expected of a method, and how many may be expected at once.
func (a *account) learn(method, size int) {
	if size <= leastExpected && len(a.waiters) > 0 {
		a.most++
	}
	before := a.expects(method)
	a.expected[method] = max(size, before-before/lessExpected, leastExpected)
}

func (a *account) promise(method int) *promise {
	if a.promises == 0 {
		a.most = firstCalls
	}
	made := &promise{account: a, bytes: a.expects(method)}
	a.promised += made.bytes
	a.promises++
	made.expiry = time.AfterFunc(promiseTime, made.keep)
	return made
}

func (p *promise) drop() {
	if p.isOver {
		return
	}
	p.isOver = true
	p.expiry.Stop()
	p.account.promised -= p.bytes
	p.account.promises--
}

// wake lets those go on for whom there is room.
func (u *unsent) wake() {
	for waiting := range u.waiting {
		for len(waiting.waiters) > 0 && waiting.fits(waiting.waiters[0].method) {
			first := waiting.waiters[0]
			waiting.waiters = waiting.waiters[1:]
			first.promise = waiting.promise(first.method)
			close(first.ready)
		}
		if len(waiting.waiters) == 0 {
			delete(u.waiting, waiting)
		}
	}
}

// makeRoom cuts connections off, those that have moved nothing for the longest first, until so many bytes have room.
func (u *unsent) makeRoom(wanting *account, size int) bool {
	for u.bytes+size > mostOfAll {
		var longest *account
		for each := range u.accounts {
			if each.bytes > 0 && (longest == nil || each.moved.Load() < longest.moved.Load()) {
				longest = each
			}
		}
		if longest == nil || longest == wanting || longest.stalled() < stallTime {
			return false
		}
		longest.cutOff()
	}
	return true
}

func (a *account) stalled() time.Duration {
	return time.Since(time.Unix(0, a.moved.Load()))
}

func (a *account) cutOff() {
	u, bytes := a.unsent, a.bytes
	a.forget()
	// gRPC closes it too, and ends its calls, when it hears that it cannot read any more.
	_ = a.Conn.Close()
	u.cut(a.Conn.RemoteAddr().String(), bytes)
}

func (a *account) forget() {
	if a.isClosed {
		return
	}
	a.isClosed = true
	a.unsent.bytes -= a.bytes
	a.bytes = 0
	delete(a.unsent.accounts, a)
	a.unsent.wake()
}

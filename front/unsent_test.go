package main

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/mem"
)

const someMethod = 3

// counting is what a test sees of the bytes that are unsent.
type counting struct {
	*unsent
	cutOff []int
}

func newCounting() *counting {
	made := &counting{}
	made.unsent = newUnsent(func(_ string, bytes int) { made.cutOff = append(made.cutOff, bytes) })
	return made
}

func (c *counting) connect() *account {
	ours, _ := net.Pipe()
	return c.open(ours)
}

// admitted lets calls in until one has to wait, at most so many.
func admitted(a *account, most int) []*promise {
	var found []*promise
	for len(found) < most {
		patience, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		made, err := a.admit(patience, someMethod)
		cancel()
		if err != nil {
			break
		}
		found = append(found, made)
	}
	return found
}

func keepAll(promises []*promise) {
	for _, each := range promises {
		each.keep()
	}
}

// fill holds answers of a mebibyte until as many bytes are unsent.
func fill(t *testing.T, a *account, bytes int) []mem.Buffer {
	t.Helper()
	var found []mem.Buffer
	same := make([]byte, 1<<20)
	for held := 0; held < bytes; held += 1 << 20 {
		answer, hasRoom := a.hold(someMethod, same)
		if !hasRoom {
			t.Fatalf("no room beside %d bytes", held)
		}
		found = append(found, answer)
	}
	return found
}

func TestCallsWaitForAnswersThatMayBeLarge(t *testing.T) {
	one := newCounting().connect()
	if found := len(admitted(one, 100)); found != waitsOfConnection/firstExpected {
		t.Errorf("%d calls are let in", found)
	}
}

func TestSmallAnswersLetMoreCallsIn(t *testing.T) {
	one := newCounting().connect()
	for range 200 {
		one.hold(someMethod, nil)
	}
	first := admitted(one, 100)
	if len(first) != firstCalls {
		t.Errorf("%d calls are let in at once", len(first))
	}
	let := make(chan error)
	for range 2 {
		go func() {
			_, err := one.admit(context.Background(), someMethod)
			let <- err
		}()
	}
	waitFor(one, 2)
	one.hold(someMethod, nil)
	first[0].keep()
	for range 2 {
		if err := <-let; err != nil {
			t.Error(err)
		}
	}
}

// waitFor waits until so many calls of a connection wait.
func waitFor(a *account, count int) {
	for {
		a.unsent.mutex.Lock()
		found := len(a.waiters)
		a.unsent.mutex.Unlock()
		if found == count {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCallsWaitUntilAnswersAreSent(t *testing.T) {
	one := newCounting().connect()
	answers := fill(t, one, waitsOfConnection)
	if found := admitted(one, 1); len(found) != 0 {
		t.Fatal("a call is let in beside answers that nobody reads")
	}
	waits := make(chan error)
	go func() {
		_, err := one.admit(context.Background(), someMethod)
		waits <- err
	}()
	waitFor(one, 1)
	for _, each := range answers {
		each.Free()
	}
	if err := <-waits; err != nil {
		t.Error(err)
	}
	if one.bytes != 0 || one.unsent.bytes != 0 {
		t.Errorf("%d and %d bytes are unsent when all are sent", one.bytes, one.unsent.bytes)
	}
}

func TestACallThatIsSlowKeepsNobodyWaiting(t *testing.T) {
	one := newCounting().connect()
	admitted(one, 100)
	patience, cancel := context.WithTimeout(context.Background(), 5*promiseTime)
	defer cancel()
	if _, err := one.admit(patience, someMethod); err != nil {
		t.Error(err)
	}
}

func TestAStalledConnectionLeavesTheOthersTheirShare(t *testing.T) {
	all := newCounting()
	fill(t, all.connect(), waitsOfConnection)
	other := all.connect()
	found := admitted(other, 100)
	if len(found) != (waitsOfAll-waitsOfConnection)/firstExpected {
		t.Errorf("%d calls of another are let in", len(found))
	}
	keepAll(found)
	if other.promised != 0 || other.promises != 0 {
		t.Errorf("%d bytes of %d calls are expected, and none is open", other.promised, other.promises)
	}
}

func TestACallIsLetInHoweverMuchOthersHold(t *testing.T) {
	all := newCounting()
	for range 2 {
		fill(t, all.connect(), waitsOfAll/2)
	}
	if found := admitted(all.connect(), 100); len(found) != 1 {
		t.Errorf("%d calls of another are let in", len(found))
	}
}

func TestAnswersBeyondAllMeasureAreRefused(t *testing.T) {
	one := newCounting().connect()
	fill(t, one, mostOfConnection)
	if _, hasRoom := one.hold(someMethod, make([]byte, 1<<20)); hasRoom {
		t.Error("there is room for ever more")
	}
	if _, hasRoom := one.hold(someMethod, make([]byte, 100)); !hasRoom {
		t.Error("there is no room for a few bytes")
	}
}

func TestTheOneThatHasMovedNothingForTheLongestIsCutOff(t *testing.T) {
	all := newCounting()
	oldest, older := all.connect(), all.connect()
	fill(t, older, mostOfAll/2)
	fill(t, oldest, mostOfAll/2)
	older.moved.Store(time.Now().Add(-2 * stallTime).UnixNano())
	oldest.moved.Store(time.Now().Add(-3 * stallTime).UnixNano())
	fill(t, all.connect(), 1<<20)
	if len(all.cutOff) != 1 || !oldest.isClosed || older.isClosed {
		t.Errorf("%d are cut off", len(all.cutOff))
	}
	if all.bytes != mostOfAll/2+1<<20 {
		t.Errorf("%d bytes are unsent", all.bytes)
	}
}

func TestNobodyIsCutOffWhoMoves(t *testing.T) {
	all := newCounting()
	first := all.connect()
	fill(t, first, mostOfAll/2)
	second := all.connect()
	fill(t, second, mostOfAll/2)
	for _, each := range []*account{first, second} {
		each.moved.Store(time.Now().UnixNano())
	}
	if _, hasRoom := all.connect().hold(someMethod, make([]byte, 1<<20)); hasRoom || len(all.cutOff) > 0 {
		t.Errorf("%d are cut off", len(all.cutOff))
	}
}

func TestWhoKeepsMuchForLongIsCutOff(t *testing.T) {
	all := newCounting()
	much, little := all.connect(), all.connect()
	fill(t, much, longStalls)
	fill(t, little, longStalls/2)
	for _, each := range []*account{much, little} {
		each.moved.Store(time.Now().Add(-longStallTime).UnixNano())
	}
	all.sweep()
	if !much.isClosed || little.isClosed {
		t.Errorf("%d are cut off", len(all.cutOff))
	}
}

func TestWhatAClosedConnectionHeldIsFree(t *testing.T) {
	all := newCounting()
	one := all.connect()
	answers := fill(t, one, 2<<20)
	one.Close()
	answers[0].Free()
	if all.bytes != 0 || len(all.accounts) != 0 {
		t.Errorf("%d bytes are unsent of %d connections", all.bytes, len(all.accounts))
	}
}

func TestNothingIsLeftOfAWaitInVain(t *testing.T) {
	all := newCounting()
	one := all.connect()
	fill(t, one, waitsOfConnection)
	admitted(one, 1)
	if len(one.waiters) != 0 || len(all.waiting) != 0 || one.promised != 0 {
		t.Errorf("%d wait, and %d bytes are expected", len(one.waiters), one.promised)
	}
}

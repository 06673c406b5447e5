package main

import (
	"bytes"
	"net"
	"testing"
)

func TestFramesArriveWholeAndInOrder(t *testing.T) {
	ours, theirs := net.Pipe()
	sender, receiver := newLink(ours), newLink(theirs)
	go sender.write()
	bodies := [][]byte{nil, []byte("x"), bytes.Repeat([]byte("large"), readBytes), []byte("last")}
	for number, body := range bodies {
		sender.send(response, uint64(number), body)
	}
	go sender.close()
	for number, body := range bodies {
		kind, call, found, err := receiver.read()
		if err != nil || kind != response || call != uint64(number) || !bytes.Equal(found, body) {
			t.Fatalf("frame %d arrives as kind %d, call %d, %d bytes: %v", number, kind, call, len(found), err)
		}
	}
	if _, _, _, err := receiver.read(); err == nil {
		t.Error("the end of the link is not seen")
	}
	sender.send(response, 9, nil) // to one that is closed: nothing
}

func TestALinkWhoseOtherEndHasGoneCloses(t *testing.T) {
	ours, theirs := net.Pipe()
	sender := newLink(ours)
	go sender.write()
	theirs.Close()
	sender.send(response, 1, []byte("nobody reads this"))
	sender.close()
}

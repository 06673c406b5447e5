package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"
)

// Bodies of frames as the other half, frames.py and options.py, reads and writes them; its tests read the same file.
type golden struct {
	Openings []struct {
		Method         int
		Left           *float64
		Facts, Request string
		Body           string
	}
	Failures []struct {
		Code                   uint16
		Message, Details, Body string
	}
	Options string
}

func goldenFrames(t *testing.T) golden {
	t.Helper()
	content, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var made golden
	if err := json.Unmarshal(content, &made); err != nil {
		t.Fatal(err)
	}
	return made
}

func TestOpeningsAreWrittenAsTheOtherHalfReadsThem(t *testing.T) {
	for _, each := range goldenFrames(t).Openings {
		begin := opening{method: each.Method, facts: []byte(each.Facts), request: []byte(each.Request)}
		if each.Left != nil {
			begin.left, begin.hasLeft = time.Duration(*each.Left*float64(time.Second)), true
		}
		if found := hex.EncodeToString(begin.packed()); found != each.Body {
			t.Errorf("%+v is written as %s, not as %s", each, found, each.Body)
		}
	}
}

func TestADeadlineThatIsOverLeavesNoTime(t *testing.T) {
	late := opening{left: -time.Second, hasLeft: true}
	now := opening{left: 0, hasLeft: true}
	if string(late.packed()) != string(now.packed()) {
		t.Error("a negative time would mean that there is no deadline")
	}
}

func TestFailuresAreReadAsTheOtherHalfWritesThem(t *testing.T) {
	for _, each := range goldenFrames(t).Failures {
		body, _ := hex.DecodeString(each.Body)
		found, err := failureOf(body)
		if err != nil {
			t.Fatal(err)
		}
		details := hex.EncodeToString(found.details)
		if found.code != each.Code || found.message != each.Message || details != each.Details {
			t.Errorf("%s is read as %+v", each.Body, found)
		}
	}
}

func TestPartsOfFramesAreRefused(t *testing.T) {
	whole, _ := hex.DecodeString(goldenFrames(t).Failures[1].Body)
	for size := range 12 {
		if _, err := failureOf(whole[:size]); err == nil {
			t.Errorf("%d bytes are read as a failure", size)
		}
		if _, err := secondsOf(whole[:size]); err == nil && size != 8 {
			t.Errorf("%d bytes are read as seconds", size)
		}
	}
}

func TestOptionsAreReadAsTheOtherHalfWritesThem(t *testing.T) {
	found, err := optionsOf([]byte(goldenFrames(t).Options))
	if err != nil {
		t.Fatal(err)
	}
	if found.address != "127.0.0.1:50053" || found.channel["grpc.max_send_message_length"] != -1 {
		t.Errorf("read as %+v", found)
	}
	if *found.tls != (tlsFiles{certificate: "/tls.crt", key: "/tls.key"}) || !found.isIdentified {
		t.Errorf("read as %+v", found)
	}
	if found.methods[0] != (method{path: "/s.S/M", hasRequests: true}) || len(found.methods) != 2 {
		t.Errorf("read as %+v", found.methods)
	}
}

func TestOptionsOfAnotherShapeAreRefused(t *testing.T) {
	for _, body := range []string{``, `[]`, `{}`, `["", [[1, 2]], null, [], [], false]`} {
		if _, err := optionsOf([]byte(body)); err == nil {
			t.Errorf("%q is taken for options", body)
		}
	}
}

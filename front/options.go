package main

import (
	"encoding/json"
	"fmt"
)

// options are what a front process has to know; see options.py beside frames.py.
type options struct {
	address      string
	channel      map[string]int
	tls          *tlsFiles
	methods      []method
	headers      []string
	isIdentified bool
}

type tlsFiles struct {
	certificate string
	key         string
	// Who signs the clients' certificates; empty: clients need none.
	authority string
}

// method is how a method's calls look on the wire.
type method struct {
	// As gRPC names it, /package.Service/Method.
	path string
	// Requests are read one by one, when the handler asks for them.
	hasRequests bool
	// There may be several responses.
	hasResponses bool
}

func optionsOf(body []byte) (options, error) {
	var made options
	var channel [][2]any
	into := []any{&made.address, &channel, &made.tls, &made.methods, &made.headers, &made.isIdentified}
	if err := unpack(body, into...); err != nil {
		return made, err
	}
	made.channel = map[string]int{}
	for _, each := range channel {
		name, isName := each[0].(string)
		value, isNumber := each[1].(float64)
		if !isName || !isNumber {
			return made, fmt.Errorf("an option of gRPC that is no name and number: %v", each)
		}
		made.channel[name] = int(value)
	}
	return made, nil
}

func (t *tlsFiles) UnmarshalJSON(body []byte) error {
	var authority *string
	if err := unpack(body, &t.certificate, &t.key, &authority); err != nil {
		return err
	}
	if authority != nil {
		t.authority = *authority
	}
	return nil
}

func (m *method) UnmarshalJSON(body []byte) error {
	return unpack(body, &m.path, &m.hasRequests, &m.hasResponses)
}

// unpack reads a JSON list of as many values.
func unpack(body []byte, into ...any) error {
	var values []json.RawMessage
	if err := json.Unmarshal(body, &values); err != nil {
		return err
	}
	if len(values) != len(into) {
		return fmt.Errorf("%d values where %d are expected", len(values), len(into))
	}
	for place, value := range values {
		if err := json.Unmarshal(value, into[place]); err != nil {
			return err
		}
	}
	return nil
}

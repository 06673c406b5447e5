package main

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

var (
	errGone = status.Error(
		codes.Unavailable, "the server has ended; a write may have happened: repeat it with its request id",
	)
	errNoRequest = status.Error(codes.InvalidArgument, "the call has no request")
)

// What the parts of certificates are known by.
var (
	alternativeNames = asn1.ObjectIdentifier{2, 5, 29, 17}
	commonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// front relays calls: a call ends with the memory server's word, or with its client, and the memory server hears of the
// second.
type front struct {
	options options
	link    *link
	numbers atomic.Uint64

	mutex sync.Mutex
	calls map[uint64]*call
	over  bool
}

// call is one call that the memory server has not ended.
type call struct {
	number  uint64
	method  int
	account *account
	words   chan word
	// What ends it on this side: the client, or a request that cannot be read.
	broken chan error
	window *window
}

func newFront(options options, link *link) *front {
	return &front{options: options, link: link, calls: map[uint64]*call{}}
}

// register gives all methods to a gRPC server. To it each is a pair of streams, of which some have one message.
func (f *front) register(server *grpc.Server) {
	services := map[string]*grpc.ServiceDesc{}
	for number, method := range f.options.methods {
		parts := strings.Split(method.path, "/")
		service, name := parts[1], parts[2]
		if services[service] == nil {
			services[service] = &grpc.ServiceDesc{ServiceName: service}
		}
		services[service].Streams = append(services[service].Streams, grpc.StreamDesc{
			StreamName:    name,
			Handler:       f.handler(number, method),
			ServerStreams: true,
			ClientStreams: true,
		})
	}
	for _, service := range services {
		server.RegisterService(service, nil)
	}
}

// receive takes the memory server's word about a call; of one that has ended meanwhile it means nothing.
func (f *front) receive(kind kind, number uint64, body []byte) {
	// A call that is forgotten meanwhile would keep what nobody frees. Nothing waits in here.
	f.mutex.Lock()
	defer f.mutex.Unlock()
	call := f.calls[number]
	switch {
	case call == nil:
	case kind == credit:
		call.window.allow()
	case kind == fail:
		call.words <- word{kind: kind, body: body}
	default:
		answer, hasRoom := call.account.hold(call.method, body)
		if !hasRoom {
			call.fail(errUnread)
			return
		}
		call.words <- word{kind: kind, answer: answer}
	}
}

// end fails every call: the memory server has gone.
func (f *front) end() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.over = true
	for _, call := range f.calls {
		call.fail(errGone)
	}
}

func (f *front) handler(number int, method method) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		// What is compressed is a copy, of which nobody could tell when it has been sent.
		if err := grpc.SetSendCompressor(stream.Context(), encoding.Identity); err != nil {
			return err
		}
		// The request is not read before: it would take memory while it waits.
		admitted, err := accountOf(stream.Context()).admit(stream.Context(), number)
		if err != nil {
			return err
		}
		begin := opening{method: number, facts: f.facts(stream.Context())}
		if !method.hasRequests {
			err := stream.RecvMsg(&begin.request)
			if err == io.EOF {
				err = errNoRequest
			}
			if err != nil {
				admitted.keep()
				return err
			}
		}
		if deadline, has := stream.Context().Deadline(); has {
			begin.left, begin.hasLeft = time.Until(deadline), true
		}
		return f.relay(begin, method, stream, admitted)
	}
}

// relay relays a call from its beginning to its end.
func (f *front) relay(begin opening, method method, stream grpc.ServerStream, admitted *promise) error {
	call := f.begin(begin.method, admitted.account)
	defer f.forget(call)
	defer func() { admitted.keep() }()
	f.link.send(open, call.number, begin.packed())
	if method.hasRequests {
		go f.read(call, stream)
	}
	for {
		var said word
		select {
		case said = <-call.words:
		case err := <-call.broken:
			f.link.send(gone, call.number, nil)
			return err
		case <-stream.Context().Done():
			f.link.send(gone, call.number, nil)
			return status.FromContextError(stream.Context().Err()).Err()
		}
		switch said.kind {
		case end:
			if method.hasResponses {
				return nil
			}
			return stream.SendMsg(said.answer)
		case fail:
			return statusOf(said.body)
		case response:
			admitted.keep()
			next, err := f.pass(call, said.answer, stream)
			if err != nil {
				f.link.send(gone, call.number, nil)
				return err
			}
			admitted = next
		}
	}
}

// pass gives a response of a stream to gRPC, and asks for the next one when it has room.
func (f *front) pass(call *call, answer mem.Buffer, stream grpc.ServerStream) (*promise, error) {
	if err := stream.SendMsg(answer); err != nil {
		return nil, err
	}
	admitted, err := call.account.admit(stream.Context(), call.method)
	if err != nil {
		return nil, err
	}
	f.link.send(taken, call.number, nil)
	return admitted, nil
}

func (f *front) begin(method int, account *account) *call {
	made := &call{
		number:  f.numbers.Add(1),
		method:  method,
		account: account,
		words:   make(chan word, mostWords),
		broken:  make(chan error, 1),
		window:  newWindow(),
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls[made.number] = made
	if f.over {
		made.fail(errGone)
	}
	return made
}

func (f *front) forget(call *call) {
	f.mutex.Lock()
	delete(f.calls, call.number)
	f.mutex.Unlock()
	for {
		select {
		case said := <-call.words:
			if said.answer != nil {
				said.answer.Free()
			}
		default:
			return
		}
	}
}

// read reads the requests of a call, as its window allows.
func (f *front) read(call *call, stream grpc.ServerStream) {
	for call.window.mayRead(stream.Context()) {
		var body []byte
		err := stream.RecvMsg(&body)
		if err == io.EOF {
			f.link.send(lastRequest, call.number, nil)
			return
		}
		if err != nil {
			call.fail(err)
			return
		}
		call.window.wasRead(len(body))
		f.link.send(request, call.number, body)
	}
}

func (c *call) fail(err error) {
	select {
	case c.broken <- err:
	default:
	}
}

// facts returns JSON of what decides who calls.
func (f *front) facts(ctx context.Context) []byte {
	if len(f.options.headers) == 0 {
		return nil
	}
	headers, names := [][3]string{}, map[string][]string{}
	sent, _ := metadata.FromIncomingContext(ctx)
	for _, name := range f.options.headers {
		for _, value := range sent[name] {
			headers = append(headers, header(name, value))
		}
	}
	if f.options.isIdentified {
		names = certificateNames(ctx)
	}
	made, err := json.Marshal([]any{headers, names})
	if err != nil {
		return nil
	}
	return made
}

// header returns a name and its value: as a text, or as the hexadecimal digits of bytes.
func header(name, value string) [3]string {
	if strings.HasSuffix(name, "-bin") {
		return [3]string{name, "", hex.EncodeToString([]byte(value))}
	}
	return [3]string{name, value, ""}
}

// certificateNames returns the names of the client's certificate; see namesOf.
func certificateNames(ctx context.Context) map[string][]string {
	from, _ := peer.FromContext(ctx)
	shaken, isTLS := from.AuthInfo.(credentials.TLSInfo)
	if !isTLS || len(shaken.State.PeerCertificates) == 0 {
		return map[string][]string{}
	}
	return namesOf(shaken.State.PeerCertificates[0])
}

// namesOf returns the names of a certificate, under gRPC's names for them, in hexadecimal digits: the alternative ones,
// or the common one where there is but one, and none of the others of whatever kind.
func namesOf(shown *x509.Certificate) map[string][]string {
	names := map[string][]string{}
	add := func(kind string, name string) {
		names[kind] = append(names[kind], hex.EncodeToString([]byte(name)))
	}
	if !hasAlternativeNames(shown) && commonNames(shown) == 1 {
		add("x509_common_name", shown.Subject.CommonName)
	}
	for _, name := range slices.Concat(shown.DNSNames, shown.EmailAddresses) {
		add("x509_subject_alternative_name", name)
	}
	for _, name := range shown.URIs {
		add("x509_subject_alternative_name", name.String())
	}
	for _, name := range shown.IPAddresses {
		add("x509_subject_alternative_name", name.String())
	}
	return names
}

// hasAlternativeNames tells whether there are any, also of kinds that Go does not read.
func hasAlternativeNames(shown *x509.Certificate) bool {
	return slices.ContainsFunc(shown.Extensions, func(each pkix.Extension) bool {
		return each.Id.Equal(alternativeNames)
	})
}

func commonNames(shown *x509.Certificate) int {
	count := 0
	for _, each := range shown.Subject.Names {
		if each.Type.Equal(commonName) {
			count++
		}
	}
	return count
}

func statusOf(body []byte) error {
	failed, err := failureOf(body)
	if err != nil {
		return status.Error(codes.Unknown, "the method failed")
	}
	made := &spb.Status{Code: int32(failed.code), Message: failed.message}
	if len(failed.details) > 0 {
		if err := proto.Unmarshal(failed.details, made); err != nil {
			return status.Error(codes.Code(failed.code), failed.message)
		}
	}
	return status.ErrorProto(made)
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	levelInfo    = 20
	levelWarning = 30
	levelError   = 40
	loggerName   = "memory_server.transport.front"
)

// certificates are the server's certificate, its key, and the authority of the clients' certificates, from files that
// may be replaced while the server runs. Files that cannot be used leave the last good ones in place, and the memory
// server's log and metrics say so, once for each change; see memory_server/transport/tls.py, which this is alike.
type certificates struct {
	files tlsFiles
	link  *link

	mutex sync.Mutex
	seen  []signature
	now   *tls.Config
}

// signature is what changes whenever a file does, or the symbolic link by which Kubernetes swaps all files of a Secret.
type signature struct {
	device, inode uint64
	changed       time.Time
	size          int64
}

func newCertificates(files tlsFiles, link *link) (*certificates, error) {
	made := &certificates{files: files, link: link}
	made.seen = made.signatures()
	now, err := made.load()
	made.now = now
	return made, err
}

// config returns what a port is opened with.
func (c *certificates) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: c.current}
}

// current returns what holds for a handshake.
func (c *certificates) current(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	seen := c.signatures()
	if slices.Equal(seen, c.seen) {
		return c.now, nil
	}
	c.seen = seen
	loaded, err := c.load()
	if err != nil {
		c.tell("failed", levelError, err.Error())
		return c.now, nil
	}
	c.now = loaded
	c.tell("done", levelInfo, "took over new certificates")
	return c.now, nil
}

func (c *certificates) tell(outcome string, level int, message string) {
	c.link.tell(map[string]any{"tls_reload": outcome})
	c.link.tell(map[string]any{"log": map[string]any{
		"logger": loggerName, "level": level, "message": message, "extra": map[string]any{"file": c.files.certificate},
	}})
}

func (c *certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.files.certificate, c.files.key)
	if err != nil {
		return nil, fmt.Errorf("the TLS certificate and its key cannot be used together: %w", err)
	}
	made := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2"},
	}
	if c.files.authority == "" {
		return made, nil
	}
	authority, err := os.ReadFile(c.files.authority)
	if err != nil {
		return nil, fmt.Errorf("a TLS file cannot be read: %w", err)
	}
	made.ClientCAs, made.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !made.ClientCAs.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("the authority of the clients' certificates cannot be used: %s", c.files.authority)
	}
	return made, nil
}

func (c *certificates) signatures() []signature {
	var found []signature
	for _, path := range []string{c.files.certificate, c.files.key, c.files.authority} {
		var one signature
		if about, err := os.Stat(path); err == nil {
			one.changed, one.size = about.ModTime(), about.Size()
			if system, known := about.Sys().(*syscall.Stat_t); known {
				one.device, one.inode = uint64(system.Dev), system.Ino
			}
		}
		found = append(found, one)
	}
	return found
}

package traffic

import (
	"encoding/json"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// streamBlock is what one write to a stream holds, and one read at most. It stays in
// the second-level cache.
const streamBlock = 128 << 10

// countStreams serves a tcp job: a count for each line, until there are no more.
func (s *Sink) countStreams(c *control, r request) error {
	bytes := new(atomic.Int64)
	s.mu.Lock()
	_, taken := s.streams[r.Token]
	if !taken {
		s.streams[r.Token] = bytes
	}
	s.mu.Unlock()
	if taken {
		return fmt.Errorf("token %d is in use", r.Token)
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, r.Token)
	}()
	start := time.Now()
	if err := c.enc.Encode(ready{}); err != nil {
		return nil
	}
	for {
		var question json.RawMessage
		if c.dec.Decode(&question) != nil {
			return nil
		}
		if c.enc.Encode(count{bytes.Load(), time.Since(start).Nanoseconds()}) != nil {
			return nil
		}
	}
}

// drain serves a stream: it reads to the end and counts.
func (s *Sink) drain(conn net.Conn, r request) error {
	s.mu.Lock()
	bytes := s.streams[r.Token]
	s.mu.Unlock()
	if bytes == nil {
		return fmt.Errorf("no measurement has token %d", r.Token)
	}
	buf := make([]byte, streamBlock)
	for {
		n, err := conn.Read(buf)
		bytes.Add(int64(n))
		if err != nil {
			return nil
		}
	}
}

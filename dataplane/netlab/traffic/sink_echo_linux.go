package traffic

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// echo serves an echo job: it sends each datagram back until the client is gone.
func (s *Sink) echo(c *control, _ request) error {
	socket, err := openUDP(s.place, c.local())
	if err != nil {
		return err
	}
	defer socket.close()
	if err := socket.patience(receiveTick); err != nil {
		return err
	}
	port, err := socket.port()
	if err != nil {
		return err
	}
	var stop atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		bounce(socket, &stop)
	}()
	if c.enc.Encode(ready{Ports: []uint16{port}}) == nil {
		c.end()
	}
	stop.Store(true)
	<-ended
	return nil
}

// bounce sends back what comes until stop. A datagram that cannot be sent back is
// lost, as the client will see.
func bounce(socket *udpSocket, stop *atomic.Bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	msgs := newMessages(1, receiveSize)
	for !stop.Load() {
		msgs.withNames(unix.SizeofSockaddrInet6)
		msgs.iovecs[0].SetLen(receiveSize)
		if n, _ := recvmmsg(socket.fd, msgs.headers, 0); n != 1 {
			continue
		}
		// The header now holds the sender's address.
		msgs.iovecs[0].SetLen(int(msgs.headers[0].len))
		_, _ = sendmmsg(socket.fd, msgs.headers)
	}
}

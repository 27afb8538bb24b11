// Package traffic makes traffic and counts what arrives: TCP streams, UDP at a paced
// rate, and ping-pong. It is what vxtap bench measures tunnels with.
//
// A [Sink] stands at the far end and a [Client] at the near one, each in a network
// namespace of its own, mostly in processes of their own:
//
//	sink, err := traffic.Listen(b.Do, netip.MustParseAddrPort("[::]:7348"))
//	go sink.Serve(ctx)
//	client := traffic.NewClient(a.Do, netip.MustParseAddrPort("10.9.0.2:7348"))
//	res, err := client.UDP(ctx, traffic.UDPConfig{Sizes: []int{64}, Flows: 1, Rate: 100e3, Duration: time.Second})
//	fmt.Println(res.Loss())
//
// Everything between the two takes the way that is measured: each measurement begins
// with a TCP connection to the sink, its control connection, over which they agree on
// ports and the sink reports what it counted. What arrived is counted where it arrives,
// never inferred from what was sent.
//
// Neither end uses the offloads for UDP (UDP_SEGMENT, UDP_GRO): a datagram counted is a
// datagram that a program would have had to send and receive. Many of them move in one
// system call (sendmmsg, recvmmsg), since otherwise the generator would be what is
// measured.
//
// It needs Linux. Elsewhere it compiles, and Listen and the measurements say so.
package traffic

// Place opens sockets in a network namespace: it calls open on a thread that is there,
// and returns its error. It is the Do method of a netlab.Host; [Here] is the namespace of
// the process.
type Place func(open func() error) error

// Here is the namespace that the process is in.
func Here(open func() error) error { return open() }

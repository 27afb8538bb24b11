package underlay_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vxtap/vxtap/dataplane/underlay"
	"github.com/vxtap/vxtap/encap"
)

func openQueues(t *testing.T, config underlay.Config, n int) []*underlay.Socket {
	t.Helper()
	queues, err := underlay.OpenQueues(config, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		t.Cleanup(func() { q.Close() })
	}
	return queues
}

// collect receives from every queue until n datagrams came, and returns those of each
// queue.
func collect(t *testing.T, queues []*underlay.Socket, n int) [][]encap.Datagram {
	t.Helper()
	type arrival struct {
		queue int
		dgram encap.Datagram
	}
	arrivals := make(chan arrival)
	for i, q := range queues {
		go func() {
			batch := make([]encap.Datagram, underlay.Batch)
			for {
				for j := range batch {
					batch[j].Data = make([]byte, 1000)
				}
				got, err := q.Recv(batch)
				if err != nil {
					return // closed when the test ends
				}
				for _, d := range batch[:got] {
					arrivals <- arrival{i, d}
				}
			}
		}()
	}
	all := make([][]encap.Datagram, len(queues))
	for range n {
		a := <-arrivals
		all[a.queue] = append(all[a.queue], a.dgram)
	}
	for _, q := range queues {
		q.Close()
	}
	return all
}

// All flows arrive, each at one queue and in order, and every queue has its share.
func TestFlowsStayWithTheirQueue(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		const senders, rounds = 8, 20
		config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
		queues := openQueues(t, config, 2)
		// A flow's datagrams hold its number and their own.
		for s := range senders {
			from := open(t, config)
			for round := range rounds {
				for source := range from.Sources() {
					flow := uint32(s*from.Sources() + source)
					data := binary.BigEndian.AppendUint32(nil, flow<<16|uint32(round))
					send(t, from, encap.Datagram{Data: data, Remote: queues[0].Local(), Source: uint8(source)})
				}
			}
		}
		seen := map[uint32]int{}
		for i, arrived := range collect(t, queues, senders*rounds*underlay.DefaultSources) {
			if len(arrived) == 0 {
				t.Errorf("%v: queue %d received nothing", local, i)
			}
			next := map[uint32]uint32{}
			for _, d := range arrived {
				word := binary.BigEndian.Uint32(d.Data)
				flow, round := word>>16, word&0xffff
				if round != next[flow] {
					t.Errorf("%v: flow %d has %d where %d was due at queue %d", local, flow, round, next[flow], i)
				}
				next[flow]++
			}
			for flow := range next {
				seen[flow]++
			}
		}
		for flow, n := range seen {
			if n != 1 {
				t.Errorf("%v: flow %d came to %d queues", local, flow, n)
			}
		}
	}
}

func TestQueuesHaveTheirOwnSourcePorts(t *testing.T) {
	queues := openQueues(t, underlay.Config{Local: netip.AddrPortFrom(v4, 0)}, underlay.MaxQueues)
	var ports []uint16
	for _, q := range queues {
		if q.Local() != queues[0].Local() {
			t.Errorf("one queue is at %v, another at %v", queues[0].Local(), q.Local())
		}
		ports = append(ports, q.SourcePorts()...)
	}
	slices.Sort(ports)
	if n := len(slices.Compact(slices.Clone(ports))); n != len(ports) || n != underlay.MaxQueues*underlay.DefaultSources {
		t.Errorf("%d different source ports of %d", n, len(ports))
	}
}

// Whoever comes first has the port, whatever either's number of queues, and the other is
// told who that is.
func TestSecondAgentIsRefused(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		for _, n := range [][2]int{{1, 2}, {2, 1}, {2, 2}} {
			config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
			one := openQueues(t, config, n[0])
			config.Local = one[0].Local()
			_, err := underlay.OpenQueues(config, n[1])
			want := fmt.Sprintf("process %d (", os.Getpid())
			var taken *underlay.PortTakenError
			if !errors.As(err, &taken) || !strings.HasPrefix(taken.Owner, want) {
				t.Errorf("%v, %d queues and then %d: %v, want owner %q", local, n[0], n[1], err, want)
			}
			for _, q := range one {
				q.Close()
			}
			for _, q := range openQueues(t, config, n[1]) {
				q.Close()
			}
		}
	}
}

func TestQueuesBesideTheKernel(t *testing.T) {
	inNamespace(t)
	address(t, "lo", "10.9.0.1/32")
	config := underlay.Config{Local: netip.MustParseAddrPort("10.9.0.1:4789")}
	vxlan := &netlink.Vxlan{
		LinkAttrs: netlink.LinkAttrs{Name: "vxlan7"},
		VxlanId:   7, Port: 4789, SrcAddr: config.Local.Addr().AsSlice(), Learning: true,
	}
	if err := netlink.LinkAdd(vxlan); err != nil {
		t.Fatal(err)
	}
	queues := openQueues(t, config, 2)
	if err := netlink.LinkSetUp(vxlan); err == nil {
		t.Error("the kernel takes a port that two queues have")
	}
	for _, q := range queues {
		q.Close()
	}
	up(t, "vxlan7")
	_, err := underlay.OpenQueues(config, 2)
	var taken *underlay.PortTakenError
	if !errors.As(err, &taken) || taken.Owner != "kernel VXLAN interface vxlan7" {
		t.Errorf("two queues where the kernel is: %v", err)
	}
}

func TestNumberOfQueues(t *testing.T) {
	config := underlay.Config{Local: netip.AddrPortFrom(v4, 0)}
	for _, n := range []int{-1, 0, underlay.MaxQueues + 1} {
		if _, err := underlay.OpenQueues(config, n); err == nil {
			t.Errorf("%d queues were opened", n)
		}
	}
	config.Portable = true
	if _, err := underlay.OpenQueues(config, 2); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("two portable queues: %v", err)
	}
}

// Without offloads no train is sent, and one that arrives does so in parts.
func TestNoOffload(t *testing.T) {
	for _, local := range []netip.Addr{v4, v6} {
		config := underlay.Config{Local: netip.AddrPortFrom(local, 0)}
		a := open(t, config)
		config.NoOffload = true
		b := open(t, config)
		if b.TrainLimit() != 1 || a.TrainLimit() == 1 {
			t.Errorf("%v: trains of %d without and %d with offloads", local, b.TrainLimit(), a.TrainLimit())
		}
		for _, name := range []string{underlay.FeatureGSO, underlay.FeatureGRO} {
			if inForce(t, b, name) {
				t.Errorf("%v: %s is in force", local, name)
			}
		}
		send(t, a, encap.Datagram{Data: pattern(2500), SegmentSize: 1000, Remote: b.Local()})
		for i, got := range receive(t, b, 3) {
			if want := min(1000, 2500-1000*i); len(got.Data) != want || got.SegmentSize != 0 {
				t.Errorf("%v: datagram %d has %d bytes and segments of %d", local, i, len(got.Data), got.SegmentSize)
			}
		}
	}
}

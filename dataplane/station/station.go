package station

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxtap/vxtap/encap"
)

// Packets is one queue of the device. Frames have an Ethernet header, but its addresses
// are blank when they are read, and not looked at when they are written. The contract is
// dataplane.Queue's.
type Packets interface {
	Read(frames []encap.Frame) (int, error)
	Write(frames []encap.Frame) (int, error)
	Offloads() encap.OffloadSet
	FD() int
	Notify(ready func())
}

// Config says what a station is made from.
type Config struct {
	// MAC is the station's address, which is not zero nor a group's.
	MAC encap.MAC
	// Queues are the device's, at least one. They stay the caller's to close, after the
	// station.
	Queues []Packets
	// Addressing reads which addresses and routes the interface has. It is called by one
	// goroutine, fifty times a second at most.
	Addressing func() (Addressing, error)
}

// Station is an IP device as a station on an Ethernet.
type Station struct {
	mac     encap.MAC
	queues  []*Queue
	read    func() (Addressing, error)
	plan    atomic.Pointer[plan] // replaced by the clerk, under mu
	table   table
	letters chan letter   // what others ask and answer
	woken   chan struct{} // the clerk has something to do
	stop    chan struct{}
	done    sync.WaitGroup
	desk    desk
	doubted atomic.Bool // a frame was refused by what is known of addresses

	mu      sync.Mutex // guards what follows, changes of the table, and its neighbours' affairs
	kept    int        // bytes of all packets that wait, or are on their way to be read
	own     int        // frames of ours that are on their way to be read
	fresh   bool       // there are neighbours that nobody was asked for yet
	crowded bool       // there are as many as there may be, and all are in use
	closed  bool

	// The clerk's own.
	news                []*Queue // have more to be read since mu was taken
	errors              []kept   // for the device, since mu was taken
	questions, readings budget
}

// New starts a station. It returns an error if addresses and routes cannot be read.
func New(c Config) (*Station, error) {
	if !c.MAC.IsUnicast() {
		return nil, fmt.Errorf("bad MAC %v: a station needs one of its own", c.MAC)
	}
	if len(c.Queues) == 0 {
		return nil, errors.New("a station needs a queue of a device")
	}
	s := &Station{
		mac:     c.MAC,
		read:    c.Addressing,
		letters: make(chan letter, maxLetters),
		woken:   make(chan struct{}, 1),
		stop:    make(chan struct{}),
	}
	s.table.init()
	for _, device := range c.Queues {
		q := &Queue{station: s, device: device}
		q.notify.Store(new(func()))
		s.queues = append(s.queues, q)
	}
	a, err := s.read()
	if err != nil {
		return nil, err
	}
	s.plan.Store(newPlan(a))
	now := time.Now()
	s.questions = budget{each: maxQuestions, left: maxQuestions, asOf: now}
	s.readings = budget{each: maxReadings, left: maxReadings, asOf: now}
	s.desk = desk{asOf: now, order: make(chan struct{}, 1), result: make(chan reading, 1)}
	s.done.Go(s.work)
	s.done.Go(s.readOn)
	return s, nil
}

// Queues returns as many queues as the device has. They satisfy dataplane.Queue.
func (s *Station) Queues() []*Queue { return s.queues }

// Close ends the station. Packets that wait are lost. The device's queues can be closed
// then; to close twice is to close once.
func (s *Station) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if !was {
		close(s.stop)
	}
	s.done.Wait()
	return nil
}

// wake has the clerk look at what there is to do.
func (s *Station) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

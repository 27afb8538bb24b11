package crypto

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors in testdata anew")

const vectorFile = "testdata/sealed.json"

// vector is a sealed packet and all that it is made of. Bytes are in hexadecimal; the
// counter is decimal text, as JSON's numbers do not reach so far everywhere.
type vector struct {
	Name    string    `json:"name"`
	Suite   string    `json:"suite"`
	Split   hexBytes  `json:"split"`  // the direction's key of Noise's Split
	Hash    hexBytes  `json:"hash"`   // of the handshake
	Sender  direction `json:"sender"` // whose direction it is
	Key     hexBytes  `json:"key"`    // derived
	Type    byte      `json:"type"`
	Flags   uint16    `json:"flags"`
	Index   uint32    `json:"index"`
	Queue   int       `json:"queue"`
	Counter string    `json:"counter"` // without the queue
	Plain   hexBytes  `json:"plain"`   // a VXLAN header and a frame
	Packet  hexBytes  `json:"packet"`
}

type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// arpFrame is a VXLAN header of network 42 and an ARP request.
const arpFrame = "0800000000002a00" + "ffffffffffff" + "02420a4d0001" + "0806" +
	"0001080006040001" + "02420a4d0001" + "0a4d0001" + "000000000000" + "0a4d0002"

// makeVectors makes the vectors, or with a source of random numbers, others like them.
func makeVectors(t *testing.T, random *rand.Rand) []vector {
	arp, err := hex.DecodeString(arpFrame)
	if err != nil {
		t.Fatal(err)
	}
	full := make([]byte, 1450)
	for i := range full {
		full[i] = byte(i)
	}
	var vectors []vector
	for _, suite := range []Suite{AES128GCM, AES256GCM} {
		for _, v := range []vector{
			{Name: "the first of a queue", Sender: fromInitiator, Type: TypeData, Counter: "0", Plain: arp},
			{Name: "the other direction", Sender: fromResponder, Type: TypeData, Counter: "0", Plain: arp},
			{Name: "partial checksum", Sender: fromInitiator, Type: TypeData, Flags: FlagPartialChecksum, Queue: 1, Counter: "258", Plain: arp},
			{Name: "the last queue's last counter", Sender: fromResponder, Type: TypeData, Queue: 15, Counter: "72057594037927935", Plain: arp},
			{Name: "control queue", Sender: fromInitiator, Type: TypeData, Queue: ControlQueue, Counter: "7", Plain: arp},
			{Name: "keepalive without a body", Sender: fromResponder, Type: TypeKeepalive, Queue: ControlQueue, Counter: "8"},
			{Name: "a full packet", Sender: fromInitiator, Type: TypeData, Queue: 2, Counter: "4294967295", Plain: full},
		} {
			v.Name, v.Suite = suite.String()+", "+v.Name, suite.String()
			v.Split, v.Hash, v.Index = full[0x10:0x30], full[0x80:0xa0], 0xc0ffee42
			if random != nil {
				v.Split, v.Hash, v.Index = randomBytes(random, 32), randomBytes(random, 32), random.Uint32()
				v.Counter = strconv.FormatUint(random.Uint64N(counterMask), 10)
				v.Plain = randomBytes(random, random.IntN(3000))
			}
			v.Key, v.Packet = sealVector(t, suite, v)
			vectors = append(vectors, v)
		}
	}
	return vectors
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func sealVector(t *testing.T, suite Suite, v vector) (key, packet []byte) {
	t.Helper()
	key, err := deriveKey(suite, [32]byte(v.Split), [32]byte(v.Hash), v.Sender)
	if err != nil {
		t.Fatal(err)
	}
	const unlimited = (MaxQueues + 1) << queueShift // for counters that no sender reaches
	k, err := newSendKeyLimited(suite, key, v.Index, MaxQueues, nil, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	counter, err := strconv.ParseUint(v.Counter, 10, queueShift)
	if err != nil {
		t.Fatal(err)
	}
	k.queues[slot(v.Queue, MaxQueues)].sent.Store(counter)
	packet, ok := k.seal(v.Type, v.Queue, nil, v.Plain, v.Flags)
	if !ok {
		t.Fatalf("%s: not sealed", v.Name)
	}
	return key, packet
}

// The format is held to the byte; what was sealed by an earlier version opens.
func TestVectors(t *testing.T) {
	made := makeVectors(t, nil)
	if *update {
		writeVectors(t, filepath.FromSlash(vectorFile), made)
	}
	text, err := os.ReadFile(filepath.FromSlash(vectorFile))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != len(made) {
		t.Fatalf("%d vectors in %s, want %d", len(vectors), vectorFile, len(made))
	}
	for i, v := range vectors {
		if got, want := fmt.Sprintf("%x", made[i]), fmt.Sprintf("%x", v); got != want {
			t.Errorf("%s (go test -update writes it anew):\n got %s\nwant %s", v.Name, got, want)
		}
		openVector(t, v)
	}
}

func openVector(t *testing.T, v vector) {
	t.Helper()
	suite := AES128GCM
	if v.Suite == AES256GCM.String() {
		suite = AES256GCM
	}
	k, err := newRecvKey(suite, v.Key, v.Index, MaxQueues)
	if err != nil {
		t.Fatal(err)
	}
	plain, flags, verdict := k.Open(bytes.Clone(v.Packet))
	if verdict != Opened || flags != v.Flags || !bytes.Equal(plain, v.Plain) {
		t.Errorf("%s: %v, flags %#x, %x", v.Name, verdict, flags, plain)
	}
}

func writeVectors(t *testing.T, file string, vectors []vector) {
	t.Helper()
	text, err := json.MarshalIndent(vectors, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Another implementation, in another language on another library, derives the same keys
// and reads the same packets: those in testdata, and others that were never there before.
func TestVectorsInNode(t *testing.T) {
	seed := rand.Uint64()
	fresh := filepath.Join(t.TempDir(), "fresh.json")
	made := makeVectors(t, rand.New(rand.NewPCG(seed, 0)))
	writeVectors(t, fresh, made)
	for _, file := range []string{filepath.FromSlash(vectorFile), fresh} {
		out, err := exec.CommandContext(t.Context(), "node", filepath.FromSlash("testdata/open.mjs"), file).CombinedOutput()
		if err != nil {
			t.Fatalf("node, on %s (seed %d): %v\n%s", file, seed, err, out)
		}
		if got, want := strings.TrimSpace(string(out)), fmt.Sprintf("%d vectors", len(made)); got != want {
			t.Errorf("node, on %s: %q, want %q", file, got, want)
		}
	}
}

package encap

import (
	"encoding/binary"
	"math/bits"
)

// TCP options (RFC 9293 section 3.2).
const (
	optionEnd     = 0
	optionNothing = 1
	optionMSS     = 2
	mssOptionSize = 4
)

// MSSFor returns the segment size of TCP for IP packets of mtu bytes: without the headers,
// whose options TCP subtracts by itself (RFC 6691).
func MSSFor(l *Layers, mtu int) int {
	if l.EtherType == EtherTypeIPv6 {
		return mtu - IPv6Size - TCPMinSize
	}
	return mtu - IPv4MinSize - TCPMinSize
}

// IsSYN reports whether a frame opens a TCP connection, or answers one that does.
func IsSYN(frame []byte, l *Layers) bool {
	return l.Proto == ProtoTCP && l.Payload != 0 && TCP(frame[l.L4:]).Flags()&TCPSyn != 0
}

// ClampMSS lowers the maximum segment size that a SYN announces to mss, and reports
// whether it had to. A SYN without the option asks for no more than every path carries,
// and stays as it is.
//
// The checksum is corrected by the difference (RFC 1624), so that a wrong one stays wrong;
// one that is partial does not cover the option, and is left alone.
func ClampMSS(frame []byte, l *Layers, mss uint16, partial bool) bool {
	if !IsSYN(frame, l) {
		return false
	}
	at := mssOption(frame, l)
	if at == 0 {
		return false
	}
	old := binary.BigEndian.Uint16(frame[at:])
	if old <= mss {
		return false
	}
	binary.BigEndian.PutUint16(frame[at:], mss)
	if partial {
		return true
	}
	if (at-l.L4)%2 != 0 { // its bytes lie in two words, the lower one first
		old, mss = bits.ReverseBytes16(old), bits.ReverseBytes16(mss)
	}
	tcp := TCP(frame[l.L4:])
	tcp.SetChecksum(UpdateChecksum16(tcp.Checksum(), old, mss))
	return true
}

// mssOption returns where the value of the MSS option lies in a frame, or 0.
func mssOption(frame []byte, l *Layers) int {
	options := frame[l.L4+TCPMinSize : l.Payload]
	for i := 0; i < len(options); {
		switch options[i] {
		case optionEnd:
			return 0
		case optionNothing:
			i++
			continue
		}
		if len(options)-i < 2 || options[i+1] < 2 || int(options[i+1]) > len(options)-i {
			return 0
		}
		if options[i] == optionMSS && options[i+1] == mssOptionSize {
			return l.L4 + TCPMinSize + i + 2
		}
		i += int(options[i+1])
	}
	return 0
}

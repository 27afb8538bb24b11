package traffic

import "encoding/binary"

// Every datagram begins with a header; what follows is filling.
//
//	0..3   token   of the measurement, so that stragglers of another are not counted
//	4..11  number  of the datagram in its flow, from 0
const headerSize = 12

func putHeader(b []byte, token uint32, number uint64) {
	binary.BigEndian.PutUint32(b, token)
	binary.BigEndian.PutUint64(b[4:], number)
}

// parseHeader returns the number of a datagram; ok is false if the datagram is not of
// this measurement.
func parseHeader(b []byte, token uint32) (number uint64, ok bool) {
	if len(b) < headerSize || binary.BigEndian.Uint32(b) != token {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[4:]), true
}

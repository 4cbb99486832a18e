package libav

import (
	"bytes"

	"github.com/asticode/go-astiav"
)

// A message is a NAL unit of SEI that goes into packets of H.264 or HEVC; without a unit
// nothing does.
type message struct {
	unit []byte // without a start code
	hevc bool
	// prefix is how many bytes before each NAL unit of a packet say its length; 0 where
	// start codes part them.
	prefix int
}

// orientationMessage says how pictures are to be turned (H.264, D.2.27; H.265, D.2.17:
// display orientation). Of upright pictures, and of other codecs, it is empty. Header is
// the codec's own, if it is apart from the packets.
func orientationMessage(o orientation, codec astiav.CodecID, header []byte) message {
	m := message{hevc: codec == astiav.CodecIDHevc}
	if o == upright || codec != astiav.CodecIDH264 && !m.hevc {
		return message{}
	}
	switch { // ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1
	case len(header) > 22 && header[0] == 1 && m.hevc:
		m.prefix = int(header[21]&3) + 1
	case len(header) > 6 && header[0] == 1 && !m.hevc:
		m.prefix = int(header[4]&3) + 1
	}
	// The standards flip first and turn then, anticlockwise.
	flip := o.a*o.d-o.b*o.c < 0
	if flip {
		o.a, o.b = -o.a, -o.b
	}
	quarters := uint32(360-o.rotation()) / 90 % 4
	bits := quarters << 14 << 5 // cancel flag, two flips, 16 bits of angle, and five more
	if flip {
		bits |= 1 << 22
	}
	m.unit = []byte{0x06}
	if m.hevc {
		m.unit = []byte{0x4e, 0x01} // a prefix SEI
		bits |= 1<<4 | 1<<3         // it persists; and the bit that ends a payload
	} else {
		bits |= 2<<2 | 1 // it persists: a period of 1 is 010; no extension; and the last bit
	}
	m.unit = append(m.unit, 47, 3, byte(bits>>16), byte(bits>>8), byte(bits), 0x80)
	return m
}

// insert puts the message before the first slice of a packet. libav's decoder forgets that
// of H.264 after a picture, so each has it.
func (m message) insert(pkt *astiav.Packet) error {
	if m.unit == nil || m.hevc && !pkt.Flags().Has(astiav.PacketFlagKey) {
		return nil
	}
	if m.prefix > 0 {
		return m.insertWithLength(pkt)
	}
	body := payload(pkt)
	for at := 0; ; {
		next := bytes.Index(body[at:], []byte{0, 0, 1})
		if next < 0 || at+next+3 >= len(body) {
			return nil // there is no slice
		}
		start := at + next
		at = start + 3
		if !m.slice(body[at]) {
			continue
		}
		if start > 0 && body[start-1] == 0 { // a start code of four bytes
			start--
		}
		return insertBytes(pkt, start, append([]byte{0, 0, 0, 1}, m.unit...))
	}
}

func (m message) insertWithLength(pkt *astiav.Packet) error {
	body := payload(pkt)
	for at := 0; at+m.prefix < len(body); {
		if m.slice(body[at+m.prefix]) {
			length := make([]byte, m.prefix)
			length[m.prefix-1] = byte(len(m.unit))
			return insertBytes(pkt, at, append(length, m.unit...))
		}
		length := 0
		for _, b := range body[at : at+m.prefix] {
			length = length<<8 | int(b)
		}
		at += m.prefix + length
	}
	return nil
}

// slice reports whether a NAL unit that begins so is of a picture.
func (m message) slice(first byte) bool {
	if m.hevc {
		return first>>1&0x3f < 32
	}
	return first&0x1f >= 1 && first&0x1f <= 5
}

package libav

import (
	"fmt"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/mosaicd/mosaicd/ffmpeg"
)

// A timeline repairs single times that do not rise where those before and after them do:
// muxers and recorders lose count now and then. It knows the time before, and is shown
// each with the one that follows. Units are those of the stream.
type timeline struct {
	prev    int64
	running bool
	// equal: two of one time are no fault.
	equal bool
	// most is how many in a row may go back: MPEG-TS has a time for several packets of
	// sound together.
	most int

	repaired int64 // times
	faults   int64 // of these, the ones that were more than a step off, a row of them as one
	first    int64 // of them, as it was
	total    int64

	row        int   // of times that go back
	from, back int64 // of the row: the time before it, and the first of it
	broken     bool  // a row did not end where it would have without
}

// settle returns the time of one whose own is held, where next follows it, if last is not
// set. Step is how long it lasts. Times that can't be repaired come back as they are.
func (t *timeline) settle(held, next, step int64, last bool) int64 {
	at := t.judge(held, next, max(step, 1), last)
	if at != held {
		if t.repaired == 0 {
			t.first = held
		}
		t.repaired++
		if off(at, held) > step && t.row <= 1 {
			t.faults++
		}
	}
	t.total++
	t.prev, t.running = at, true
	return at
}

func (t *timeline) judge(held, next, step int64, last bool) int64 {
	rises := func(a, b int64) bool { return a < b || t.equal && a == b }
	if !t.running {
		if !last && !rises(held, next) && held-next > 2*step {
			return next - step // it is the first that is far off, and not the second
		}
		return held
	}
	if rises(t.prev, held) {
		t.broken = t.broken || t.row > 1 && off(held, t.prev+step) > 2*step
		if !t.broken {
			t.row = 0
		}
	} else if t.row++; t.row == 1 {
		t.from, t.back = t.prev, held
	} else if t.most > 0 && t.row >= t.most {
		t.broken = true
	}
	switch {
	case last && rises(t.prev, held), !last && rises(t.prev, held) && rises(held, next):
		return held
	case last:
		return t.prev + step
	case !rises(t.prev, held) && t.row < t.most && next <= t.prev+step:
		return t.prev + step
	case next-t.prev < 2: // there is no room: or what follows is odd, too
		return held
	case !rises(t.prev, held) || off(held, t.prev+step) > off(next, t.prev+2*step):
		if t.prev+step < next {
			return t.prev + step
		}
		return t.prev + (next-t.prev)/2
	}
	return held // the next one is odd
}

func off(a, b int64) int64 { return max(a-b, b-a) }

// tooMany is the share of times that may be repaired: one in so many. A single one always
// may.
const tooMany = 20

// verdict refuses a stream of which too many times were wrong: nobody can say when the
// others are to be seen or heard.
func (t *timeline) verdict(stream int, base astiav.Rational, odd int64) error {
	if t.broken || t.row > 1 {
		return t.backwards(stream, base)
	}
	if odd > 1 && odd*tooMany > t.total {
		return ffmpeg.Errorf(ffmpeg.CodeInvalid, "timestamps of stream %d do not rise: %d of %d had to be repaired",
			stream, odd, t.total)
	}
	return nil
}

// backwards says where times went back for good.
func (t *timeline) backwards(stream int, base astiav.Rational) error {
	return ffmpeg.Errorf(ffmpeg.CodeInvalid, "timestamps of stream %d go back from %s to %s",
		stream, toDuration(t.from, base), toDuration(t.back, base))
}

// report says what was repaired; nil is nothing.
func (t *timeline) report(name string, stream int, base astiav.Rational) []ffmpeg.Repair {
	if t.repaired == 0 {
		return nil
	}
	first := toDuration(t.first, base)
	what := fmt.Sprintf("%s: %d of its timestamps did not fit those before and after them, the first at %s",
		name, t.repaired, first.Round(time.Millisecond))
	return []ffmpeg.Repair{{Stream: stream, Timestamps: t.repaired, FirstSeconds: first.Seconds(), What: what}}
}

// A holder keeps a packet back until the next one of its stream is known. It owns it.
type holder struct {
	timeline
	pkt, spare *astiav.Packet
	full       bool
}

// mostInARow is more packets of sound than MPEG-TS has for one time.
const mostInARow = 16

// newHolder returns nil where there is no memory.
func newHolder(equal bool, most int) *holder {
	h := &holder{timeline: timeline{equal: equal, most: most}, pkt: astiav.AllocPacket(), spare: astiav.AllocPacket()}
	if h.pkt == nil || h.spare == nil {
		h.Close()
		return nil
	}
	return h
}

// swap takes pkt over and gives back the one before it, with its times repaired; false if
// there is none. With last set pkt is only filled.
func (h *holder) swap(pkt *astiav.Packet, last bool) bool {
	if !h.full {
		if !last {
			h.pkt.MoveRef(pkt)
			h.full = true
		}
		return false
	}
	if held := h.pkt.Dts(); held != astiav.NoPtsValue && (last || pkt.Dts() != astiav.NoPtsValue) {
		if at := h.settle(held, pkt.Dts(), h.pkt.Duration(), last); at != held {
			move(h.pkt, at)
		}
	}
	if last {
		pkt.MoveRef(h.pkt)
		h.full = false
		return true
	}
	h.spare.MoveRef(pkt)
	pkt.MoveRef(h.pkt)
	h.pkt.MoveRef(h.spare)
	return true
}

// move has a packet be decoded at another time. When it is shown goes with that where both
// were the same, or where it was far off.
func move(pkt *astiav.Packet, dts int64) {
	by := dts - pkt.Dts()
	pts := pkt.Pts()
	if pts == pkt.Dts() || off(by, 0) > pkt.Duration() {
		pts += by
	}
	if pkt.Pts() != astiav.NoPtsValue {
		pkt.SetPts(max(pts, dts))
	}
	pkt.SetDts(dts)
}

// Close frees everything. Calling it again does nothing.
func (h *holder) Close() {
	for _, p := range []*astiav.Packet{h.pkt, h.spare} {
		if p != nil {
			p.Free()
		}
	}
	h.pkt, h.spare = nil, nil
}

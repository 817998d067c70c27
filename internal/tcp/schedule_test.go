package tcp

import "testing"

// came reports whether an owner has heard all, and knows that it was heard.
func (o *owner) came() bool {
	return o.conn != nil && o.conn.State() == TimeWait && o.heard == len(o.peer.text) &&
		o.acked == len(o.text)
}

func lossless(t *seeded, p *pair) {
	t.must(p.fired == 0, "a timer fired though nothing was lost")
	for _, o := range p.ends {
		t.must(o.came(), "the end "+o.name+" is in "+o.conn.State().String()+" when nothing goes on")
	}
}

func TestTwoEnds_InOrderAllComesAndNoTimerFires(t *testing.T) {
	each(t, 500, kind{}, lossless)
}

func TestTwoEnds_OvertakingAllComesAndNoTimerFires(t *testing.T) {
	each(t, 1500, kind{overtake: true}, lossless)
}

// Numbers that wrap around, or change their sign, at the SYN, at the first byte and at the FIN.
func TestTwoEnds_NumbersWrapAround(t *testing.T) {
	edges := []uint32{1<<32 - 1, 1<<32 - 2, 1<<32 - 3, 0, 1<<31 - 1, 1<<31 - 2, 1 << 31}
	each(t, 150, kind{overtake: true, numbers: edges}, lossless)
}

// Owners that change their room, to less than the peer has been told of too.
func TestTwoEnds_RoomsThatChange(t *testing.T) {
	each(t, 300, kind{overtake: true, resize: true}, lossless)
}

// Of the runs that lose something some give up after three tries; the others end with all that was sent.
func TestTwoEnds_LossAndDuplicatesNeverAWrongByte(t *testing.T) {
	through, gaveUp := 0, 0
	each(t, 1500, kind{overtake: true, lossy: true}, func(t *seeded, p *pair) {
		broke := false
		for _, o := range p.ends {
			broke = broke || o.broke || o.conn == nil
		}
		if broke {
			gaveUp++
			return
		}
		for _, o := range p.ends {
			t.must(o.came(), "the end "+o.name+" is in "+o.conn.State().String()+" when nothing goes on")
		}
		through++
	})
	t.Logf("%d runs came through, %d gave up", through, gaveUp)
	if through < gaveUp {
		t.Errorf("more runs gave up than came through")
	}
}

func TestTwoEnds_AbortIsHeardOfAndNoTimerFires(t *testing.T) {
	each(t, 1500, kind{overtake: true, abort: true}, func(t *seeded, p *pair) {
		t.must(p.fired == 0, "a timer fired though nothing was lost")
		a, b := p.ends[0], p.ends[1]
		switch {
		case !a.aborted && !b.aborted:
			lossless(t, p)
		case a.came() || b.came(): // one was done when the other broke off
		default:
			for _, o := range p.ends {
				t.must(o.aborted || o.broke && o.over == Reset, "the end "+o.name+" has not heard of it")
			}
		}
	})
}

func TestTwoEnds_LossAndAborts(t *testing.T) {
	each(t, 500, kind{overtake: true, lossy: true, abort: true}, func(*seeded, *pair) {})
}

package irp

import "calloutsim/internal/list"

const (
	maxPooled  = 8   // IRPs with more locations are not kept for reuse
	quarantine = 256 // freed IRPs of one size that stay recognisable before their memory is used again
)

// irpQueue is the quarantine of freed IRPs of one size, first in first out. What does not fit is never used
// again, and so stays recognisable for good.
type irpQueue struct {
	ring []*IRP // grows up to 2*quarantine: most runs free few
	head uint
	n    uint
}

func (q *irpQueue) push(p *IRP) {
	if q.n == uint(len(q.ring)) {
		q.makeRoom()
	}
	q.ring[(q.head+q.n)%uint(len(q.ring))] = p
	q.n++
}

func (q *irpQueue) makeRoom() {
	if len(q.ring) == 2*quarantine {
		q.drop()
		return
	}
	ring := make([]*IRP, max(2*len(q.ring), 8))
	n := list.Copy(ring, q.ring[q.head:])
	list.Copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// pop returns the IRP freed longest ago once the quarantine is full.
func (q *irpQueue) pop() *IRP {
	if q.n <= quarantine {
		return nil
	}
	return q.drop()
}

func (q *irpQueue) drop() *IRP {
	p := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % uint(len(q.ring))
	q.n--
	return p
}

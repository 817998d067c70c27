package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcp"
)

const (
	// rto is the first delay of a retransmission; a SYN is given up 21 seconds after the first one, behind
	// three tries 3, 6 and 12 seconds apart.
	rto = 3 * ke.Second
	mss = 1460
)

// setTimer does with the only timer of an end what it asks for. The timer is armed only when a packet of the
// connection has been lost (network.lost).
func (x *stream) setTimer(v int64) {
	if v == tcp.LeaveTimer {
		return
	}
	if x.alarm != nil {
		x.alarm()
		x.alarm = nil
	}
	x.due = 0
	if v == tcp.StopTimer {
		x.lossy = false
		return
	}
	x.due = x.s.w.now() + v
	if x.lossy {
		x.arm()
	}
}

func (x *stream) arm() {
	if x.due == 0 || x.alarm != nil {
		return
	}
	d := ke.Delivery{Text: "retransmission timer", Obj: x.id, Touches: x.id, Run: func(k *ke.K) {
		mark := x.s.w.enter(k, x.id)
		x.alarm, x.due = nil, 0
		x.carry(k, x.conn.Timer())
		x.s.w.leave(k, mark)
	}}
	if x.s.host == nil {
		d.IRQL = &siteIRQL
	}
	x.alarm = x.s.w.after(max(x.due-x.s.w.now(), 1), x.out, d)
}

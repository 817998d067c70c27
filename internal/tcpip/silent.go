package tcpip

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcp"
)

// Silence makes the end of a connection one that sends nothing any more, not even a RST when it is
// closed, and discards what arrives (wsk.md 13.6).
func (e *Endpoint) Silence(k *ke.K) {
	defer e.leave(k, e.enters(k))
	x := e.stream
	n := len(x.rx)
	x.rx, x.silent = nil, true
	x.setTimer(tcp.StopTimer)
	x.carry(k, x.conn.Release(n))
}

// unheard takes what a silent end decides: nobody hears of it.
func (x *stream) unheard(k *ke.K, t tcp.Told) {
	switch t.What {
	case tcp.Data:
		x.carry(k, x.conn.Release(len(t.Data)))
	case tcp.Reset, tcp.TimedOut:
		x.over = true
	}
}

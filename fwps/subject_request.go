package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/internal/wfp"
	"calloutsim/ntstatus"
)

// data is a structure that describes a request: FWPS_CONNECT_REQUEST0 or FWPS_BIND_REQUEST0.
type data[R any] interface {
	comparable
	// linked is the structure with the two members that are the engine's.
	linked(previous *R, filter uint64) R
	// links are those members.
	links() (previous *R, filter uint64)
}

func (r FWPS_CONNECT_REQUEST0) linked(previous *FWPS_CONNECT_REQUEST0, filter uint64) FWPS_CONNECT_REQUEST0 {
	r.PreviousVersion, r.ModifierFilterId = previous, filter
	return r
}

func (r FWPS_CONNECT_REQUEST0) links() (*FWPS_CONNECT_REQUEST0, uint64) {
	return r.PreviousVersion, r.ModifierFilterId
}

func (r FWPS_BIND_REQUEST0) linked(previous *FWPS_BIND_REQUEST0, filter uint64) FWPS_BIND_REQUEST0 {
	r.PreviousVersion, r.ModifierFilterId = previous, filter
	return r
}

func (r FWPS_BIND_REQUEST0) links() (*FWPS_BIND_REQUEST0, uint64) {
	return r.PreviousVersion, r.ModifierFilterId
}

// version is one state of a request. The first one is the program's; each change a callout applies makes
// another.
type version[R data[R]] struct {
	req    R // without links
	prev   *version[R]
	filter uint64 // who made it; 0 is the program
	seq    uint64
	record *record // of a redirection, when it carries a handle
}

// history makes what PreviousVersion shows: nil as long as no callout changed anything (wfp.md 21 #10).
//
//go:norace
func (v *version[R]) history() *R {
	if v.filter == 0 {
		return nil
	}
	r := v.req.linked(v.prev.history(), v.filter)
	return &r
}

type loanOf[R data[R]] struct {
	at   *R
	was  R
	base *version[R] // what was copied
	dead R           // what shows when the loan is over
}

//go:norace
func (l *loanOf[R]) data() any { return l.at }

//go:norace
func (l *loanOf[R]) changed() bool { return *l.at != l.was }

//go:norace
func (l *loanOf[R]) poison() { *l.at = l.dead }

//go:norace
func (l *loanOf[R]) poked() bool { return *l.at != l.dead }

// request is the subject of a redirect layer: what the program asks for, and the versions callouts have made
// of it.
type request[R data[R]] struct {
	c        *classification
	original R // as the program made it
	current  *version[R]
	dead     R
	judge    func(k *ke.K, w *writable, base, v *version[R]) // looks at a version that is to be the newest
}

//go:norace
func newRequest[R data[R]](c *classification, original, dead R) request[R] {
	return request[R]{c: c, original: original, current: &version[R]{req: original}, dead: dead}
}

// acquire makes a copy for a callout: the contents of the newest version, and that version as the newest of
// the earlier ones.
//
//go:norace
func (s *request[R]) acquire() loan {
	v := s.current
	r := v.req.linked(v.history(), v.filter)
	return &loanOf[R]{at: &r, was: r, base: v, dead: s.dead}
}

//go:norace
func (s *request[R]) lend(cl *call) any {
	cl.loan = s.acquire()
	return cl.loan.data()
}

//go:norace
func (s *request[R]) back(k *ke.K, cl *call) {
	if cl.loan.changed() {
		cl.found(k, verify.WFP_088, "classifyFn changed layerData in place",
			"change the copy that FwpsAcquireWritableLayerDataPointer0 gives.")
	}
	cl.loan.poison()
}

//go:norace
func (s *request[R]) apply(k *ke.K, w *writable, seq uint64) {
	l := w.loan.(*loanOf[R])
	r := *l.at
	prev, by := r.links()
	if p, f := l.was.links(); p != prev || f != by {
		w.call.found(k, verify.WFP_089, "previousVersion or modifierFilterId of the request was changed",
			"these members are the engine's.")
	}
	if r = r.linked(nil, 0); r == l.base.req {
		return
	}
	v := &version[R]{req: r, prev: s.current, filter: w.call.f.ID, seq: seq}
	s.judge(k, w, l.base, v)
	s.current = v
}

//go:norace
func (s *request[R]) uses() trace.ID { return 0 }

//go:norace
func (s *request[R]) newest() uint64 { return s.current.filter }

// by lists the versions that the callout of a filter made, newest first.
//
//go:norace
func (s *request[R]) by(filter uint64) (out []*version[R]) {
	for v := s.current; v.filter != 0; v = v.prev {
		if v.filter == filter {
			out = append(out, v)
		}
	}
	return out
}

var siteBlock = ke.Site{Name: "doc/AleRedirect/block", Alts: []string{"proceeds", "fails the operation"},
	Spec: "wfp.md 21 #21"}

// proceeds tells whether the operation goes on: at a redirect layer a block does not stop it by itself.
func proceeds(k *ke.K, d wfp.Decision) bool {
	return d.Action == wfp.Permit || ke.Choose(k, &siteBlock, 2) == 0
}

func answer(permit bool, t tcpip.Target) tcpip.Answer {
	a := tcpip.Answer{Permit: permit, Target: t}
	if !permit {
		a.Status = ntstatus.STATUS_ACCESS_DENIED
	}
	return a
}

// What shows of a request when a driver may no longer look at it.
var (
	poisonedConnect = FWPS_CONNECT_REQUEST0{LocalAddressAndPort: poisonAddress(),
		RemoteAddressAndPort: poisonAddress(), PortReservationToken: poisonWord,
		LocalRedirectTargetPID: poisonWord & 0xffff_ffff, ModifierFilterId: poisonWord,
		LocalRedirectHandle: poisonWord, LocalRedirectContextSize: poisonWord}
	poisonedBind = FWPS_BIND_REQUEST0{LocalAddressAndPort: poisonAddress(), PortReservationToken: poisonWord,
		ModifierFilterId: poisonWord}
)

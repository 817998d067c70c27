package wsk

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// WSK_DATA_INDICATION is a piece of received data that WskReceiveEvent is shown, one of a list.
type WSK_DATA_INDICATION struct {
	part
	next *WSK_DATA_INDICATION
}

// part is an element of a list.
type part struct {
	in      *indication
	buffer  WSK_BUF
	control *irp.Buffer // ancillary data of a datagram, nil for none
	given   bool        // back, by itself
}

// Next is the C field of that name. Rule: WSK-171.
func (d *WSK_DATA_INDICATION) Next() *WSK_DATA_INDICATION {
	d.in.touch("Next")
	return d.next
}

// Buffer is the C field of that name; its MDL is the transport's. Rule: WSK-171.
func (d *WSK_DATA_INDICATION) Buffer() *WSK_BUF {
	d.in.touch("Buffer")
	return &d.buffer
}

// indication is a list of received data that a callback is shown.
type indication struct {
	id       trace.ID
	sock     *socket
	kind     eventKind
	parts    []*part
	bytes    int
	asap     bool // WSK_FLAG_RELEASE_ASAP
	shown    bool // to a callback that has not returned
	parted   bool // a part of it was given back by itself
	retained bool
	over     bool // given back, or never kept
	shownSeq uint64
	overSeq  uint64
	since    int64 // when it was retained
}

var siteNodes = ke.Site{Name: "env/WskReceiveEvent/list", Alts: []string{"one", "two"},
	Spec: "network.md 3.3"}

// headers is what the transport's own headers take in front of the data, in the memory of the first MDL: a
// driver that takes no notice of Offset reads them. That there is something is INFERRED from drivers that
// count from Offset in the first MDL and from 0 in the others (wsk.md 9).
const headers = 40

// headerByte fills them.
const headerByte = 0xEE

const tagIndication = 0x646e4957 // "WInd"

// newIndication makes the list for received bytes; nil when there is no memory.
func (o *socket) newIndication(k *irql.K, b []byte) (*indication, *WSK_DATA_INDICATION) {
	in := &indication{id: o.sub.m.NewID(trace.Indication), sock: o, kind: evReceive, bytes: len(b)}
	parts := [][]byte{b}
	if len(b) > 1 && ke.Choose(k, &siteNodes, len(siteNodes.Alts)) == 1 {
		parts = [][]byte{b[:len(b)/2], b[len(b)/2:]}
	}
	var head, last *WSK_DATA_INDICATION
	for i, p := range parts {
		off := 0
		if i == 0 {
			off = headers
		}
		n := &WSK_DATA_INDICATION{}
		if !in.add(k, &n.part, off, p) {
			in.end(k)
			return nil, nil
		}
		if last == nil {
			head = n
		} else {
			last.next = n
		}
		last = n
	}
	in.show(k)
	return in, head
}

// memory makes memory of the transport for the list; nil when there is none.
func (in *indication) memory(k *irql.K, b []byte) *irp.Buffer {
	v := pool.Alloc(k, &pool.Request{Kind: pool.NonPaged, Size: len(b), Tag: tagIndication, System: true})
	if v != nil {
		pool.Put(k, v, b)
	}
	return v
}

// loan is how the client has memory of the list.
func (in *indication) loan() pool.Loan {
	return pool.Loan{Owner: in.id, Rule: verify.WSK_171, Writable: true, What: "an indication list",
		Fix: "give the list back with WskRelease; its memory is the transport's."}
}

// add puts received data at the end of the list, off bytes into the memory; false when there is none.
func (in *indication) add(k *irql.K, p *part, off int, b []byte) bool {
	memory := make([]byte, off+len(b))
	for j := range memory[:off] {
		memory[j] = headerByte
	}
	copy(memory[off:], b)
	v := in.memory(k, memory)
	if v == nil {
		return false
	}
	mdl := irp.Sim.SystemMdl(k, v)
	irp.Sim.LendMdl(k, mdl, in.loan())
	p.in, p.buffer = in, WSK_BUF{Mdl: mdl, Offset: uint32(off), Length: uint64(len(b))}
	in.parts = append(in.parts, p)
	return true
}

// show says that a callback is about to see the list.
func (in *indication) show(k *irql.K) {
	in.shown = true
	in.shownSeq = ke.Note(k, "received data is indicated", in.id)
}

// returned ends the list if the callback has not kept it. Rule: WSK-172.
func (in *indication) returned(k *irql.K, st ntstatus.NTSTATUS) {
	in.shown = false
	switch {
	case st == ntstatus.STATUS_PENDING:
		if !in.over { // the client may have given it back meanwhile
			in.retain(k)
		}
	case in.over || in.parted:
		in.found(k, verify.WSK_172, fmt.Sprintf("%s has given %v back and does not return "+
			"STATUS_PENDING", events[in.kind].name, in.id))
	default:
		in.end(k)
	}
}

// touch notices use of a list that is gone. Rule: WSK-171.
func (in *indication) touch(what string) {
	k := in.sock.sub.m.Current()
	if k == nil {
		return
	}
	ke.Accesses(k, ke.Reads(in.id))
	if in.over {
		in.found(k, verify.WSK_171, fmt.Sprintf("%s of %v is read after %s", what, in.id, in.ending()))
	}
}

// ending says how the list ended.
func (in *indication) ending() string {
	if in.retained {
		return "WskRelease"
	}
	return events[in.kind].name + " has returned without keeping it"
}

func (in *indication) found(k *irql.K, rule verify.RuleID, headline string) {
	f := verify.Finding{Rule: rule, Obj: in.id.String(), Headline: headline,
		Places: []verify.Place{{Label: "INDICATED", Seq: in.shownSeq}}}
	if in.over {
		f.Places = append(f.Places, verify.Place{Label: "ENDED", Seq: in.overSeq})
	}
	ke.Report(k, f)
}

// end takes the list and its memory away.
func (in *indication) end(k *irql.K) {
	ke.Adds(k, ke.Frees(in.id))
	s := in.sock.sub
	in.over, in.overSeq = true, s.m.Log().Len()
	for _, n := range in.parts {
		mdl := n.buffer.Mdl
		v := irp.Sim.MdlBuffer(mdl)
		s.ends(in, mdl.ID(), v.ID())
		irp.Sim.ReturnMdl(k, mdl, in.id)
		irp.Sim.FreeSystemMdl(k, mdl)
		pool.FreeFor(k, ddi.None, v)
		if c := n.control; c != nil {
			s.ends(in, c.ID(), c.ID())
			pool.Return(k, c, in.id)
			pool.FreeFor(k, ddi.None, c)
		}
	}
}

// endedMemory is memory of a list that has been given back.
type endedMemory struct {
	in          *indication
	mdl, memory trace.ID
}

// endedKept is how many are remembered, to say whose memory it was that is used too late.
const endedKept = 64

func (s *subsystem) ends(in *indication, mdl, memory trace.ID) {
	if len(s.ended) == endedKept {
		s.ended = list.Cut(s.ended, 0)
	}
	s.ended = append(s.ended, endedMemory{in, mdl, memory})
}

// refineList finds the rule for the use of memory that belonged to a list, or that a callback needs which was
// to be disabled. Rules: WSK-167, WSK-171.
func (s *subsystem) refineList(k *irql.K, f *verify.Finding) verify.RuleID {
	if f.Rule != verify.MDL_016 && f.Rule != verify.POOL_013 {
		return verify.NoRule
	}
	if c := eventOf(k); c != nil && c.sock.ev.bare&events[c.kind].mask != 0 {
		f.Headline = fmt.Sprintf("%s still runs after STATUS_EVENT_PENDING: %s", events[c.kind].name,
			f.Headline)
		return verify.WSK_167
	}
	for _, e := range s.ended {
		if id := f.Obj; id == e.mdl.String() || id == e.memory.String() {
			f.Headline = fmt.Sprintf("memory of %v is used after %s: %s", e.in.id, e.in.ending(), f.Headline)
			return verify.WSK_171
		}
	}
	return verify.NoRule
}

// asapTime is how long a list may be kept that was shown with WSK_FLAG_RELEASE_ASAP; the page says soon.
const asapTime = ke.Second

// late: a list is kept although the transport wanted it back soon. Rule: WSK-179.
func (in *indication) late() (f verify.Finding, late bool) {
	m := in.sock.sub.m
	t := m.Now() - in.since
	return verify.Finding{Rule: verify.WSK_179, Obj: in.id.String(), Driver: in.sock.cl.image.Name,
		Places: []verify.Place{{Label: "INDICATED", Seq: in.shownSeq}},
		Headline: fmt.Sprintf("%v was shown with WSK_FLAG_RELEASE_ASAP and is kept for %d ms", in.id,
			t/ke.Millisecond)}, in.asap && t > asapTime && !m.ClockRaces()
}

// holdsLists: a socket is closed and the client has lists of it. Rule: WSK-174.
func (o *socket) holdsLists(k *irql.K) {
	for _, in := range o.retained {
		in.found(k, verify.WSK_174, fmt.Sprintf("%v is closed and %v has not been given back", o.id, in.id))
	}
}

// retain keeps the list for the client.
func (in *indication) retain(k *irql.K) {
	ke.Adds(k, ke.Writes(in.sock.id))
	in.retained, in.since = true, in.sock.sub.m.Now()
	in.sock.retained = append(in.sock.retained, in)
	ke.Note(k, "kept by the driver", in.id)
}

// wskReleaseData is PFN_WSK_RELEASE_DATA_INDICATION_LIST.
func wskReleaseData(k *irql.K, ws *WSK_SOCKET, d *WSK_DATA_INDICATION) ntstatus.NTSTATUS {
	var p *part
	if d != nil {
		p = &d.part
	}
	return givesBack(k, ddi.PFN_WSK_RELEASE_DATA_INDICATION_LIST, ws.s, p)
}

// givesBack is WskRelease. Rules: WSK-172, WSK-175.
func givesBack(k *irql.K, id ddi.ID, s *socket, d *part) ntstatus.NTSTATUS {
	const name = "WskRelease"
	enter(k, id, name, ke.Dispatch, verify.WSK_090)
	if !s.open(k, name, false) {
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	defer ke.Leave(k, s.enters(k))
	if d == nil {
		ke.Null(k, id, "NULL where an indication list is given back")
	}
	in := d.in
	if !in.retained && !in.shown || in.over || in.sock != s || d.given {
		why := "was not retained"
		switch {
		case in.over && (in.retained || in.shown) || d.given:
			why = "was given back already"
		case in.sock != s:
			why = "belongs to " + in.sock.id.String()
		}
		ke.Collect(k, verify.Finding{Rule: verify.WSK_172, Obj: in.id.String(),
			Headline: fmt.Sprintf("WskRelease on %v of %v, which %s", s.id, in.id, why),
			Places:   []verify.Place{{Label: "INDICATED", Seq: in.shownSeq}}})
		ke.CallStatus(k, id, s.id, uint32(ntstatus.STATUS_INVALID_PARAMETER))
		return ntstatus.STATUS_INVALID_PARAMETER
	}
	ke.CallStatus(k, id, s.id, 0)
	in.release(k, d)
	return ntstatus.STATUS_SUCCESS
}

// release takes back the list from d on, or, where it is not the whole of it, that node alone (wsk.md 25.13).
func (in *indication) release(k *irql.K, d *part) {
	if f, late := in.late(); late && in.retained {
		ke.Report(k, f)
	}
	whole := d == in.parts[0]
	for _, n := range in.parts {
		whole = whole && !n.given
	}
	d.given = true
	if !whole {
		if !in.parted {
			ke.Report(k, verify.Finding{Rule: verify.WSK_175, Obj: in.id.String(),
				Headline: fmt.Sprintf("WskRelease is given a part of %v", in.id)})
		}
		in.parted = true
		for _, n := range in.parts {
			if !n.given {
				return
			}
		}
	}
	in.end(k)
	s := in.sock
	if in.shown { // by a callback that has not returned, and has to keep it (wsk.md 25.13)
		return
	}
	for i, x := range s.retained {
		if x == in {
			s.retained = list.Cut(s.retained, i)
			break
		}
	}
	if in.kind == evReceive {
		s.ep.Release(k, in.bytes)
	}
}

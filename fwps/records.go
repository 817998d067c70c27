package fwps

import (
	"encoding/binary"
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// record says that one redirect handle redirected a connection.
type record struct {
	handle   *redirectHandle
	ctx      *redirectContext
	original netip.AddrPort
	pid      uint32
	seq      uint64
}

// chain is the redirect records of one connection: those its socket inherited, then its own.
//
// Invariant: own grows only; a record leaves it only when its version of the request was not taken.
type chain struct {
	e         *engine
	id        trace.ID
	inherited *chain
	own       []*record
	claims    []claim            // of drivers that took the opaque form to hand it to their proxy
	contexts  []*redirectContext // every context applied to the connection, taken or not
	gone      bool
}

// ID names the chain.
func (r *chain) ID() trace.ID { return r.id }

// Len counts all records.
func (r *chain) Len() int { return len(r.all()) }

// all lists the records, oldest first. What is inherited is looked up now, not when the socket was told
// (wfp.md 10.4).
func (r *chain) all() []*record {
	r.e.m.AddsOn(ke.Use{Obj: r.id, How: ke.R})
	if r.inherited == nil {
		return r.own
	}
	return list.Add(list.Add(nil, r.inherited.all()), r.own)
}

// claim says that a driver has taken a connection's records while it pended the connection: it is about to
// redirect it. The proxy connects out before the driver applies the change (wfp.md 10.5), so for connections
// that inherit the chain the claim counts as the record that is to come. INFERRED: without it the documented
// order would loop.
type claim struct {
	by image
	at int // records there were
	of *connect
}

// claimedBy reports whether a driver has claimed an ancestor of the chain and has not redirected it since.
func (r *chain) claimedBy(by image) bool {
	for a := r.inherited; a != nil; a = a.inherited {
		for _, c := range a.claims {
			if c.by == by && len(a.own) == c.at {
				return true
			}
		}
	}
	return false
}

// newest is the last record, nil when there is none.
func (r *chain) newest() *record {
	if all := r.all(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// redirectContext is the memory a callout gave to the engine with a redirect.
type redirectContext struct {
	id   trace.ID
	buf  *irp.Buffer
	data []byte // what the proxy reads
	gone bool
}

// Size is the number of bytes.
func (x *redirectContext) Size() int { return len(x.data) }

// CopyTo copies the bytes.
func (x *redirectContext) CopyTo(dst []byte) int { return copy(dst, x.data) }

// recordsRef is what a handle of redirect records names: the chain of a connection, for the duration of one
// classification.
type recordsRef struct{ of *connect }

// NewRecords makes the chain of a new connection.
func (e *engine) NewRecords(_ *ke.K, inherited tcpip.Records) tcpip.Records {
	r := &chain{e: e, id: e.m.NewID(trace.RedirectRecords)}
	r.inherited, _ = inherited.(*chain)
	e.m.AddsOn(ke.Use{Obj: r.id, How: ke.W})
	e.chains = append(e.chains, r)
	return r
}

// The opaque form of a chain. Real ones are not documented; this one has a size that differs between
// connections and grows with the chain, looks random, and is recognised by a checksum (wfp.md 21 #15).
const (
	blobHead  = 24
	blobMin   = 64
	blobMax   = 512
	blobGrows = 40
	blobKey   = 0x5ca1_ab1e_0ddb_a115
)

// FormatRecords serialises a chain.
func (e *engine) FormatRecords(r tcpip.Records) []byte {
	c, ok := r.(*chain)
	if !ok {
		return nil
	}
	n := c.id.Num()
	size := min(blobMin+8*int(blobMix(n)%8)+blobGrows*c.Len(), blobMax)
	b := make([]byte, size)
	binary.LittleEndian.PutUint64(b, blobMix(n^blobKey))
	binary.LittleEndian.PutUint64(b[8:], n^blobKey)
	for i := blobHead; i < size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], blobMix(n+uint64(i)*uint64(c.Len()+1)))
	}
	binary.LittleEndian.PutUint64(b[16:], blobSum(b))
	return b
}

// ParseRecords finds the chain that serialised bytes stand for, as long as its connection lives.
func (e *engine) ParseRecords(b []byte) (tcpip.Records, bool) {
	if len(b) < blobMin || len(b) > blobMax || len(b)%8 != 0 ||
		binary.LittleEndian.Uint64(b[16:]) != blobSum(b) {
		return nil, false
	}
	n := binary.LittleEndian.Uint64(b[8:]) ^ blobKey
	e.m.AddsOn(ke.Use{Obj: e.chainsID(), How: ke.R})
	for _, c := range e.chains {
		if c.id.Num() == n {
			return c, true
		}
	}
	return nil, false
}

func blobMix(z uint64) uint64 {
	return ke.Mix(z + 0x9e3779b97f4a7c15)
}

func blobSum(b []byte) uint64 {
	sum := uint64(len(b))
	for i := 0; i < len(b); i += 8 {
		if i != 16 {
			sum = blobMix(sum ^ binary.LittleEndian.Uint64(b[i:]))
		}
	}
	return sum
}

// ContextOf returns the context of the newest record that has one.
func (e *engine) ContextOf(r tcpip.Records) (tcpip.Context, ntstatus.NTSTATUS) {
	if c, ok := r.(*chain); ok {
		all := c.all()
		for i := len(all) - 1; i >= 0; i-- {
			if x := all[i].ctx; x != nil && !x.gone {
				return x, ntstatus.STATUS_SUCCESS
			}
		}
	}
	return nil, ntstatus.STATUS_NOT_FOUND
}

// RedirectTarget returns the newest record's process, 0 when there is none.
func (e *engine) RedirectTarget(r tcpip.Records) uint32 {
	if c, ok := r.(*chain); ok && c != nil {
		if rec := c.newest(); rec != nil {
			return rec.pid
		}
	}
	return 0
}

// ConnectionGone frees the contexts of a connection that ended, and forgets its chain.
func (e *engine) ConnectionGone(k *ke.K, r tcpip.Records, _ trace.ID) {
	c, ok := r.(*chain)
	if !ok || c.gone {
		return
	}
	ke.Adds(k, ke.Use{Obj: c.id, How: ke.W})
	ke.Adds(k, ke.Use{Obj: c.e.chainsID(), How: ke.W})
	c.gone = true
	c.free(k)
	for i, o := range e.chains {
		if o == c {
			e.chains = list.Cut(e.chains, i)
			return
		}
	}
}

// free frees the contexts of a connection that is gone.
func (r *chain) free(k *ke.K) {
	for _, x := range r.contexts {
		x.gone = true
		pool.FreeTaken(k, x.buf)
	}
}

// takeContext makes the context in an applied request the engine's.
func (s *connect) takeContext(k *ke.K, w *writable, base, v *connectVersion) {
	b := v.req.LocalRedirectContext
	if b == nil || b == base.req.LocalRedirectContext || s.chain == nil || !mayTake(k, w.call, &v.req) {
		return
	}
	n := min(v.req.LocalRedirectContextSize, uint64(b.Len()))
	x := &redirectContext{id: s.c.e.m.NewID(trace.RedirectContext), buf: b,
		data: append([]byte(nil), pool.Raw(k, b)[:n]...)}
	pool.Take(k, b, pool.Loan{Owner: x.id, Rule: verify.WFP_108, What: "the redirect context of " +
		s.chain.id.String(),
		Seq: v.seq, BugCheck: 0xC2,
		Fix: "do not touch or free the context after FwpsApplyModifiedLayerData0: the engine frees it " +
			"when the flow is gone."})
	ke.Adds(k, ke.Use{Obj: s.chain.id, How: ke.W})
	s.chain.contexts = append(s.chain.contexts, x)
	v.req.LocalRedirectContext = b
}

// addRecord appends the record of a redirection that carries a handle.
func (s *connect) addRecord(base, v *connectVersion) {
	e := s.c.e
	h, ok := e.handles.find(uint64(v.req.LocalRedirectHandle)).(*redirectHandle)
	if !ok || s.chain == nil {
		return
	}
	v.record = &record{handle: h, original: ws2def.AddrPort(&s.original.RemoteAddressAndPort),
		pid: v.req.LocalRedirectTargetPID, seq: v.seq}
	if v.req.LocalRedirectContext != base.req.LocalRedirectContext {
		for _, x := range s.chain.contexts {
			if x.buf == v.req.LocalRedirectContext {
				v.record.ctx = x
			}
		}
	}
	e.m.AddsOn(ke.Use{Obj: s.chain.id, How: ke.W})
	e.m.AddsOn(ke.Use{Obj: e.chainsID(), How: ke.W})
	s.chain.own = append(s.chain.own, v.record)
}

// dropRecord takes back the record of a version that was not taken.
func (r *chain) dropRecord(rec *record) {
	r.e.m.AddsOn(ke.Use{Obj: r.id, How: ke.W})
	for i, o := range r.own {
		if o == rec {
			r.own = list.Cut(r.own, i)
			return
		}
	}
}

// chainsID stands for which records there are, and for whose.
func (e *engine) chainsID() trace.ID { return e.id | 1<<54 }

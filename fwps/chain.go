package fwps

import (
	"net/netip"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irp"
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
	m         *ke.Machine
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
	r.m.AddsOn(ke.Reads(r.id))
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
	of *classification
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

// free frees the contexts of a connection that is gone.
func (r *chain) free(k *ke.K) {
	for _, x := range r.contexts {
		x.gone = true
		pool.FreeTaken(k, x.buf)
	}
}

// dropRecord takes back the record of a version that was not taken.
func (r *chain) dropRecord(rec *record) {
	r.m.AddsOn(ke.Writes(r.id))
	for i, o := range r.own {
		if o == rec {
			r.own = list.Cut(r.own, i)
			return
		}
	}
}

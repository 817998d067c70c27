package fwps

import (
	"encoding/binary"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// NewRecords makes the chain of a new connection.
func (e *engine) NewRecords(_ *ke.K, inherited tcpip.Records) tcpip.Records {
	r := &chain{m: e.m, id: e.m.NewID(trace.RedirectRecords)}
	r.inherited, _ = inherited.(*chain)
	e.m.AddsOn(ke.Writes(r.id))
	e.chains = append(e.chains, r)
	return r
}

// chainOf is the chain a question is about, nil when it is about none.
func chainOf(q *tcpip.Question) *chain {
	if r, ok := q.Matter.(*tcpip.ConnectRequest); ok {
		ch, _ := r.Records.(*chain)
		return ch
	}
	return nil
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
	e.m.AddsOn(ke.Reads(e.chainsID()))
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

// recordsGone frees the contexts of the redirections of a connection that ended, and forgets its chain.
func (e *engine) recordsGone(k *ke.K, r tcpip.Records) {
	c, ok := r.(*chain)
	if !ok || c.gone {
		return
	}
	ke.Adds(k, ke.Writes(c.id))
	ke.Adds(k, ke.Writes(e.chainsID()))
	c.gone = true
	c.free(k)
	for i, o := range e.chains {
		if o == c {
			e.chains = list.Cut(e.chains, i)
			return
		}
	}
}

// chainsID stands for which records there are, and for whose.
func (e *engine) chainsID() trace.ID { return ke.Beside.Of(e.id) }

package pool

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/verify"
)

// quarantined is the memory of a freed block that must not change any more: its bytes, a Go value, or both.
type quarantined struct {
	b *block
	c *chunk // nil: a Go value alone
}

// bytes are how many q keeps from serving again.
func (q *quarantined) bytes() int {
	if q.c == nil {
		return 0
	}
	return len(q.c.mem)
}

// Limits of the quarantine; what no longer fits is looked at and may serve again.
const (
	quarantineBlocks = 256
	quarantineBytes  = 4 << 20
)

// foundLate is the context of a finding about freed memory that has changed.
const foundLate = "found when the quarantine was checked"

// detain puts freed memory in quarantine.
func (h *heap) detain(b *block, c *chunk) {
	h.quarantine = append(h.quarantine, quarantined{b, c})
	h.held += h.quarantine[len(h.quarantine)-1].bytes()
	for len(h.quarantine)-h.oldest > quarantineBlocks || h.held > quarantineBytes {
		q := h.quarantine[h.oldest]
		h.quarantine[h.oldest] = quarantined{}
		h.oldest++
		h.held -= q.bytes()
		h.inspect(q)
		if q.c != nil {
			h.putChunk(q.c)
		}
	}
	if h.oldest >= quarantineBlocks {
		h.quarantine = list.Add(h.quarantine[:0], h.quarantine[h.oldest:])
		h.oldest = 0
	}
}

// inspect looks whether freed memory was written. Who wrote is not known, only whose it was.
func (h *heap) inspect(q quarantined) {
	if v := q.b.typed(); v != nil {
		h.inspectValue(q.b, v)
	}
	if q.c == nil {
		return
	}
	at := changedAt(q.c.mem[canarySize : canarySize+int(q.b.size)])
	if at < 0 {
		return
	}
	f := verify.Finding{Rule: verify.POOL_013, Case: "written through a kept slice", Obj: q.b.id.String(),
		Headline: q.b.describe() + " was written after it was freed, through a slice kept from Bytes: " +
			"first at offset " + itoa(at),
		Ctx: foundLate, Places: q.b.story()}
	if q.b.owner != nil {
		f.Driver = q.b.owner.Name
	}
	h.m.ReportEnd(f)
}

// changedAt returns the first offset that is not poison, -1 if all is.
func changedAt(mem []byte) int {
	for off := 0; off < len(mem); off += PageSize {
		page := mem[off:min(off+PageSize, len(mem))]
		if string(page) == poison[:len(page)] {
			continue
		}
		for i, v := range page {
			if v != PoisonByte {
				return off + i
			}
		}
	}
	return -1
}

// checkEnd makes the checks of the end of a run: freed memory unchanged, canaries of live blocks intact,
// and if asked for, lost blocks. Rules: POOL-011, POOL-012, POOL-013, POOL-016.
func (h *heap) checkEnd(m *ke.Machine) {
	for _, q := range h.quarantine[h.oldest:] {
		h.inspect(q)
	}
	for _, b := range h.sorted(func(b *block) bool { return !b.intact() }) {
		f := b.canaryFinding()
		f.Obj, f.Places = b.id.String(), b.story()
		m.ReportEnd(f)
	}
	if h.opt.FindLost {
		h.checkLost(m)
	}
}

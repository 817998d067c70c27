package pool

import "calloutsim/internal/ke"

// Move copies n bytes from the start of one view to that of another, as memmove does: they may overlap.
// Copying is no use of a value: bytes that nobody has written are copied without a finding, and stay so.
func Move(dst, src *Buffer, n int) {
	from := src.peek(n)
	var unknown []bool
	if src.blk.guard&gUnwritten != 0 && dst.blk.guard&gUnwritten != 0 && len(from) == n {
		unknown = make([]bool, n)
		for i := range unknown {
			unknown[i] = src.blk.unwritten(int(src.off)+i, 1) >= 0
		}
	}
	copy(dst.store(0, n), from)
	if dst.blk.guard&gUnwritten == 0 {
		return
	}
	for i, u := range unknown {
		if u {
			dst.blk.unwrote(int(dst.off) + i)
		}
	}
}

// Overlap reports whether the first n bytes of two views that begin at different places overlap.
func Overlap(a, b *Buffer, n int) bool {
	d := int(a.off) - int(b.off)
	return a.blk == b.blk && d != 0 && d < n && -d < n
}

// peek is load for bytes that are only handed on.
func (b *Buffer) peek(n int) []byte {
	k := b.blk.h.m.Current()
	if b.blk.guard&gUnwritten == 0 || k == nil {
		return b.load(0, n)
	}
	if b.blk.guard&(gRaces|gGone) == gRaces && n > 0 && n <= len(b.data) {
		ke.Touch(k, b.blk.id, int(b.off), n, ke.R)
	}
	return b.checked(0, n, false, false)
}

// unwrote takes back that a byte is written.
func (b *block) unwrote(at int) { b.bits()[at>>3] &^= 1 << (at & 7) }

// Loaded is what n bytes at the start of a view hold, for use at once.
func Loaded(b *Buffer, n int) []byte { return b.load(0, n) }

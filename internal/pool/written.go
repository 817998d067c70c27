package pool

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// A block that is handed out uninitialised has one bit for each of its bytes: set once the byte was written,
// or may have been. The bits lie in the block's chunk behind the canary, so they cost no allocation, and only
// such a block has them and gUnwritten. What is done through a slice of Bytes cannot be seen, so its range
// counts as written from then on.

func bitsFor(size int) int { return (size + 7) / 8 }

// bits are those of a block with gUnwritten. In special pool the block ends where its pages do.
func (b *block) bits() []byte {
	if b.c.pages != nil {
		return b.ext.written
	}
	at := int(b.size) + 2*canarySize
	return b.c.mem[at : at+bitsFor(int(b.size))]
}

// trackWrites begins the books about the bytes of a block that nothing was written to yet.
func (b *block) trackWrites() {
	b.guard |= gUnwritten
	if b.c.pages != nil {
		b.extra().written = make([]byte, bitsFor(int(b.size)))
		return
	}
	clear(b.bits())
}

// wrote notes that n bytes from off on are written, or may be from now on.
func (b *block) wrote(off, n int) {
	if n == int(b.size) {
		b.guard &^= gUnwritten
		return
	}
	bits := b.bits()
	for i, end := off, off+n; i < end; {
		if i&7 == 0 && end-i >= 8 {
			bits[i>>3] = 0xFF
			i += 8
			continue
		}
		bits[i>>3] |= 1 << (i & 7)
		i++
	}
}

// unwritten gives the first of n bytes from off on that were never written, -1 when all were.
func (b *block) unwritten(off, n int) int {
	bits := b.bits()
	for i, end := off, off+n; i < end; i++ {
		if bits[i>>3]&(1<<(i&7)) == 0 {
			return i
		}
	}
	return -1
}

// wrote is block.wrote for bytes of a view.
func (b *Buffer) wrote(off, n int) {
	if b.blk.guard&gUnwritten != 0 {
		b.blk.wrote(int(b.off)+off, n)
	}
}

// checkWritten reports POOL-014, once for a block: a routine that reads one byte too many reads more.
func (b *Buffer) checkWritten(k *ke.K, off, n int) {
	at := b.blk.unwritten(int(b.off)+off, n)
	if at < 0 || ke.Acting(k) == nil {
		return
	}
	b.blk.guard &^= gUnwritten
	b.blk.report(k, verify.Finding{Rule: verify.POOL_014,
		Headline: fmt.Sprintf("%v+%#x is read, but nothing was written there since the block was "+
			"allocated (%s)", b.blk.id, at, b.blk.describe())})
}

// Unfilled reports whether there may be bytes in the block that nothing was written to.
func Unfilled(b *Buffer) bool { return b.blk.guard&(gUnwritten|gGone) == gUnwritten }

// Unwritten gives the offset of the first of the n bytes at the start of a view that nothing was written to,
// -1 when there is none. It tells of a block only once.
func Unwritten(b *Buffer, n int) int {
	if b.blk.guard&(gUnwritten|gGone) != gUnwritten {
		return -1
	}
	at := b.blk.unwritten(int(b.off), min(n, len(b.data)))
	if at >= 0 {
		b.blk.guard &^= gUnwritten
		at -= int(b.off)
	}
	return at
}

// Put writes src to the start of a view for code that models the system, as Raw reads, and returns how many
// bytes there was room for.
func Put(k *ke.K, b *Buffer, src []byte) int {
	n := copy(Raw(k, b), src)
	b.wrote(0, n)
	return n
}

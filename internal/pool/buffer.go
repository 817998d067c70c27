package pool

import (
	"encoding/binary"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Buffer is an address of memory that may be read and written: a view of a block, from an offset on and of
// a length. Windows has no name for it; where C has a PVOID that is dereferenced, here is a *Buffer, and
// nil is NULL.
//
// Its methods check who touches what: memory freed or gone, outside of the view, pageable at
// DISPATCH_LEVEL, read-only, lent. They take no k, because the machine knows who is running; between runs
// and after the last one everything may be read. Values are little-endian, as on x64.
type Buffer struct {
	blk   *block
	data  []byte // the bytes of the view; nil for typed allocations
	alias *Alias
	off   int32 // of the view in its block
	guard guard // gAlias, gReadOnly
	open  bool  // the system lends memory it took: it may be read
}

// Alias is a second address of memory: the mapping of an MDL. When it ends, views made of it must not be
// used any more.
type Alias struct {
	Obj   trace.ID // whose mapping it is
	Addr  uint64   // simulated address of offset 0 of the memory described
	Start int      // offset in the block where the mapping begins
	// an address range of its own: pageable memory does not page here, and it ends with the mapping
	Own   bool
	Rule  verify.RuleID
	Ended uint64 // event that ended the mapping, 0 while it lasts
	// of a partial MDL: what ended is the lock of its source; the mapping leads to pages anybody may have
	Unlocked bool
}

// ID returns the id of the block for reports.
func (b *Buffer) ID() trace.ID {
	if b == nil || b.blk == nil {
		return 0
	}
	return b.blk.id
}

// Len is the number of bytes of the view.
func (b *Buffer) Len() int {
	if b.blk != nil && b == &b.blk.root {
		return int(b.blk.size)
	}
	return len(b.data)
}

// Address is the simulated address of the first byte. It is the same in every run of one seed.
func (b *Buffer) Address() uint64 {
	if at, null := FromNull(b); null {
		return uint64(at)
	}
	if b.alias != nil && b.alias.Addr != 0 {
		return b.alias.Addr + uint64(int(b.off)-b.alias.Start)
	}
	return b.blk.addr + uint64(b.off)
}

// Bytes is the memory itself, for use at once: the slice must not be kept beyond the next call of a
// routine. Through a read-only view it is a copy. Rules: POOL-013, POOL-026, IRQL-008.
func (b *Buffer) Bytes() []byte {
	if (b.blk.guard|b.guard)&(onLoad|gReadOnly) != 0 {
		d := b.checked(0, len(b.data), false, false)
		if b.guard&gReadOnly != 0 {
			return append([]byte(nil), d...)
		}
		b.wrote(0, len(d))
		return d
	}
	return b.data
}

// Slice is the view of n bytes from off on, as an address inside the memory. Rules: POOL-011, POOL-012,
// POOL-013. Of NULL it is an address, too: what touches it dereferences NULL.
func (b *Buffer) Slice(off, n int) *Buffer {
	if at, null := FromNull(b); null {
		return Null(at + off)
	}
	if b.blk.guard&gGone != 0 || off < 0 || n < 0 || off > len(b.data)-n {
		b.checked(off, n, false, false)
	}
	return &Buffer{blk: b.blk, data: b.data[off : off+n : off+n], off: b.off + int32(off), guard: b.guard,
		alias: b.alias, open: b.open}
}

// Load8 reads one byte. Rules: POOL-011, POOL-012, POOL-013, POOL-014, POOL-026, MDL-019,
// IRQL-008.
func (b *Buffer) Load8(off int) uint8 {
	if (b.blk.guard|b.guard)&onLoad != 0 || off < 0 || off > len(b.data)-1 {
		return b.slow(off, 1, false)[0]
	}
	return b.data[off]
}

// Load16 reads two bytes. Rules: as Load8.
func (b *Buffer) Load16(off int) uint16 {
	if (b.blk.guard|b.guard)&onLoad != 0 || off < 0 || off > len(b.data)-2 {
		return binary.LittleEndian.Uint16(b.slow(off, 2, false))
	}
	return binary.LittleEndian.Uint16(b.data[off:])
}

// Load32 reads four bytes. Rules: as Load8.
func (b *Buffer) Load32(off int) uint32 {
	if (b.blk.guard|b.guard)&onLoad != 0 || off < 0 || off > len(b.data)-4 {
		return binary.LittleEndian.Uint32(b.slow(off, 4, false))
	}
	return binary.LittleEndian.Uint32(b.data[off:])
}

// Load64 reads eight bytes. Rules: as Load8.
func (b *Buffer) Load64(off int) uint64 {
	if (b.blk.guard|b.guard)&onLoad != 0 || off < 0 || off > len(b.data)-8 {
		return binary.LittleEndian.Uint64(b.slow(off, 8, false))
	}
	return binary.LittleEndian.Uint64(b.data[off:])
}

// Store8 writes one byte. Rules: as Load8 without POOL-014, and POOL-024, POOL-025, MDL-014.
func (b *Buffer) Store8(off int, v uint8) {
	if (b.blk.guard|b.guard)&onStore != 0 || off < 0 || off > len(b.data)-1 {
		b.slow(off, 1, true)[0] = v
		return
	}
	b.data[off] = v
}

// Store16 writes two bytes. Rules: as Store8.
func (b *Buffer) Store16(off int, v uint16) {
	if (b.blk.guard|b.guard)&onStore != 0 || off < 0 || off > len(b.data)-2 {
		binary.LittleEndian.PutUint16(b.slow(off, 2, true), v)
		return
	}
	binary.LittleEndian.PutUint16(b.data[off:], v)
}

// Store32 writes four bytes. Rules: as Store8.
func (b *Buffer) Store32(off int, v uint32) {
	if (b.blk.guard|b.guard)&onStore != 0 || off < 0 || off > len(b.data)-4 {
		binary.LittleEndian.PutUint32(b.slow(off, 4, true), v)
		return
	}
	binary.LittleEndian.PutUint32(b.data[off:], v)
}

// Store64 writes eight bytes. Rules: as Store8.
func (b *Buffer) Store64(off int, v uint64) {
	if (b.blk.guard|b.guard)&onStore != 0 || off < 0 || off > len(b.data)-8 {
		binary.LittleEndian.PutUint64(b.slow(off, 8, true), v)
		return
	}
	binary.LittleEndian.PutUint64(b.data[off:], v)
}

// CopyFrom writes all of src at off (RtlCopyMemory into the buffer). Rules: as Store8.
func (b *Buffer) CopyFrom(off int, src []byte) { copy(b.store(off, len(src)), src) }

// CopyTo fills all of dst from off on (RtlCopyMemory out of the buffer). Rules: as Load8.
func (b *Buffer) CopyTo(off int, dst []byte) { copy(dst, b.load(off, len(dst))) }

// Fill writes v into n bytes from off on (RtlFillMemory). Rules: as Store8.
func (b *Buffer) Fill(off, n int, v byte) {
	d := b.store(off, n)
	for i := range d {
		d[i] = v
	}
}

func (b *Buffer) load(off, n int) []byte {
	if (b.blk.guard|b.guard)&onLoad != 0 || off < 0 || off > len(b.data)-n {
		return b.slow(off, n, false)
	}
	return b.data[off : off+n]
}

func (b *Buffer) store(off, n int) []byte {
	if (b.blk.guard|b.guard)&onStore != 0 || off < 0 || off > len(b.data)-n {
		return b.slow(off, n, true)
	}
	return b.data[off : off+n]
}

// slow makes all checks of an access and returns the bytes it may work on.
func (b *Buffer) slow(off, n int, write bool) []byte { return b.checked(off, n, write, true) }

// checked is slow. Where it is not known whether, and which, bytes will be touched, it is no access for the
// race detector.
func (b *Buffer) checked(off, n int, write, access bool) []byte {
	k := b.blk.h.m.Current()
	if k == nil {
		return b.unwatched(off, n, write)
	}
	if b.blk.guard&(gPoints|gRaces) != 0 {
		b.announce(k, off, n, write, access)
	}
	if b.blk.guard&gStack != 0 {
		ke.CheckFunctions(k)
	}
	g := b.blk.guard | b.guard
	if g&gGone != 0 {
		b.touchGone(k, off, write)
		return poisoned(n)
	}
	if g&gTaken != 0 && !b.open && ke.Acting(k) != nil {
		b.blk.touchTaken(k)
	}
	if g&gAlias != 0 && b.alias.Ended != 0 {
		b.mappingEnded(k)
	}
	if off < 0 || n < 0 || off > len(b.data)-n {
		b.outside(k, off, n, write)
	}
	if g&gPageable != 0 && ke.IRQL(k) >= ke.Dispatch && (b.alias == nil || !b.alias.Own) {
		b.blk.touchPaged(k, int(b.off)+off, write)
	}
	if write && g&gReadOnly != 0 {
		b.writeReadOnly(k)
		return make([]byte, n) // where the write goes that has no effect
	}
	if write && g&gLent != 0 {
		b.blk.writeLent(k, int(b.off)+off, n)
	}
	if g&gUnwritten != 0 {
		if write {
			b.wrote(off, n)
		} else if access {
			b.checkWritten(k, off, n)
		}
	}
	return b.data[off : off+n]
}

// announce makes a scheduling point of an access and tells the race detector about it, where the machine was
// asked for that. What is wrong with the access is for others to say.
func (b *Buffer) announce(k *ke.K, off, n int, write, access bool) {
	how := ke.R
	if write {
		how = ke.W
	}
	if b.blk.guard&gPoints != 0 {
		ke.Accesses(k, ke.Use{Obj: b.blk.id, How: how})
		if write {
			ke.Acts(k)
		}
	}
	inside := off >= 0 && n > 0 && off <= len(b.data)-n
	if access && inside && b.blk.guard&(gRaces|gGone) == gRaces && (!write || b.guard&gReadOnly == 0) {
		ke.Touch(k, b.blk.id, int(b.off)+off, n, how)
	}
}

// unwatched serves the test, which may look at everything when nobody runs. Memory that is gone shows
// poison.
func (b *Buffer) unwatched(off, n int, write bool) []byte {
	outside := off < 0 || n < 0 || off > b.Len()-n
	if outside && !b.blk.h.m.Dead() {
		panic(ke.Misuse("access outside of " + b.blk.id.String() + " from the test"))
	}
	if outside || b.blk.guard&gGone != 0 {
		return poisoned(n) // for deferred driver code in a dead machine as well
	}
	if write {
		b.wrote(off, n)
	}
	return b.data[off : off+n]
}

// poisoned is what memory that is gone looks like.
func poisoned(n int) []byte {
	d := make([]byte, max(n, 0))
	fill(d, poison)
	return d
}

// Raw is the memory for code that models the system, wherever it runs, and reads: only memory that is gone is
// reported.
func Raw(k *ke.K, b *Buffer) []byte {
	b.blk.uses(ke.W)
	if b.blk.guard&gGone != 0 {
		b.touchGone(k, 0, false)
	}
	return b.data
}

// ReadOnly is the same view through which nothing can be written.
func ReadOnly(b *Buffer) *Buffer {
	v := *b
	v.guard |= gReadOnly
	return &v
}

// Opened is a read-only view of memory the system took, lent to a driver that may look at it.
func Opened(b *Buffer) *Buffer {
	v := ReadOnly(b)
	v.open = true
	return v
}

// Mapped is a view of b through a mapping.
func Mapped(b *Buffer, a *Alias, readOnly bool) *Buffer {
	v := *b
	v.alias = a
	v.guard |= gAlias
	if readOnly {
		v.guard |= gReadOnly
	}
	return &v
}

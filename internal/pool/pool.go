// Package pool is the memory of drivers: tagged blocks with an identity of their own, views of them, typed
// allocations, memory that dies with a routine, and the books about who uses a block for what.
//
// Modelled: state, type, tag, owner and history of every block; exact checks at every access through a
// view; canaries, poison and a quarantine for what is done through slices kept from Bytes; loans to
// operations that are under way; blocks that were given to the system. Not modelled: the page file (a
// pageable block never faults, it is only checked), session pool, quotas, and the address space beyond
// simulated addresses.
//
// Identity and bytes are different things: an id is never used twice in a run, the bytes of a freed block
// may serve another one. Layers: a Buffer is a view of a block; a block has a chunk of bytes, unless it is
// a typed allocation. Rules are recorded in package irp, which publishes this package.
package pool

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
)

// Kind is the type of memory.
type Kind uint8

// The types of memory.
const (
	NonPaged        Kind = iota // nonpaged pool, no execution
	NonPagedExecute             // nonpaged pool, executable
	Paged                       // paged pool
	Stack                       // kernel stack of a routine
	User                        // a process's memory
)

var kindNames = [...]string{"nonpaged pool", "executable nonpaged pool", "paged pool", "stack memory",
	"user memory"}

// String names the type as reports do.
func (k Kind) String() string { return kindNames[k] }

// Pageable reports whether touching the memory may need the pager.
func (k Kind) Pageable() bool { return k == Paged || k == User }

// Pool reports whether the memory comes from an allocation routine.
func (k Kind) Pool() bool { return k <= Paged }

// PageSize is the size of a page.
const PageSize = 4096

// usualMemory is Options.Memory unless somebody says otherwise.
const usualMemory = 1 << 30

// Options say how much is checked. The zero value is level 1 of scheduling.md 11; a machine's options go
// when it is reset.
type Options struct {
	NoQuarantine bool // level 0: freed bytes serve again at once, and poison is never looked at
	NoChecksum   bool // do not compare lent read-only memory when it comes back
	// Memory is how much the machine has for blocks that live at one time, in bytes; 0 means a GiB. A request
	// that does not fit fails as it would on Windows.
	Memory      int
	SpecialPool bool // level 2: every block on pages of its own, which nobody can touch after the free
	// at the end of a run, ask the garbage collector for blocks nobody has a pointer to (POOL-016)
	FindLost bool
}

// OptionsOf returns the options of a machine, to be changed before the first allocation.
func OptionsOf(m *ke.Machine) *Options { return &state.On(m).opt }

// heap is the state of one machine.
type heap struct {
	m      *ke.Machine
	opt    Options
	points guard    // guard bits every block is born with
	live   []*block // in no order; where is in the block
	used   int      // bytes of these
	slab   []block  // level 0: blocks made in one go
	chunks [numClasses][]*chunk

	quarantine []quarantined // oldest first from index oldest on
	oldest     int
	held       int // bytes in it

	numbers list.Table[Buffer] // what addresses made of views mean

	notice string // why some block is not in special pool although it was asked for

	next [numRegions]uint64 // simulated addresses given so far
}

var state = ke.NewSlot(newHeap)

func newHeap(m *ke.Machine) *heap {
	h := &heap{m: m, points: gPoints}
	if m.Watches() {
		h.points |= gRaces
	}
	h.next = regionBase
	m.Pageable = h.pageable
	m.Known = h.known
	m.AtUnload(h.checkUnload)
	m.AtEnd(h.checkEnd)
	return h
}

// Regions of simulated addresses. The values mean nothing; they differ so that a reader sees what an
// address is.
const (
	regionNonPaged = iota
	regionPaged
	regionStack
	regionUser
	regionMapping
	numRegions
)

var regionBase = [numRegions]uint64{0xffff_a000_0000_0000, 0xffff_c000_0000_0000, 0xffff_f000_0000_0000,
	0x0000_0100_0000_0000,
	0xffff_8000_0000_0000}

func (k Kind) region() int {
	switch k {
	case Paged:
		return regionPaged
	case Stack:
		return regionStack
	case User:
		return regionUser
	}
	return regionNonPaged
}

// header is the room Windows keeps before a small block.
const header = 16

// cacheLine is the size of a cache line on x64, at which memory that asks for it begins.
const cacheLine = 64

// address gives the next block its simulated address: 16-byte aligned, or as a cache line, page-aligned from
// PAGE_SIZE on, and a small block crosses no page (irp.md 19).
func (h *heap) address(k Kind, size int, cacheAligned bool) uint64 {
	next := &h.next[k.region()]
	n := uint64(max(size, 1)+15) &^ 15
	a := *next + header
	front := uint64(header)
	if cacheAligned {
		a = (a + cacheLine - 1) &^ (cacheLine - 1)
		front = cacheLine
	}
	if n+front > PageSize {
		a = (*next + PageSize - 1) &^ (PageSize - 1)
	} else if a/PageSize != (a+n-1)/PageSize {
		a = (a+PageSize-1)&^(PageSize-1) + front
	}
	*next = a + n
	return a
}

// MapRange gives n simulated addresses in the system's own range, from the beginning of a page on.
func MapRange(m *ke.Machine, n uint64) uint64 {
	next := &state.On(m).next[regionMapping]
	a := *next
	*next = (a + n + PageSize - 1) &^ (PageSize - 1)
	return a
}

// MapAddress gives a simulated address in the system's own range for a mapping of the view's bytes: another
// page, the same place in it.
func MapAddress(m *ke.Machine, v *Buffer) uint64 {
	next := &state.On(m).next[regionMapping]
	a := *next + (v.blk.addr+uint64(v.off))%PageSize
	*next = (a + uint64(v.Len()) + PageSize) &^ (PageSize - 1)
	return a
}

package pool

import (
	"cmp"
	"strings"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// guard says why an access must be looked at; a block with none of these bits may be touched freely.
type guard uint16

const (
	gGone      guard = 1 << iota // freed, or the routine whose stack it was has returned
	gPageable                    // level must be below DISPATCH_LEVEL
	gPoints                      // accesses are scheduling points
	gTaken                       // belongs to the system now
	gAlias                       // view: through a mapping
	gLent                        // for stores: an operation needs the contents unchanged
	gReadOnly                    // view, for stores: read-only mapping
	gRaces                       // the race detector wants to know
	gUnwritten                   // handed out uninitialised, and not known to be written from end to end
	gStack                       // a local variable: its function may have returned

	onLoad  = gGone | gPageable | gPoints | gTaken | gAlias | gRaces | gUnwritten | gStack
	onStore = onLoad | gLent | gReadOnly
)

// block is one allocation. It is never used again for another one.
type block struct {
	h        *heap
	c        *chunk    // its bytes; nil for typed allocations and after they were given back
	ext      *extra    // what few blocks have
	owner    *ke.Image // who allocated it; nil is the system
	id       trace.ID
	addr     uint64
	allocSeq uint64
	freeSeq  uint64
	fn       uintptr // routine that allocated it
	size     int32
	where    int32 // index in heap.live
	tag      uint32
	kind     Kind
	guard    guard
	lookasid bool   // part of a lookaside list
	late     bool   // allocated beside an unload routine of its owner
	root     Buffer // the view that the allocation routine returns
}

// extra is what only some blocks have: those somebody else uses, and typed ones.
type extra struct {
	loans   []loan
	taken   *Loan
	typed   typedBytes // the Go value of a typed allocation
	written []byte     // of a block in special pool: see block.bits
}

// typed gives the Go value of a typed allocation, nil for bytes.
func (b *block) typed() typedBytes {
	if b.ext == nil {
		return nil
	}
	return b.ext.typed
}

// chunk is a piece of memory between two canaries. At level 0 it serves one block after the other.
type chunk struct {
	mem   []byte
	class int8 // -1: too large to be kept
	// special pool: the pages on which the chunk lies, up to their end; the canary behind is a guard page
	pages []byte
}

const (
	canarySize  = 16
	smallStep   = 64
	smallLimit  = 2048
	smallCount  = smallLimit / smallStep
	numClasses  = smallCount + 5 // 4, 8, 16, 32 and 64 KiB
	largestKept = 64 << 10
)

// classOf gives the size class for n bytes and the room it has.
func classOf(n int) (class int8, room int) {
	if n <= smallLimit {
		c := max(n-1, 0) / smallStep
		return int8(c), (c + 1) * smallStep
	}
	c := smallCount
	for room = 2 * smallLimit; room <= largestKept; room *= 2 {
		if n <= room {
			return int8(c), room
		}
		c++
	}
	return -1, n
}

const canaryWord = 0xC5A3_5C3A_A3C5_3A5C

// The bytes that fill freed and never written memory.
const (
	PoisonByte        = 0xDE
	UninitializedByte = 0xCD
)

var (
	poison        = strings.Repeat("\xde", PageSize)
	uninitialized = strings.Repeat("\xcd", PageSize)
)

func fill(mem []byte, pattern string) {
	for len(mem) > 0 {
		mem = mem[copy(mem, pattern):]
	}
}

func setCanary(b []byte) {
	w := (*[2]uint64)(unsafe.Pointer(unsafe.SliceData(b[:canarySize])))
	w[0], w[1] = canaryWord, canaryWord
}

func canaryOK(b []byte) bool {
	w := (*[2]uint64)(unsafe.Pointer(unsafe.SliceData(b[:canarySize])))
	return w[0] == canaryWord && w[1] == canaryWord
}

// getChunk finds room for n bytes.
func (h *heap) getChunk(n int) *chunk {
	class, room := classOf(n)
	if class >= 0 {
		if s := h.chunks[class]; len(s) > 0 {
			c := s[len(s)-1]
			h.chunks[class] = s[:len(s)-1]
			return c
		}
	}
	return &chunk{mem: make([]byte, room+2*canarySize), class: class}
}

func (h *heap) putChunk(c *chunk) {
	if c.class >= 0 {
		h.chunks[c.class] = append(h.chunks[c.class], c)
	}
}

// slabSize is how many blocks level 0 makes at once. At level 1 each is made alone, so that checkLost can
// tell whether anybody still has it.
const slabSize = 32

func (h *heap) newBlock() *block {
	if !h.opt.NoQuarantine {
		return new(block)
	}
	if len(h.slab) == 0 {
		h.slab = make([]block, slabSize)
	}
	b := &h.slab[0]
	h.slab = h.slab[1:]
	return b
}

// Request is what an allocation routine wants.
type Request struct {
	DDI           ddi.ID // for the event
	Kind          Kind
	Size          int
	Tag           uint32
	Uninitialized bool
	System        bool // the system's own, not the acting driver's
	CacheAligned  bool // begins with a cache line
}

// Alloc makes a block. It checks nothing: what a routine allows is its own business. It returns nil when
// there is no memory for a block of that size.
func Alloc(k *ke.K, r *Request) *Buffer {
	h := state.Of(k)
	if r.Size < 0 || r.Size > cmp.Or(h.opt.Memory, usualMemory)-h.used {
		return nil
	}
	b := h.newBlock()
	b.h = h
	h.enter(k, b, r)
	h.giveBytes(b, r)
	return &b.root
}

// enter fills in what every block has and lists it.
func (h *heap) enter(k *ke.K, b *block, r *Request) {
	b.kind, b.size, b.tag = r.Kind, int32(r.Size), r.Tag
	b.guard = h.points
	if r.Kind.Pageable() {
		b.guard |= gPageable
	}
	if r.Kind == Stack {
		b.guard |= gStack
	}
	b.id = h.m.NewID(trace.Pool)
	b.addr = h.address(r.Kind, r.Size, r.CacheAligned)
	b.where = int32(len(h.live))
	h.live = append(h.live, b)
	h.used += r.Size
	b.root.blk = b
	if k == nil {
		return
	}
	if !r.System {
		b.owner = ke.Acting(k)
		if b.owner != nil {
			ke.Alive(k, b.owner.ID)
		}
		b.late = b.owner != nil && b.owner.Unloading && !inUnload(k)
	}
	if f := ke.Top(k); f != nil {
		b.fn = f.Fn
	}
	b.allocSeq = ke.Log(k, trace.Event{What: trace.Call, Code: r.DDI, Obj: b.id, A: uint64(r.Size),
		Flags: trace.HasA})
}

func (h *heap) giveBytes(b *block, r *Request) {
	end, room := canarySize+r.Size, r.Size
	tracked := r.Uninitialized && r.Kind.Pool()
	if tracked {
		room += bitsFor(r.Size)
	}
	if h.opt.SpecialPool {
		b.c = h.specialChunk(b, r.Size)
	}
	if b.c == nil {
		b.c = h.getChunk(room)
		setCanary(b.c.mem)
		setCanary(b.c.mem[end:])
	}
	mem := b.c.mem
	data := mem[canarySize:end:end]
	if r.Uninitialized {
		fill(data, uninitialized)
	} else {
		clear(data)
	}
	b.root.data = data
	if tracked {
		b.trackWrites()
	}
}

// AllocUser makes memory of a process, which is outside of any driver.
func AllocUser(m *ke.Machine, size int) *Buffer {
	h := state.On(m)
	b := &block{h: h}
	r := Request{Kind: User, Size: size}
	h.enter(nil, b, &r)
	h.giveBytes(b, &r)
	return &b.root
}

// unlist takes b from the live ones.
func (h *heap) unlist(b *block) {
	n := len(h.live) - 1
	last := h.live[n]
	h.live[b.where] = last
	last.where = b.where
	h.live[n] = nil
	h.live = h.live[:n]
	h.used -= int(b.size)
}

// wholePoison is the size up to which a freed block is poisoned from end to end at level 0; of a larger one
// the ends are.
const (
	wholePoison = 4096
	endPoison   = 64
)

// bury ends the life of b: the books are closed, the bytes poisoned and put in quarantine or back.
func (h *heap) bury(b *block) {
	b.guard = b.guard&gPoints | gGone
	h.unlist(b)
	if b.ext != nil {
		b.ext.loans = nil
		if v := b.ext.typed; v != nil {
			v.trash()
		}
	}
	c := b.c
	if c == nil {
		if b.typed() != nil && !h.opt.NoQuarantine {
			h.detain(b, nil)
		}
		return
	}
	if c.pages != nil {
		b.c, b.root.data = nil, nil
		h.endSpecial(c)
		return
	}
	data := c.mem[canarySize : canarySize+int(b.size)]
	if h.opt.NoQuarantine && len(data) > wholePoison {
		copy(data, poison[:endPoison])
		copy(data[len(data)-endPoison:], poison[:endPoison])
	} else {
		fill(data, poison)
	}
	b.c, b.root.data = nil, nil
	if h.opt.NoQuarantine {
		h.putChunk(c)
		return
	}
	h.detain(b, c)
}

package pool

import (
	"reflect"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// Typed is a block that holds one Go value: a driver's own structure, tracked and tagged like bytes. Its
// simulated size is that of the Go value.
type Typed[T any] struct {
	blk block
	ext extra
	own *T // where the value is in special pool; else nil
	v   T
}

// typedBytes is what the block of a Typed needs to know about its value.
type typedBytes interface {
	contents() *contents
	each(fn func(obj any))
	trash()
	changed() string // the member written since trash, "" when none was
	within(p unsafe.Pointer) bool
}

// Get returns the value, for use at once: a pointer that is kept until after the free leads to poison, and
// what is written through it is found at the end of the run (POOL-013). With special pool every access
// through it is found at once, if T holds no Go pointers. Rules: POOL-013, POOL-026, IRQL-008.
//
//go:norace
func (t *Typed[T]) Get() *T {
	if t.blk.guard&onLoad != 0 {
		t.check()
	}
	if t.own != nil {
		return t.own
	}
	return &t.v
}

// at is the value, whoever asks.
//
//go:norace
func (t *Typed[T]) at() *T {
	if t.own != nil {
		return t.own
	}
	return &t.v
}

//go:norace
func (t *Typed[T]) check() {
	k := t.blk.h.m.Current()
	if k == nil {
		return
	}
	if t.blk.guard&gPoints != 0 {
		ke.Accesses(k, ke.Writes(t.blk.id))
	}
	if t.blk.guard&gStack != 0 {
		ke.CheckFunctions(k)
	}
	g := t.blk.guard
	if g&gGone != 0 {
		t.blk.root.touchGone(k, 0, false)
	}
	if g&gTaken != 0 && ke.Acting(k) != nil {
		t.blk.touchTaken(k)
	}
	if g&gPageable != 0 && ke.IRQL(k) >= ke.Dispatch {
		t.blk.touchPaged(k, 0, false)
	}
}

// ID returns the id of the block for reports.
//
//go:norace
func (t *Typed[T]) ID() trace.ID { return t.blk.id }

// Address is the simulated address of the value.
//
//go:norace
func (t *Typed[T]) Address() uint64 { return t.blk.addr }

// Handle is the block as a Buffer without bytes, for Free, Lend and Take.
//
//go:norace
func (t *Typed[T]) Handle() *Buffer {
	if t == nil {
		return nil
	}
	return &t.blk.root
}

//go:norace
func (t *Typed[T]) contents() *contents { return contentsOf(t.at()) }

//go:norace
func (t *Typed[T]) each(fn func(obj any)) {
	eachInside(reflect.TypeFor[T](), unsafe.Pointer(t.at()), fn)
}

//go:norace
func (t *Typed[T]) trash() { trashValue(t.at()) }

//go:norace
func (t *Typed[T]) changed() string {
	return changedValue(reflect.TypeFor[T](), unsafe.Pointer(t.at()), reflect.TypeFor[T]().String())
}

//go:norace
func (t *Typed[T]) within(p unsafe.Pointer) bool {
	return inside(p, unsafe.Pointer(t.at()), unsafe.Sizeof(t.v))
}

func inside(p, start unsafe.Pointer, n uintptr) bool {
	return uintptr(p) >= uintptr(start) && uintptr(p) < uintptr(start)+max(n, 1)
}

// New makes a typed block. Like Alloc it checks nothing; Size of the request is ignored.
//
//go:norace
func New[T any](k *ke.K, r *Request) *Typed[T] {
	h := state.Of(k)
	t := &Typed[T]{}
	t.blk.h = h
	t.ext.typed = t
	t.blk.ext = &t.ext
	q := *r
	q.Size = int(unsafe.Sizeof(t.v))
	h.enter(k, &t.blk, &q)
	t.own = (*T)(h.ownPages(&t.blk, reflect.TypeFor[T]()))
	return t
}

// StackBuffer makes n bytes that die with the function that calls the routine which calls StackBuffer.
//
//go:noinline
func StackBuffer(k *ke.K, n int) *Buffer {
	b := Alloc(k, &Request{Kind: Stack, Size: n, Uninitialized: true})
	ke.OnFunction(k, StackMemory{b.blk}, 1)
	return b
}

// StackVar makes a variable that dies with the function that calls the routine which calls StackVar. It
// starts as the zero value.
//
//go:norace
//go:noinline
func StackVar[T any](k *ke.K) *Typed[T] {
	t := New[T](k, &Request{Kind: Stack})
	ke.OnFunction(k, StackMemory{&t.blk}, 1)
	return t
}

// StackMemory is what dies with a routine: the object that ke.OnStack is given.
type StackMemory struct{ b *block }

// Contains reports whether p points into the memory: a routine that kept a Go pointer asks.
func (s StackMemory) Contains(p unsafe.Pointer) bool { return s.b.contains(p) }

// ID returns the id of the memory.
func (s StackMemory) ID() trace.ID { return s.b.id }

// StackGone ends stack memory: first the objects in it are told, in the ways in which objects made alone on
// the stack are. Rules: POOL-026 and those of loans; what the objects themselves report.
func (s StackMemory) StackGone(k *ke.K) {
	b := s.b
	b.uses(ke.Free)
	typed := b.typed()
	if typed != nil {
		typed.each(func(obj any) {
			for _, fn := range b.h.m.OnStackDeath {
				fn(k, obj)
			}
			if d, ok := obj.(ke.Dier); ok {
				d.StackGone(k)
			}
		})
	}
	if b.ext != nil && len(b.ext.loans) > 0 {
		b.goneWhileLent(k, "goes with the routine that returns")
	}
	b.freeSeq = ke.FrameEnds(k, "stack memory gone", b.id)
	if typed != nil {
		typed.contents().gone(b.h.m, verify.POOL_026, b.freeSeq)
	}
	b.h.bury(b)
}

// Containing finds the live block that p points into: a typed value, or bytes. Routines that are handed a
// Go pointer use it to learn whose memory it is.
func Containing(m *ke.Machine, p unsafe.Pointer) *Buffer {
	if b := state.On(m).containing(p); b != nil {
		return &b.root
	}
	return nil
}

func (h *heap) containing(p unsafe.Pointer) *block {
	for _, b := range h.live {
		if b.contains(p) {
			return b
		}
	}
	return nil
}

func (h *heap) known(p unsafe.Pointer) bool { return h.containing(p) != nil }

func (b *block) contains(p unsafe.Pointer) bool {
	switch v := b.typed(); {
	case v != nil && v.within(p):
		return true
	case b.c != nil:
		return inside(p, unsafe.Pointer(unsafe.SliceData(b.c.mem[canarySize:])), uintptr(b.size))
	}
	return false
}

// KindOf returns the type of memory of a view.
func KindOf(v *Buffer) Kind { return v.blk.kind }

// Gone reports whether the memory is freed or was on a stack that is gone.
func Gone(v *Buffer) bool {
	v.blk.uses(ke.R)
	return v.blk.guard&gGone != 0
}

// Offset returns where in its block the view begins, and the size of the block.
func Offset(v *Buffer) (off, size int) { return int(v.off), int(v.blk.size) }

// SameBlock reports whether two views are of one block.
func SameBlock(a, b *Buffer) bool { return a.blk == b.blk }

// SetLookaside marks a block as part of a lookaside list: it must go back there.
func SetLookaside(v *Buffer, on bool) {
	v.blk.uses(ke.W)
	v.blk.lookasid = on
}

// FreeFor frees a block for the system on behalf of routine d without looking at tag, level or place.
func FreeFor(k *ke.K, d ddi.ID, v *Buffer) {
	if v.blk.guard&gGone == 0 {
		v.blk.end(k, d)
	}
}

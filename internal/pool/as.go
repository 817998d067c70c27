package pool

import (
	"fmt"
	"reflect"
	"unsafe"

	"calloutsim/internal/ke"
)

// placed is the Go value that lies in a block of bytes: what C gets by casting the block's address. It knows
// the block, so that whoever keeps a pointer to the value keeps the block as well.
type placed[T any] struct {
	blk *block
	v   T
}

//go:norace
func (p *placed[T]) contents() *contents { return contentsOf(&p.v) }

//go:norace
func (p *placed[T]) each(fn func(obj any)) {
	eachInside(reflect.TypeFor[T](), unsafe.Pointer(&p.v), fn)
}

//go:norace
func (p *placed[T]) trash() { trashValue(&p.v) }

//go:norace
func (p *placed[T]) changed() string {
	return changedValue(reflect.TypeFor[T](), unsafe.Pointer(&p.v), reflect.TypeFor[T]().String())
}

//go:norace
func (p *placed[T]) within(q unsafe.Pointer) bool {
	return inside(q, unsafe.Pointer(&p.v), unsafe.Sizeof(p.v))
}

// As is the value of type T that lies in the block v is the start of. The first call makes it, as its zero
// value; fresh is true then. It and the bytes of the block know nothing of each other, and sizes are not
// compared: those of Go structures are not those of C.
//
//go:norace
func As[T any](v *Buffer) (value *T, fresh bool) {
	b := v.blk
	b.uses(ke.W)
	if b.guard&onLoad != 0 {
		v.checked(0, 0, false, false)
	}
	if v.off != 0 {
		panic(ke.Misuse(fmt.Sprintf("As: the view begins %d bytes inside %v; pass the start of the block",
			v.off, b.id)))
	}
	if b.ext == nil {
		b.ext = &extra{}
	}
	switch t := b.ext.typed.(type) {
	case nil:
		p := &placed[T]{blk: b}
		b.ext.typed = p
		return &p.v, true
	case *placed[T]:
		return &t.v, false
	case *Typed[T]:
		return t.at(), false
	}
	panic(ke.Misuse(fmt.Sprintf("As: %v holds a value of another type than %v already", b.id,
		reflect.TypeFor[T]())))
}

// Holds is the value of type T that lies in the block v is the start of, nil where there is none.
//
//go:norace
func Holds[T any](v *Buffer) *T {
	b := v.blk
	b.uses(ke.R)
	if b.guard&onLoad != 0 {
		v.checked(0, 0, false, false)
	}
	if v.off != 0 || b.ext == nil {
		return nil
	}
	switch t := b.ext.typed.(type) {
	case *placed[T]:
		return &t.v
	case *Typed[T]:
		return t.at()
	}
	return nil
}

package ke

import (
	"unsafe"

	"calloutsim/internal/trace"
)

// knowledge is what was done before some point: a clock, and what stands for it with Go's detector.
type knowledge struct {
	vc vclock
	marks
}

// forget makes o empty.
func (o *knowledge) forget() {
	o.vc = o.vc[:0]
	o.marks.forget()
}

// learn adds what is known to from.
func (o *knowledge) learn(from *knowledge) {
	o.vc.join(from.vc)
	o.marks.learn(&from.marks)
}

// tableKey names what is released and acquired or watched: an object by a pointer to it, or by its id.
type tableKey struct {
	obj any
	id  trace.ID
}

func (k tableKey) hash() uint64 {
	return uint64((*(*[2]uintptr)(unsafe.Pointer(&k.obj)))[1]) + uint64(k.id)
}

// table holds what is known about objects. It is no map because Go's race detector watches the maps even of
// packages that are compiled without it.
type table[V any] struct {
	slots []tableSlot[V] // a power of two, open addressing
	used  int
}

type tableSlot[V any] struct {
	key tableKey
	v   *V
}

// get gives the entry of an object, nil when there is none.
//
//go:norace
func (t *table[V]) get(key tableKey) *V {
	if t.used == 0 {
		return nil
	}
	return t.find(key).v
}

// of gives the entry of an object, made on first use.
//
//go:norace
func (t *table[V]) of(key tableKey) *V {
	if 2*t.used >= len(t.slots) {
		t.grow()
	}
	s := t.find(key)
	if s.v == nil {
		*s = tableSlot[V]{key, new(V)}
		t.used++
	}
	return s.v
}

// find gives the slot that key is in or belongs in.
//
//go:norace
func (t *table[V]) find(key tableKey) *tableSlot[V] {
	mask := uint64(len(t.slots) - 1)
	for i := key.hash() * 0x9E3779B97F4A7C15 >> 32; ; i++ {
		if s := &t.slots[i&mask]; s.v == nil || s.key == key {
			return s
		}
	}
}

//go:norace
func (t *table[V]) grow() {
	old := t.slots
	t.slots = make([]tableSlot[V], max(64, 2*len(old)))
	for _, s := range old {
		if s.v != nil {
			*t.find(s.key) = s
		}
	}
}

// clear drops everything.
//
//go:norace
func (t *table[V]) clear() {
	if t.used > 0 {
		clear(t.slots)
		t.used = 0
	}
}

// vclock is a vector clock: how much of each context, by number, happened before. Contexts beyond its end
// are at 0.
type vclock []uint32

func (v vclock) at(i uint32) uint32 {
	if int(i) < len(v) {
		return v[i]
	}
	return 0
}

// join adds what o knows.
func (v *vclock) join(o vclock) {
	for len(*v) < len(o) {
		*v = append(*v, 0)
	}
	for i, t := range o {
		if t > (*v)[i] {
			(*v)[i] = t
		}
	}
}

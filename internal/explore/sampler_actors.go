package explore

import "calloutsim/internal/ke"

// byActor keeps something about every actor of a run. The zero byActor is empty; what nobody has set is zero.
type byActor[T any] struct {
	kinds [1 + 1<<2][]T // by the upper half of the Actor, then by the lower one
}

const lowActor = 1<<16 - 1

// at gives the place of an actor.
//
//go:norace
func (b *byActor[T]) at(a ke.Actor) *T {
	s := &b.kinds[a>>16]
	n := int(a & lowActor)
	if n >= len(*s) {
		if n < cap(*s) {
			*s = (*s)[:n+1]
		} else {
			*s = append(*s, make([]T, n+1-len(*s))...)
		}
	}
	return &(*s)[n]
}

// peek is at without making a place: nil where there is none.
//
//go:norace
func (b *byActor[T]) peek(a ke.Actor) *T {
	s := b.kinds[a>>16]
	if n := int(a & lowActor); n < len(s) {
		return &s[n]
	}
	return nil
}

//
//go:norace
func (b *byActor[T]) reset() {
	for i, s := range b.kinds {
		clear(s)
		b.kinds[i] = s[:0]
	}
}

//
//go:norace
func (b *byActor[T]) each(fn func(*T)) {
	for _, s := range b.kinds {
		for i := range s {
			fn(&s[i])
		}
	}
}

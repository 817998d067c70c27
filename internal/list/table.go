package list

// Table finds things by numbers other than 0. It is no map because Go's race detector watches the maps even
// of packages that are compiled without it. The zero value is empty.
type Table[V any] struct {
	slots []slot[V] // a power of two, open addressing
	used  int       // slots with a key
}

type slot[V any] struct {
	key uint64
	v   *V // nil once it was taken out
}

// at is the slot of a key, or the free one where it goes.
//
//go:norace
func (t *Table[V]) at(key uint64) *slot[V] {
	mask := uint64(len(t.slots) - 1)
	for i := key * 0x9E3779B97F4A7C15 >> 7 & mask; ; i = (i + 1) & mask {
		if s := &t.slots[i]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// Get gives what a key stands for, nil for nothing.
//
//go:norace
func (t *Table[V]) Get(key uint64) *V {
	if t.used == 0 || key == 0 {
		return nil
	}
	return t.at(key).v
}

// Put lets a key stand for v, or with nil for nothing.
//
//go:norace
func (t *Table[V]) Put(key uint64, v *V) {
	if v == nil && t.Get(key) == nil {
		return
	}
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	s := t.at(key)
	if s.key == 0 {
		s.key = key
		t.used++
	}
	s.v = v
}

// grow makes room, and forgets what was taken out.
//
//go:norace
func (t *Table[V]) grow() {
	old, live := t.slots, 0
	for i := range old {
		if old[i].v != nil {
			live++
		}
	}
	n := 16
	for n < 4*(live+1) {
		n *= 2
	}
	t.slots, t.used = make([]slot[V], n), 0
	for i := range old {
		if old[i].v != nil {
			s := t.at(old[i].key)
			*s = old[i]
			t.used++
		}
	}
}

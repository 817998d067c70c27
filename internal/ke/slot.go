package ke

// Slot is the place of one package's state in every machine. Declare it once per package:
//
//	var state = ke.NewSlot(newIOManager)
type Slot[T any] struct {
	n     int
	make  func(*Machine) *T
	renew func(*Machine, *T) // makes the state of an earlier run as new; nil drops it
}

// slotCount numbers the slots in package initialisation order, which the language fixes; it is never touched
// later.
var slotCount int

// NewSlot reserves a slot. Call it only to initialise a package variable.
//
//go:norace
func NewSlot[T any](create func(*Machine) *T) Slot[T] {
	slotCount++
	return Slot[T]{n: slotCount - 1, make: create}
}

// NewReusedSlot is NewSlot for state that the next run of the machine uses again: create makes it empty, and
// renew as it is at the beginning of a run. It is for what nearly every run needs.
//
//go:norace
func NewReusedSlot[T any](create func(*Machine) *T, renew func(*Machine, *T)) Slot[T] {
	s := NewSlot(create)
	s.renew = renew
	return s
}

// Of returns the state of k's machine, making it on first use.
//
//go:norace
func (s *Slot[T]) Of(k *K) *T { return s.On(k.m) }

// On returns the state of a machine, making it on first use.
//
//go:norace
func (s *Slot[T]) On(m *Machine) *T {
	if s.n < len(m.slots) {
		if v, ok := m.slots[s.n].(*T); ok {
			return v
		}
	}
	return s.first(m)
}

//go:norace
func (s *Slot[T]) first(m *Machine) *T {
	for len(m.slots) <= s.n {
		m.slots, m.olds = append(m.slots, nil), append(m.olds, nil)
	}
	if tr := m.trail; tr != nil { // whoever comes first makes it, for all
		tr.common++
		defer func() { tr.common-- }()
	}
	v, old := m.olds[s.n].(*T)
	if !old || s.renew == nil {
		v = s.make(m)
	}
	m.slots[s.n] = v
	if s.renew != nil {
		s.renew(m, v)
	}
	return v
}

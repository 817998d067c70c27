package ke

// Stamp names one run of one machine. Objects in driver memory carry it: one initialised in an earlier run is
// not initialised in this one. The zero Stamp is no run.
type Stamp struct {
	m      *Machine
	serial uint64
}

// StampOf returns the run k belongs to.
func StampOf(k *K) Stamp { return Stamp{k.m, k.m.serial} }

// Stamp is StampOf where no K is at hand.
func (m *Machine) Stamp() Stamp { return Stamp{m, m.serial} }

// Of reports whether s is the run k belongs to.
func (s *Stamp) Of(k *K) bool { return s.m == k.m && s.serial == k.m.serial }

// Live reports whether s is the present run of its machine.
func (s *Stamp) Live() bool { return s.m != nil && s.serial == s.m.serial }

package sim

// hashSet is a set of trace hashes. Hashes are spread over all their bits already, which a map would do once
// more for each of millions. The zero hashSet is empty.
type hashSet struct {
	slots []uint64 // a power of two; 0 is free
	n     int
	zero  bool // 0 is in the set
}

// add puts h into the set.
func (s *hashSet) add(h uint64) {
	if h == 0 {
		s.zero = true
		return
	}
	if 4*s.n >= 3*len(s.slots) {
		s.grow()
	}
	if s.put(h) {
		s.n++
	}
}

// put reports whether h was new. There is a free slot.
func (s *hashSet) put(h uint64) bool {
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case 0:
			s.slots[i] = h
			return true
		case h:
			return false
		}
	}
}

func (s *hashSet) grow() {
	old := s.slots
	s.slots = make([]uint64, max(64, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			s.put(h)
		}
	}
}

// size is how many hashes there are.
func (s *hashSet) size() int {
	if s.zero {
		return s.n + 1
	}
	return s.n
}

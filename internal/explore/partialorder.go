package explore

// Order is a hash of the partial order that the last run was one of: which steps there were, and which of
// them came before which for a reason. Two runs with the same are the same but for steps that commute.
func (s *Search) Order() uint64 {
	var sum uint64
	o := &s.ord
	for i, clock := range o.clocks {
		h := scramble(s.Trail.Steps[i].By + uint64(o.pos[i])*0x9e3779b97f4a7c15)
		for lane, n := range clock {
			if n > 0 {
				h += scramble(o.names[lane]^scramble(uint64(n))) | 1
			}
		}
		sum += scramble(h)
	}
	return sum
}

func scramble(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

package ke

// Choose asks the machine's source. With fewer than two alternatives nothing is asked and nothing recorded.
func (m *Machine) Choose(s *Site, n int) int {
	if n < 2 || m.dead {
		return 0
	}
	if n > 1<<16-1 {
		panic("internal error: choice with too many alternatives")
	}
	return m.answer(s, n, m.cfg.Source.Choose(s, n)) // asked also where pinned: records stay aligned
}

// answer records what was chosen, or what a pin says instead.
func (m *Machine) answer(s *Site, n, pick int) int {
	alt, pinned := Pinned(m.cfg.Pins, s, n)
	if pinned {
		pick = alt
	}
	c := Choice{Site: s, N: uint16(n), Pick: uint16(pick), Pinned: pinned, Seq: m.log.Len()}
	m.choices = append(m.choices, c)
	return pick
}

// Choose asks for k's machine, and notes for which driver.
func Choose(k *K, s *Site, n int) int {
	m := k.m
	asked := len(m.choices)
	pick := m.Choose(s, n)
	if len(m.choices) > asked {
		m.choices[asked].Driver = driverBelow(k)
	}
	return pick
}

// driverBelow is the number of the innermost driver on the stack of k that is no part of the system.
func driverBelow(k *K) uint16 {
	for i := len(k.frames) - 1; i >= 0; i-- {
		if img := k.frames[i].Image; img != nil && !img.System {
			return img.Num
		}
	}
	return 0
}

// Fails asks whether a fallible operation fails this time; 0, the boring answer, is that it does not.
func Fails(k *K, s *Site) bool { return Choose(k, s, 2) == 1 }

// Choices returns what was asked and answered in this run.
func (m *Machine) Choices() []Choice { return m.choices }

// Deviations returns the answers that were not 0, pinned ones included.
func (m *Machine) Deviations() []Deviation {
	var d []Deviation
	for i := range m.choices {
		if c := &m.choices[i]; c.Pick != 0 {
			d = append(d, Deviation{i, int(c.Pick)})
		}
	}
	return d
}

// Pinned gives the alternative to which pins fix a question with n alternatives. The name of a site counts
// more than a pattern, and of two alike the later.
func Pinned(pins []Pin, s *Site, n int) (alt int, pinned bool) {
	exactly := false
	for i := range pins {
		p := &pins[i]
		if exactly && p.Pattern() || !p.Matches(s.Name) {
			continue
		}
		if a, ok := p.of(s); ok && a < n {
			alt, pinned, exactly = a, true, !p.Pattern()
		}
	}
	return alt, pinned
}

package ke

// checks are what packages want to look at when a driver has gone and when a run is over (rules.md 1.2).
type checks struct {
	unload []func(m *Machine, img *Image)
	end    []func(m *Machine)
	left   []func(m *Machine, say func(line string))
	alive  []func(m *Machine) bool
}

var checkState = NewReusedSlot(func(*Machine) *checks { return &checks{} }, func(_ *Machine, c *checks) {
	c.unload, c.end, c.left, c.alive = c.unload[:0], c.end[:0], c.left[:0], c.alive[:0]
})

// AtUnload registers a check to be made whenever the unload routine of a driver has returned. Packages
// register when their state in the machine is created; checks are made in that order.
func (m *Machine) AtUnload(check func(m *Machine, img *Image)) {
	c := checkState.On(m)
	c.unload = append(c.unload, check)
}

// AtEnd registers a check to be made at the end of a run that no violation ended.
func (m *Machine) AtEnd(check func(m *Machine)) {
	c := checkState.On(m)
	c.end = append(c.end, check)
}

// RunUnloadChecks makes the checks of an unload. A machine whose run has ended makes none: they would only
// show consequences.
func (m *Machine) RunUnloadChecks(img *Image) {
	if m.dead {
		return
	}
	m.AddsOn(Unknown) // the checks look at everything there is
	for _, check := range checkState.On(m).unload {
		check(m, img)
	}
}

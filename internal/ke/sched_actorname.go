package ke

// ActorName gives an actor a name for people: that of the thread, of the processor whose DPCs run, of the
// channel of the outside.
func (m *Machine) ActorName(a Actor) string {
	switch a & actorKind {
	case actorDPC:
		for _, c := range m.cpus {
			if c.queue == a {
				return "DPCs of processor " + utoa(uint64(c.num))
			}
		}
		return "DPCs of a processor that has others now"
	case actorDelivery:
		for _, c := range m.chans {
			if c.order == uint64(a&^actorKind) {
				return c.Name
			}
		}
		for _, t := range m.threads {
			if t.active != nil && t.active.actor == a {
				return t.active.name
			}
		}
		return "channel " + utoa(uint64(a&^actorKind))
	case ActorClock:
		return "the clock"
	case actorDriver:
		return "the test"
	}
	if int(a) <= len(m.cpus) {
		return "idle processor " + utoa(uint64(a-1))
	}
	for _, t := range m.all {
		if t.K.actor == a {
			return t.K.name
		}
	}
	return "context " + utoa(uint64(a))
}

package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
)

// listLeft lists the classifications that are under way in a machine at rest, with who holds each since when.
func (e *engine) listLeft(m *ke.Machine, say func(line string)) {
	for _, c := range e.open {
		line := fmt.Sprintf("%v (%s, %v -> %v of %s)", c.id, c.info.name, c.q.Local, c.q.Remote,
			imageName(c.q.Endpoint.Process))
		for _, cl := range c.calls {
			who := imageNameOf(cl.reg.owner)
			switch {
			case cl.pend == pendPending:
				line += fmt.Sprintf(": it is pended by %s, since %s", who, m.When(cl.pendSeq))
			case cl.op != nil && !cl.op.completed:
				line += fmt.Sprintf(": the operation is held by %s, since %s", who, m.When(cl.op.pendSeq))
			case cl.running:
				line += fmt.Sprintf(": it is in the classifyFn of %s, since %s", who, m.When(cl.enterSeq))
			}
		}
		say(line)
	}
}

// couldAct reports whether a callout is registered that the network could still make the engine call.
func (e *engine) couldAct(*ke.Machine) bool { return len(e.regs) > 0 }

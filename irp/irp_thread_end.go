package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irql"
)

// exitLimit is how long a thread that ends waits for its cancelled IRPs (irp.md 10.2).
const exitLimit = 300 * ke.Second

// boundTo is an IRP in a thread's list, known by its id: its memory may serve another request later.
type boundTo struct {
	p  *IRP
	id trace.ID
}

func (b boundTo) outstanding() bool {
	return b.p.id == b.id && b.p.state != stFreed && b.p.inThreadList
}

// bound lists the IRPs of a thread that have been sent and not ended, oldest first: requests of programs and
// what drivers built. About file objects their makers wait themselves.
func (io *ioManager) bound(t *ke.Thread) []boundTo {
	var mine []boundTo
	for p := io.live; p != nil; p = p.next {
		if p.thread == t && p.inThreadList && p.sent && (p.origin != byManager || p.op != nil) {
			mine = append(mine, boundTo{p, p.id})
		}
	}
	for i, j := 0, len(mine)-1; i < j; i, j = i+1, j-1 {
		mine[i], mine[j] = mine[j], mine[i]
	}
	return mine
}

// EndThread is what the I/O manager does when a thread ends, of a process or of the system: every IRP in its
// list is cancelled and waited for. What a driver holds for longer than five minutes is given up (irp.md
// 10.2). Worker threads do not end when a work item has: theirs live on until their requests have ended.
// Rule: IRP-027.
func (sim) EndThread(k *irql.K) { state.Of(k).endThread(k) }

func (io *ioManager) endThread(k *irql.K) {
	t := ke.ThreadOf(k)
	mine := io.bound(t)
	if ke.IsWorker(k) {
		for _, b := range mine {
			ke.Await(k, func() bool { return !b.outstanding() }, nil, "work, with requests under way")
		}
		return
	}
	for _, b := range mine {
		b.p.cancelIn(t, b.outstanding)
	}
	due := io.m.Now() + exitLimit
	for _, b := range mine {
		ke.Await(k, func() bool { return !b.outstanding() }, &due, "the IRPs of a thread that ends")
	}
	for _, b := range mine {
		if p := b.p; b.outstanding() {
			if !io.m.ClockRaces() { // else the end of the run tells whether it is kept for good
				p.heldTooLong(k)
			}
			p.unbind()
		}
	}
}

// unbind takes the IRP from its thread's list.
func (p *IRP) unbind() {
	p.thread.Requests--
	p.thread, p.inThreadList = nil, false
}

package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
)

// DumpIRQL prints the level of each processor in the shape of the debugger's !irql.
func (sim) DumpIRQL(m *ke.Machine) []string {
	out := []string{"!irql"}
	for i, level := range m.Levels() {
		out = append(out, fmt.Sprintf("IRQL for processor 0x%x -- %d (%s)", i, level, ke.LevelName(level)))
	}
	return out
}

// DumpLocks prints every lock that is held, who holds it and who waits for it, in the shape of the debugger's
// !locks, and the order in which locks were taken while others were held (LOCK-003).
func (sim) DumpLocks(m *ke.Machine) []string {
	out := []string{"!locks", "**** DUMP OF ALL LOCKS THAT ARE HELD ****"}
	var done []trace.ID
	held := 0
	contexts := m.Contexts()
	for _, k := range contexts {
		for i := range ke.Locks(k) {
			id := ke.Locks(k)[i].ID
			if contains(done, id) {
				continue
			}
			done = append(done, id)
			held++
			out = list.Add(out, dumpLock(contexts, id))
		}
	}
	out = append(out, fmt.Sprintf("Locks held: %d", held))
	s := state.On(m)
	if len(s.order) == 0 {
		return out
	}
	out = append(out, "Order of acquisition:")
	for i := range s.order {
		n := &s.order[i]
		out = append(out, fmt.Sprintf("     %v -> %v    first by %s", n.held, n.taken, n.ctx))
	}
	return out
}

// dumpLock prints one lock: its owners, each with the routine that acquired it, and who waits.
func dumpLock(contexts []*K, id trace.ID) []string {
	out := []string{"Lock @ " + id.String()}
	for _, k := range contexts {
		for i := range ke.Locks(k) {
			if h := &ke.Locks(k)[i]; h.ID == id {
				out = append(out, fmt.Sprintf("     Owner: %s, acquired by %s (event %d)", ke.ContextName(k),
					acquirer(k, h), h.Seq))
			}
		}
	}
	for _, k := range contexts {
		if ke.IsDPC(k) {
			continue
		}
		t := ke.ThreadOf(k)
		_, on, since, ok := t.Waits()
		if !ok || !waitsFor(t, on, id) {
			continue
		}
		at := ke.Since(since)
		out = append(out, fmt.Sprintf("     Waiter: %s, since %d.%07d s", t.Name(), at/ke.Second,
			at%ke.Second))
	}
	return out
}

func waitsFor(t *ke.Thread, on []*ke.Object, id trace.ID) bool {
	if l := t.Spins(); l != nil && l.ID == id {
		return true
	}
	for _, o := range on {
		if o.ID == id {
			return true
		}
	}
	return false
}

// acquirer names the routine that acquired a lock: the kind of acquisition says it, or, for locks of other
// packages, the event of it.
func acquirer(k *K, h *ke.Held) string {
	if int(h.Kind) < len(kindNames) && h.Kind != 0 {
		return kindNames[h.Kind]
	}
	for _, seq := range [...]uint64{h.Seq, h.Seq + 1} {
		if e := ke.Of(k).Log().At(seq); e != nil && e.What == trace.Call && e.Obj == h.ID {
			return e.Code.String()
		}
	}
	return "the system"
}

// maxTransitions is how many changes of level DumpTransitions prints.
const maxTransitions = 16

// DumpTransitions prints the last raises and lowerings of the level, newest first: the IRQL transition log of
// the debugger's !verifier 8.
func (sim) DumpTransitions(m *ke.Machine) []string {
	out := []string{"Transitions of IRQL:"}
	log := m.Log()
	for seq := log.Len(); seq >= log.First() && seq > 0 && len(out) <= maxTransitions; seq-- {
		e := log.At(seq)
		if e == nil || e.What != trace.Call || !changesLevel(e.Code) {
			continue
		}
		line := fmt.Sprintf("     #%d %v", seq, e.Code)
		if e.Obj != 0 {
			line += " " + e.Obj.String()
		}
		out = append(out, fmt.Sprintf("%s: processor %d, recorded at %s", line, e.CPU, ke.LevelName(e.IRQL)))
	}
	return out
}

func changesLevel(d ddi.ID) bool {
	switch d {
	case ddi.KeRaiseIrql, ddi.KeRaiseIrqlToDpcLevel, ddi.KeLowerIrql, ddi.KeAcquireSpinLock,
		ddi.KeAcquireSpinLockRaiseToDpc, ddi.KeReleaseSpinLock, ddi.KeAcquireInStackQueuedSpinLock,
		ddi.KeReleaseInStackQueuedSpinLock, ddi.ExAcquireFastMutex, ddi.ExReleaseFastMutex,
		ddi.IoAcquireCancelSpinLock, ddi.IoReleaseCancelSpinLock:
		return true
	}
	return false
}

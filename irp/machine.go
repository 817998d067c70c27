package irp

import (
	"strings"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

func newIOManager(*ke.Machine) *ioManager {
	io := &ioManager{}
	io.hooks = &ioHooks{io.stackGone, io.endThread, io.checkUnload, io.checkEnd, io.listLeft, io.couldAct,
		io.refine, io.eventSet, io.eventAwaited}
	return io
}

// renewIOManager makes the I/O manager as new. IRPs of earlier runs are never used again.
func renewIOManager(m *ke.Machine, io *ioManager) {
	for i := range io.free {
		clear(io.free[i].ring)
		io.free[i] = irpQueue{ring: io.free[i].ring}
	}
	*io = ioManager{m: m, free: io.free, visits: io.visits, hooks: io.hooks,
		drivers: list.Empty(io.drivers), devices: list.Empty(io.devices), items: list.Empty(io.items),
		files: list.Empty(io.files), handles: list.Empty(io.handles), links: list.Empty(io.links),
		taken: list.Empty(io.taken), advice: list.Empty(io.advice),
		forces: m.Config().ForcePending, names: ke.Table(trace.Device, 0)}
	io.cancelLock.ID = m.NewID(trace.SpinLock)
	h := io.hooks
	m.OnStackDeath = append(m.OnStackDeath, h.stackGone)
	m.OnThreadEnd = append(m.OnThreadEnd, h.endThread)
	m.AtUnload(h.checkUnload)
	m.AtEnd(h.checkEnd)
	m.AtRest(h.listLeft)
	m.CouldAct(h.couldAct)
	m.Refine = append(m.Refine, h.refine)
	irql.Sim.Watch(m, h.set, h.awaited)
}

// refine gives an order of locks that the cancel spin lock takes part in its own number.
func (io *ioManager) refine(_ *ke.K, f *verify.Finding) {
	if f.Rule != verify.LOCK_003 {
		return
	}
	id := io.cancelLock.ID.String()
	for _, word := range strings.FieldsFunc(f.Headline, func(r rune) bool { return r == ' ' || r == ';' }) {
		if word == id {
			f.Rule, f.Also = verify.LOCK_020, append(f.Also, verify.LOCK_003)
			f.Fix = "do not hold a driver's lock across IoAcquireCancelSpinLock and IoCancelIrp; a " +
				"cancel-safe queue needs neither."
			return
		}
	}
}

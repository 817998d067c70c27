package ke

import "calloutsim/internal/trace"

// Timer is a timer object: expiry signals Object and queues DPC.
type Timer struct {
	Object Object
	DPC    *DPC // may be nil
	Period int64
	t      timeout
	cpu    *cpu
}

// SetTimer arms t and reports whether it was armed already.
func SetTimer(k *K, t *Timer, due int64, period int64, d *DPC) bool {
	m := k.m
	was := m.clock.remove(&t.t)
	if k.m.races != nil {
		k.m.races.release(k, &t.t)
	}
	t.Object.Signal = 0
	t.DPC, t.Period, t.cpu = d, period, k.cpu
	t.t.at = max(m.deadline(due), m.now)
	if t.t.fire == nil {
		t.t.fire = t.expire
	}
	if t.t.at == m.now {
		t.expire(m) // due already: it expires before KeSetTimer returns
		return was
	}
	m.arm(&t.t)
	return was
}

func (t *Timer) expire(m *Machine) {
	m.log.Add(&trace.Event{What: trace.Note, Time: m.now, Text: "timer expires", Obj: t.Object.ID})
	t.Object.Signal = 1
	if r := m.races; r != nil {
		r.pass(&t.t, &t.Object)
		r.pass(&t.t, t.DPC)
	}
	m.satisfy(&t.Object)
	if t.DPC != nil {
		m.AddsOn(Enqueues(t.DPC.ID))
	}
	if t.DPC != nil && t.DPC.queuedOn == nil {
		m.enqueueDPC(m.queueFor(t.DPC, t.cpu, false), t.DPC)
	}
	if t.Period > 0 {
		t.t.at = m.now + t.Period
		m.arm(&t.t)
	}
}

// CancelTimer disarms t and takes its DPC out of the queue; it reports whether t was armed.
func CancelTimer(k *K, t *Timer) bool {
	was := k.m.clock.remove(&t.t)
	if was && t.DPC != nil {
		Adds(k, Dequeues(t.DPC.ID))
		k.m.removeDPC(t.DPC)
	}
	return was
}

// DisarmTimer is CancelTimer without the DPC: one that is queued runs.
func DisarmTimer(k *K, t *Timer) bool { return k.m.clock.remove(&t.t) }

// Armed reports whether the timer is in the timer queue.
func (t *Timer) Armed() bool { return t.t.index != 0 }

// Time is Now for simulated code, which may notice that the clock has moved.
func Time(k *K) int64 {
	Looked(k)
	Adds(k, Reads(theClock))
	return k.m.now
}

package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// Waiters returns how many threads wait for o.
func (o *Object) Waiters() int { return len(o.waiters) }

// SetSignal changes the state of an object and wakes whoever can go on. It returns the state before.
func SetSignal(k *K, o *Object, v int32) int32 {
	old := o.Signal
	o.Signal = v
	how := Set
	if v <= 0 {
		how = Clear
	}
	k.m.AddsOn(Use{o.ID, how})
	if r := k.m.races; r != nil {
		r.signal(k, o, v)
	}
	if v > 0 {
		k.m.satisfy(o)
	}
	return old
}

func (o *Object) available(t *Thread) bool {
	return o.Signal > 0 || o.Kind == MutexObject && o.Owner == t && t != nil
}

// Available reports whether a wait of the thread k runs on for o alone would be satisfied now.
func Available(k *K, o *Object) bool { return o.available(k.owns()) }

// take lets k consume what a satisfied wait consumes (irp.md 15).
func (o *Object) take(k *K) {
	switch o.Kind {
	case SynchronizationEvent, SynchronizationTimer:
		o.Signal = 0
	case SemaphoreObject:
		o.Signal--
	case MutexObject:
		o.Signal--
		if o.Owner == nil {
			o.Owner = Owner(k)
			o.owned(o.Owner)
		}
	}
}

// takeFor is take; k then knows what led to the signal.
func (o *Object) takeFor(k *K) {
	o.take(k)
	if r := k.m.races; r != nil {
		r.satisfied(k, o)
	}
}

// ReleaseMutex gives back one acquisition by its owner and returns the signal state before.
func ReleaseMutex(k *K, o *Object) int32 {
	old := o.Signal
	o.Signal++
	Adds(k, Releases(o.ID))
	if o.Signal == 1 {
		o.disowned()
		if r := k.m.races; r != nil {
			r.release(k, o)
		}
		k.m.satisfy(o)
		if len(k.apcs) > 0 {
			DeliverAPCs(k)
		}
	}
	return old
}

func (t *Thread) tryTake(all bool) (ntstatus.NTSTATUS, bool) {
	if all {
		for i := range t.blocks {
			if !t.blocks[i].obj.available(t) {
				return 0, false
			}
		}
		s := ntstatus.STATUS_SUCCESS
		for i := range t.blocks {
			t.blocks[i].obj.takeFor(&t.K)
			s = t.blocks[i].obj.told(s)
		}
		return s, true
	}
	for i := range t.blocks {
		if t.blocks[i].obj.available(t) {
			t.blocks[i].obj.takeFor(&t.K)
			return t.blocks[i].obj.told(ntstatus.STATUS_WAIT_0 + ntstatus.NTSTATUS(i)), true
		}
	}
	return 0, false
}

// Wait blocks until one or all of objs are signalled or the time-out (nil for ever, 0 not at all) has passed.
// why is for reports. The caller has checked the IRQL.
func Wait(k *K, objs []*Object, all bool, due *int64, why string) ntstatus.NTSTATUS {
	return WaitAs(k, 0, objs, all, due, why)
}

// WaitAs is Wait with the parameters WaitMode and Alertable: besides what Wait returns, STATUS_ALERTED and
// STATUS_USER_APC.
func WaitAs(k *K, how WaitHow, objs []*Object, all bool, due *int64, why string) ntstatus.NTSTATUS {
	t, m := k.t, k.m
	if k.isDPC {
		return m.poll(k, objs, all)
	}
	if m.Waits != nil && (due == nil || *due != 0) {
		m.toWait = list.Add(m.toWait[:0], objs) // objs itself stays where the caller has it
		m.Waits(k, m.toWait)
	}
	end := int64(0)
	if due != nil && *due != 0 {
		end = m.deadline(*due)
	}
	for {
		t.blocks = t.blocks[:0] // an APC may have waited for something else meanwhile
		for _, o := range objs {
			t.blocks = append(t.blocks, waitBlock{o})
		}
		t.waitAll, t.how = all, how
		if m.trail != nil {
			t.looksAt()
		}
		s, ok := t.tryTake(all)
		if !ok && how != 0 {
			s, ok = t.interrupted()
		}
		if !ok && due != nil && (*due == 0 || end <= m.now) {
			s, ok = ntstatus.STATUS_TIMEOUT, true
		}
		if !ok {
			s = m.block(k, end, why)
			ok = s != wokenForAPC
		}
		if ok {
			t.blocks = t.blocks[:0]
			return s
		}
		DeliverAPCs(k)
	}
}

// Await blocks k until cond holds, asked whenever an APC has run in the thread; false: the time (as in Wait)
// has passed. It is for what a thread's own APCs end.
func Await(k *K, cond func() bool, due *int64, why string) bool {
	t, m := k.t, k.m
	end := int64(0)
	if due != nil {
		end = m.deadline(*due)
	}
	for !cond() {
		if due != nil && end <= m.now {
			return false
		}
		t.blocks, t.waitAll, t.how = t.blocks[:0], false, 0
		if m.block(k, end, why) == wokenForAPC {
			DeliverAPCs(k)
		}
	}
	return true
}

// poll is a wait without blocking, for DPCs: it borrows no wait blocks of the thread it interrupted.
func (m *Machine) poll(k *K, objs []*Object, all bool) ntstatus.NTSTATUS {
	mine := k.owns()
	for _, o := range objs {
		m.AddsOn(WaitsOn(o.ID))
	}
	for i, o := range objs {
		switch ok := o.available(mine); {
		case ok && !all:
			o.takeFor(k)
			return o.told(ntstatus.STATUS_WAIT_0 + ntstatus.NTSTATUS(i))
		case !ok && all:
			return ntstatus.STATUS_TIMEOUT
		}
	}
	if !all {
		return ntstatus.STATUS_TIMEOUT
	}
	for _, o := range objs {
		o.takeFor(k)
	}
	return ntstatus.STATUS_SUCCESS
}

// wokenForAPC is an internal result of block; it is no NTSTATUS of Windows and never leaves this package.
const wokenForAPC = ntstatus.NTSTATUS(0xFFFFFFFE)

func (m *Machine) block(k *K, end int64, why string) ntstatus.NTSTATUS {
	CheckFunctions(k)
	t := k.t
	for i := range t.blocks {
		o := t.blocks[i].obj
		o.waiters = append(o.waiters, t)
	}
	if end != 0 {
		t.timer.at = end
		if t.timer.fire == nil {
			t.timer.fire = func(m *Machine) { m.wake(t, ntstatus.STATUS_TIMEOUT) }
		}
		m.arm(&t.timer)
	}
	t.since, t.why = m.now, why
	k.idles = 0
	m.unready(t, stWaiting)
	m.park(k)
	return t.result
}

// wake makes a waiting thread ready.
func (m *Machine) wake(t *Thread, s ntstatus.NTSTATUS) {
	for i := range t.blocks {
		o := t.blocks[i].obj
		for j, w := range o.waiters {
			if w == t {
				o.waiters = list.Cut(o.waiters, j)
				break
			}
		}
	}
	m.clock.remove(&t.timer)
	t.result = s
	m.makeReady(t)
	m.log.Add(&trace.Event{What: trace.Wake, Time: m.now, Obj: t.ID, Ctx: t.num, CPU: t.cpu.num, IRQL: t.irql,
		Status: uint32(s), Flags: trace.HasStatus})
}

// satisfy wakes the waiters of o that can go on. Where an object can satisfy only one of several, which one
// is a choice.
func (m *Machine) satisfy(o *Object) {
	for o.Signal > 0 && len(o.waiters) > 0 {
		n := 0
		for _, t := range o.waiters {
			if t.couldGo() {
				n++
			}
		}
		if n == 0 {
			return
		}
		pick := 0
		if !o.wakesAll() {
			pick = m.Choose(&siteWake, n)
		}
		for _, t := range o.waiters {
			if !t.couldGo() {
				continue
			}
			if pick == 0 {
				s, _ := t.tryTake(t.waitAll)
				m.wake(t, s)
				break
			}
			pick--
		}
	}
}

// wakesAll reports whether a signalled object satisfies every wait for it.
func (o *Object) wakesAll() bool {
	switch o.Kind {
	case NotificationEvent, NotificationTimer, ThreadObject, ProcessObject:
		return true
	}
	return false
}

func (t *Thread) couldGo() bool {
	if len(t.blocks) > 1 {
		t.looksAt()
	}
	any := false
	for i := range t.blocks {
		if t.blocks[i].obj.available(t) {
			any = true
		} else if t.waitAll {
			return false
		}
	}
	return any
}

// looksAt makes all that t waits for part of the step under way.
func (t *Thread) looksAt() {
	for i := range t.blocks {
		t.m.AddsOn(WaitsOn(t.blocks[i].obj.ID))
	}
}

// Sleep blocks k for a time (negative relative, positive absolute, as KeDelayExecutionThread).
func Sleep(k *K, due int64) { SleepAs(k, 0, due) }

// SleepAs is Sleep with the parameters WaitMode and Alertable; it returns STATUS_SUCCESS, STATUS_ALERTED or
// STATUS_USER_APC.
func SleepAs(k *K, how WaitHow, due int64) ntstatus.NTSTATUS {
	t, m := k.t, k.m
	end := m.deadline(due)
	for {
		t.blocks, t.waitAll, t.how = t.blocks[:0], false, how
		if s, ok := t.interrupted(); ok {
			return s
		}
		if end <= m.now {
			return ntstatus.STATUS_SUCCESS
		}
		s := m.block(k, end, "a delay")
		switch s {
		case wokenForAPC:
			DeliverAPCs(k)
		case ntstatus.STATUS_TIMEOUT:
		default:
			return s
		}
	}
}

package ke

import (
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// ObjectKind is the kind of a dispatcher object.
type ObjectKind uint8

// The kinds.
const (
	NoObject ObjectKind = iota
	NotificationEvent
	SynchronizationEvent
	MutexObject
	SemaphoreObject
	NotificationTimer
	SynchronizationTimer
	ThreadObject
	ProcessObject
)

// Object is what a thread can wait for.
type Object struct {
	Kind   ObjectKind
	ID     trace.ID
	Signal int32 // as SignalState: events 0 or 1, semaphores the count, mutexes 1 free, 0 and below owned
	Limit  int32
	Owner  *Thread // of a mutex
	Gone   bool    // memory is gone: stack frame left or block freed
	lock   *RWLock // whose grant this is

	waiters []*Thread
}

type waitBlock struct{ obj *Object }

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
	return o.Signal > 0 || o.Kind == MutexObject && o.Owner == t
}

// take lets t consume what a satisfied wait consumes (irp.md 15).
func (o *Object) take(t *Thread) {
	switch o.Kind {
	case SynchronizationEvent, SynchronizationTimer:
		o.Signal = 0
	case SemaphoreObject:
		o.Signal--
	case MutexObject:
		o.Signal--
		if o.Owner == nil {
			o.Owner = t
			t.kernelAPC--
		}
	}
}

// takeFor is take for the thread that k runs on; k then knows what led to the signal.
func (o *Object) takeFor(k *K) {
	o.take(k.t)
	if r := k.m.races; r != nil {
		r.satisfied(k, o)
	}
}

// ReleaseMutex gives back one acquisition by its owner and returns the signal state before.
func ReleaseMutex(k *K, o *Object) int32 {
	old := o.Signal
	o.Signal++
	Adds(k, Use{o.ID, Rel})
	if o.Signal == 1 {
		o.Owner.kernelAPC++
		o.Owner = nil
		if r := k.m.races; r != nil {
			r.release(k, o)
		}
		k.m.satisfy(o)
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
		for i := range t.blocks {
			t.blocks[i].obj.takeFor(&t.K)
		}
		return ntstatus.STATUS_SUCCESS, true
	}
	for i := range t.blocks {
		if t.blocks[i].obj.available(t) {
			t.blocks[i].obj.takeFor(&t.K)
			return ntstatus.STATUS_WAIT_0 + ntstatus.NTSTATUS(i), true
		}
	}
	return 0, false
}

// Wait blocks until one or all of objs are signalled or the time-out (nil for ever, 0 not at all) has passed.
// why is for reports. The caller has checked the IRQL.
func Wait(k *K, objs []*Object, all bool, due *int64, why string) ntstatus.NTSTATUS {
	t, m := k.t, k.m
	if k.isDPC {
		return m.poll(t, objs, all)
	}
	t.blocks = t.blocks[:0]
	for _, o := range objs {
		t.blocks = append(t.blocks, waitBlock{o})
	}
	t.waitAll = all
	end := int64(0)
	if due != nil && *due != 0 {
		end = m.deadline(*due)
	}
	for {
		if m.trail != nil {
			t.looksAt()
		}
		if s, ok := t.tryTake(all); ok {
			t.blocks = t.blocks[:0]
			return s
		}
		if due != nil && (*due == 0 || end <= m.now) {
			t.blocks = t.blocks[:0]
			return ntstatus.STATUS_TIMEOUT
		}
		s := m.block(k, end, why)
		if s != wokenForAPC {
			t.blocks = t.blocks[:0]
			return s
		}
		DeliverAPCs(k)
	}
}

// poll is a wait without blocking, for DPCs: it borrows no wait blocks of the thread it interrupted.
func (m *Machine) poll(t *Thread, objs []*Object, all bool) ntstatus.NTSTATUS {
	for _, o := range objs {
		m.AddsOn(Use{o.ID, Waits})
	}
	for i, o := range objs {
		switch ok := o.available(t); {
		case ok && !all:
			o.takeFor(m.cur)
			return ntstatus.STATUS_WAIT_0 + ntstatus.NTSTATUS(i)
		case !ok && all:
			return ntstatus.STATUS_TIMEOUT
		}
	}
	if !all {
		return ntstatus.STATUS_TIMEOUT
	}
	for _, o := range objs {
		o.takeFor(m.cur)
	}
	return ntstatus.STATUS_SUCCESS
}

// wokenForAPC is an internal result of block; it is no NTSTATUS of Windows and never leaves this package.
const wokenForAPC = ntstatus.NTSTATUS(0xFFFFFFFE)

func (m *Machine) block(k *K, end int64, why string) ntstatus.NTSTATUS {
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
				o.waiters = append(o.waiters[:j], o.waiters[j+1:]...)
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
		t.m.AddsOn(Use{t.blocks[i].obj.ID, Waits})
	}
}

// Sleep blocks k for a time (negative relative, positive absolute, as KeDelayExecutionThread).
func Sleep(k *K, due int64) {
	t, m := k.t, k.m
	t.blocks, t.waitAll = t.blocks[:0], false
	for end := m.deadline(due); end > m.now; {
		if m.block(k, end, "a delay") == wokenForAPC {
			DeliverAPCs(k)
		}
	}
}

// QueueAPC gives t a special kernel APC: fn runs on t at APC_LEVEL as soon as t runs or waits below APC_LEVEL
// outside a guarded region (scheduling.md 4.2). It runs before QueueAPC returns when t is the caller itself
// and may take it.
func (m *Machine) QueueAPC(t *Thread, fn func(k *K)) {
	t.apcs = append(t.apcs, fn)
	if m.trail != nil {
		m.trail.interferes(t)
	}
	if r := m.races; r != nil {
		r.of(&t.K).apc.join(r.posted())
	}
	switch {
	case m.cur == &t.K:
		DeliverAPCs(m.cur)
	case t.state == stWaiting && t.irql < APC && t.specialAPC >= 0:
		m.wake(t, wokenForAPC)
	}
}

// DeliverAPCs runs the special kernel APCs queued to k's thread if they can be delivered now.
func DeliverAPCs(k *K) {
	for len(k.apcs) > 0 && k.irql < APC && k.specialAPC >= 0 && !k.isDPC {
		fn := k.apcs[0]
		k.apcs = append(k.apcs[:0], k.apcs[1:]...)
		if l := k.line; l != nil {
			l.vc.join(l.apc)
			l.apc = l.apc[:0]
		}
		old := k.irql
		k.irql = APC
		fn(k)
		k.irql = old
	}
}

// APCState returns the counters that disable APCs; both are zero or negative.
func APCState(k *K) (kernel, special int) { return k.kernelAPC, k.specialAPC }

// ChangeAPCState adds to the counters. Enabling special kernel APCs again delivers those that are queued.
func ChangeAPCState(k *K, kernel, special int) {
	k.kernelAPC += kernel
	k.specialAPC += special
	if special > 0 && len(k.apcs) > 0 {
		DeliverAPCs(k)
	}
}

package ke

import (
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/ntstatus"
)

// The bits. A wait without any is one in KernelMode that is not alertable.
const (
	WaitUser      WaitHow = 1 << iota // WaitMode is UserMode: the end of the thread ends the wait
	WaitAlertable                     // alerts and user APCs end the wait
)

// siteKernelAlertable: the page on waits and APCs says that a user APC ends such a wait without being
// delivered; an independent implementation (reactos: ntoskrnl/ke/apc.c, KiInsertQueueApc) lets it go on.
var siteKernelAlertable = Site{Name: "wait/AlertableInKernelMode",
	Alts: []string{"a user APC ends it with STATUS_USER_APC", "a user APC does not end it"},
	Spec: "irp.md 15"}

// interrupted says whether the wait that t is about to begin ends at once, and how. Alerts end alertable
// waits in both modes. Where kernel APCs are disabled, neither user APCs nor the end of the thread do
// (windows-driver-docs: windows-driver-docs-pr/kernel/waits-and-apcs.md).
func (t *Thread) interrupted() (ntstatus.NTSTATUS, bool) {
	switch {
	case t.how == 0:
		return 0, false
	case t.alerted && t.how&WaitAlertable != 0:
		t.alerted = false
		return ntstatus.STATUS_ALERTED, true
	case t.endsWait():
		t.userPending = t.userPending || t.how == WaitUser|WaitAlertable
		return ntstatus.STATUS_USER_APC, true
	}
	return 0, false
}

// endsWait reports whether what is queued to t ends a wait of its present kind.
func (t *Thread) endsWait() bool {
	if !t.ending && len(t.user) == 0 || t.irql >= APC || t.kernelAPC < 0 || t.specialAPC < 0 {
		return false
	}
	switch t.how {
	case WaitUser | WaitAlertable:
		return true
	case WaitUser:
		return t.ending || t.userPending // as in reactos: ntoskrnl/ke/wait.c, KiCheckAlertability
	case WaitAlertable:
		return t.m.Choose(&siteKernelAlertable, 2) == 0
	}
	return false
}

// QueueAPC gives t a special kernel APC: fn runs on t at APC_LEVEL as soon as t runs or waits below APC_LEVEL
// outside a guarded region (scheduling.md 4.2). It runs before QueueAPC returns when t is the caller itself
// and may take it.
func (m *Machine) QueueAPC(t *Thread, fn func(k *K)) {
	i := len(t.apcs)
	t.apcs = append(t.apcs, apc{})
	for i > 0 && t.apcs[i-1].normal {
		t.apcs[i] = t.apcs[i-1]
		i--
	}
	t.apcs[i] = apc{fn: fn}
	m.postedAPC(t)
}

// QueueNormalAPC gives t a normal kernel APC: fn runs on t at PASSIVE_LEVEL, where special ones would, but
// neither inside a critical region nor while t owns a mutex nor inside another normal one (irp.md 16).
func (m *Machine) QueueNormalAPC(t *Thread, fn func(k *K)) {
	t.apcs = append(t.apcs, apc{fn, true})
	m.postedAPC(t)
}

func (m *Machine) postedAPC(t *Thread) {
	m.sent(t)
	switch {
	case m.cur == &t.K:
		DeliverAPCs(m.cur)
	case t.state == stWaiting && t.K.takesAPC():
		m.wake(t, wokenForAPC)
	}
}

// sent says that the context that runs has sent something to t, which orders what it did before what t does
// when it takes it.
func (m *Machine) sent(t *Thread) {
	m.interferes(t)
	if r := m.races; r != nil {
		r.of(&t.K).apc.learn(r.posted())
	}
}

// learnSent lets k, which takes something that was sent to it, know what the senders knew.
func (k *K) learnSent() {
	if l := k.line; l != nil {
		k.m.races.learn(l, &l.apc)
		l.apc.forget()
	}
}

// interferes says that the step under way changes what t does next.
func (m *Machine) interferes(t *Thread) {
	if m.trail != nil {
		m.trail.interferes(t)
	}
}

// takesAPC reports whether the first APC in k's queue can run now.
func (k *K) takesAPC() bool {
	if len(k.apcs) == 0 || k.irql >= APC || k.specialAPC < 0 || k.isDPC {
		return false
	}
	return !k.apcs[0].normal || k.kernelAPC >= 0 && !k.t.inNormal
}

// DeliverAPCs runs the kernel APCs queued to k's thread that can be delivered now, special ones first.
func DeliverAPCs(k *K) {
	CheckFunctions(k)
	for k.takesAPC() {
		a := k.apcs[0]
		k.apcs = list.Cut(k.apcs, 0)
		k.learnSent()
		old := k.irql
		if a.normal {
			k.t.inNormal = true
			a.fn(k)
			k.t.inNormal = false
		} else {
			k.irql = APC
			a.fn(k)
		}
		k.irql = old
	}
}

// APCState returns the counters that disable APCs; both are zero or negative.
func APCState(k *K) (kernel, special int) { return k.kernelAPC, k.specialAPC }

// ChangeAPCState adds to the counters. Enabling kernel APCs again delivers those that are queued.
func ChangeAPCState(k *K, kernel, special int) {
	k.kernelAPC += kernel
	k.specialAPC += special
	if (special > 0 || kernel > 0) && len(k.apcs) > 0 {
		DeliverAPCs(k)
	}
}

// QueueUserAPC gives t a user APC: fn runs at PASSIVE_LEVEL when t returns to user mode after a wait that the
// APC ended. It returns false when the thread has ended or is about to.
func QueueUserAPC(k *K, t *Thread, fn func(k *K)) bool {
	if t.state == stDone || t.ending {
		return false
	}
	t.user = append(t.user, fn)
	k.m.postedUser(t)
	return true
}

// postedUser is called when something that may end a wait was sent to t.
func (m *Machine) postedUser(t *Thread) {
	m.sent(t)
	if t.state != stWaiting {
		return
	}
	if s, ok := t.interrupted(); ok {
		m.wake(t, s)
	}
}

// Alert ends an alertable wait of t with STATUS_ALERTED, the present one or the next.
func Alert(k *K, t *Thread) {
	t.alerted = t.state != stDone
	k.m.postedUser(t)
}

// EndSoon has t end when it returns to user mode next: what waits in UserMode is woken for that, what waits
// in KernelMode is not. The system's own threads have no user mode.
func (m *Machine) EndSoon(t *Thread) {
	if t.state == stDone || t.ending {
		return
	}
	t.ending = true
	if t.suspends > 0 {
		m.resumeFully(t) // so that it can end
	}
	m.postedUser(t)
}

// Ending reports whether k's thread has been told to end.
func Ending(k *K) bool { return k.t.ending }

// ReturnToUser runs the user APCs that are due, as every return to user mode does; they run one after the
// other, each from the return of the one before. False: the thread is not to return but to end.
func ReturnToUser(k *K) bool {
	for t := k.t; ; {
		if t.ending {
			return false
		}
		if !t.userPending || len(t.user) == 0 {
			t.userPending = false
			return true
		}
		fn := t.user[0]
		t.user = list.Cut(t.user, 0)
		k.learnSent()
		t.userPending = false
		Note(k, "user APC", t.ID)
		fn(k)
		t.userPending = len(t.user) > 0
	}
}

// Suspend stops t where a normal kernel APC can run in it, until Resume has been called as often. It returns
// how often it was suspended before.
func Suspend(k *K, t *Thread) int {
	n := t.suspends
	t.suspends++
	Log(k, trace.Event{What: trace.Note, Text: "suspended", Obj: t.ID})
	if n == 0 {
		t.suspended = Object{Kind: NotificationEvent, ID: t.ID}
		k.m.QueueNormalAPC(t, func(k *K) { Wait(k, []*Object{&t.suspended}, false, nil, "suspension") })
	}
	return n
}

// Resume takes one Suspend back and returns how often t was suspended before.
func Resume(k *K, t *Thread) int {
	n := t.suspends
	if n == 0 {
		return 0
	}
	t.suspends--
	Log(k, trace.Event{What: trace.Note, Text: "resumed", Obj: t.ID})
	if n == 1 {
		k.m.resumeFully(t)
	}
	return n
}

func (m *Machine) resumeFully(t *Thread) {
	m.interferes(t)
	t.suspends = 0
	t.suspended.Signal = 1
	m.satisfy(&t.suspended)
}

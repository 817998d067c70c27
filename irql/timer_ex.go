package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// EXT_CALLBACK is the routine that a system-allocated timer calls when it expires.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: timer is valid until the routine returns, even when it was deleted meanwhile.
// Rules: IRQL-006, IRQL-007, IRQL-011, LOCK-008.
// Not modelled: none.
// Reference: wdm/nc-wdm-ext_callback.
type EXT_CALLBACK func(k *K, timer *EX_TIMER, context any)

// EXT_DELETE_CALLBACK is called when a system-allocated timer is gone.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: what context stands for is the routine's to free.
// Rules: IRQL-006, IRQL-007, IRQL-011, LOCK-008.
// Not modelled: none.
// Reference: wdm/nc-wdm-ext_delete_callback.
type EXT_DELETE_CALLBACK func(k *K, context any)

// Attributes of ExAllocateTimer, and a value for EXT_SET_PARAMETERS.
const (
	EX_TIMER_HIGH_RESOLUTION     uint32 = 4
	EX_TIMER_NO_WAKE             uint32 = 8
	EX_TIMER_NOTIFICATION        uint32 = 1 << 31
	EX_TIMER_UNLIMITED_TOLERANCE int64  = -1

	timerAttributes = EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE | EX_TIMER_NOTIFICATION
)

// EXT_SET_PARAMETERS are the further parameters of ExSetTimer.
type EXT_SET_PARAMETERS struct {
	Version, Reserved uint32
	NoWakeTolerance   int64
}

// EXT_CANCEL_PARAMETERS is reserved.
type EXT_CANCEL_PARAMETERS struct{}

// EXT_DELETE_PARAMETERS are the further parameters of ExDeleteTimer.
type EXT_DELETE_PARAMETERS struct {
	Version, Reserved uint32
	DeleteCallback    EXT_DELETE_CALLBACK
	DeleteContext     any
}

// EX_TIMER is a timer that the system allocates. Its members are the system's.
//
// Invariant: state goes from usable over disabled to deleted; in between, a deletion waits for what is still
// to expire or running.
type EX_TIMER struct {
	resident
	t        ke.Timer
	d        ke.DPC
	callback EXT_CALLBACK
	fn       uintptr
	context  any
	image    *ke.Image
	high     bool
	disabled bool
	awaited  bool // ExDeleteTimer waits
	deleted  bool
	done     EXT_DELETE_PARAMETERS
	idle     ke.Object // signalled when a deletion need not wait any more
	setSeq   uint64
	endSeq   uint64
}

// Header gives the object as the mechanism sees it, for packages that model parts of the system.
func (t *EX_TIMER) Header() *ke.Object { return &t.t.Object }

var (
	siteAllocateTimer = ke.Site{Name: "fault/ExAllocateTimer", Alts: []string{"succeeds", "returns NULL"},
		Spec: "irp.md 19.2"}
	siteDeleteCallback = ke.Site{Name: "doc/ExDeleteTimer/callback",
		Alts: []string{"before it returns", "later"}, Spec: "irp.md 17"}
)

// ExAllocateTimer makes a timer with a routine to be called when it expires, which may be nil. It returns nil
// when there is no memory, or for attributes that nobody knows.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the caller deletes the timer with ExDeleteTimer.
// Rules: IRQL-001, OBJ-007.
// Not modelled: resolution and power states.
// Reference: wdm/nf-wdm-exallocatetimer.
func ExAllocateTimer(k *K, callback EXT_CALLBACK, callbackContext any, attributes uint32) *EX_TIMER {
	const d = ddi.ExAllocateTimer
	ke.Enter(k, d)
	if timerRefused(k, attributes) || ke.Fails(k, &siteAllocateTimer) {
		ke.Call(k, d, 0)
		return nil
	}
	t := &EX_TIMER{callback: callback, context: callbackContext, image: ke.Acting(k),
		high: attributes&EX_TIMER_HIGH_RESOLUTION != 0}
	t.born(k, d, trace.Timer)
	kind := ke.SynchronizationTimer
	if attributes&EX_TIMER_NOTIFICATION != 0 {
		kind = ke.NotificationTimer
	}
	t.t.Object = ke.Object{Kind: kind, ID: t.id}
	t.idle = ke.Object{Kind: ke.NotificationEvent, ID: t.id}
	t.d = ke.DPC{ID: t.id, Run: t.expire, Importance: ke.MediumImportance, Target: -1}
	if callback != nil {
		t.fn = ke.CodeOf(callback)
		ke.Gives(k, "EXT_CALLBACK", t.fn)
	}
	s := state.Of(k)
	s.exTimers = append(s.exTimers, t)
	return t
}

// timerRefused reports whether there is no timer with such attributes: a bug check where two exclude each
// other, else NULL (observed).
func timerRefused(k *K, attributes uint32) bool {
	const both = EX_TIMER_HIGH_RESOLUTION | EX_TIMER_NO_WAKE
	if attributes&both == both {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_007, Case: "two attributes", Obj: "EX_TIMER",
			Headline: "ExAllocateTimer with both EX_TIMER_HIGH_RESOLUTION and EX_TIMER_NO_WAKE"})
		return true
	}
	return attributes&^timerAttributes != 0
}

// ExInitializeSetTimerParameters fills in the defaults.
//
// IRQL: any.
// Ownership: parameters is written before return.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-exinitializesettimerparameters.
func ExInitializeSetTimerParameters(k *K, parameters *EXT_SET_PARAMETERS) {
	ke.Enter(k, ddi.ExInitializeSetTimerParameters)
	*parameters = EXT_SET_PARAMETERS{}
}

// ExInitializeDeleteTimerParameters fills in the defaults: no routine.
//
// IRQL: any.
// Ownership: parameters is written before return.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-exinitializedeletetimerparameters.
func ExInitializeDeleteTimerParameters(k *K, parameters *EXT_DELETE_PARAMETERS) {
	ke.Enter(k, ddi.ExInitializeDeleteTimerParameters)
	*parameters = EXT_DELETE_PARAMETERS{}
}

// ExSetTimer sets a timer to expire at dueTime, and then every period units of 100 ns if period is not 0. A
// timer that is set already is set anew. It returns whether it was; FALSE also for a timer that is being
// deleted, which stays as it is.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the timer must not be deleted yet.
// Rules: IRQL-001, OBJ-007.
// Not modelled: NoWakeTolerance: the machine never sleeps.
// Reference: wdm/nf-wdm-exsettimer.
func ExSetTimer(k *K, timer *EX_TIMER, dueTime, period int64, parameters *EXT_SET_PARAMETERS) bool {
	const d = ddi.ExSetTimer
	ke.Enter(k, d)
	timer.ready(k, d)
	switch {
	case timer.high && dueTime >= 0:
		timer.misuse(k, "ExSetTimer of a high-resolution timer with an absolute time",
			"absolute time")
	case parameters != nil && parameters.NoWakeTolerance < EX_TIMER_UNLIMITED_TOLERANCE:
		timer.misuse(k, "ExSetTimer with a negative NoWakeTolerance",
			"negative tolerance")
	}
	timer.point(k, d, ke.Swaps(timer.id))
	if timer.disabled {
		ke.CallBool(k, d, timer.id, false)
		return false
	}
	timer.setSeq = ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: timer.id, A: uint64(dueTime),
		Flags: trace.HasA})
	var dpc *ke.DPC
	if timer.callback != nil {
		dpc = &timer.d
	}
	return ke.SetTimer(k, &timer.t, dueTime, period, dpc)
}

// ExCancelTimer takes a timer out of the timer queue and says whether it was there. A callback whose time has
// come runs all the same.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the timer must not be deleted yet.
// Rules: IRQL-001, OBJ-007.
// Not modelled: none.
// Reference: wdm/nf-wdm-excanceltimer.
func ExCancelTimer(k *K, timer *EX_TIMER, parameters *EXT_CANCEL_PARAMETERS) bool {
	const d = ddi.ExCancelTimer
	ke.Enter(k, d)
	timer.ready(k, d)
	timer.point(k, d, ke.Swaps(timer.id))
	was := !timer.disabled && ke.DisarmTimer(k, &timer.t)
	ke.CallBool(k, d, timer.id, was)
	return was
}

// ExDeleteTimer deletes a timer. With cancel it is taken out of the timer queue, and TRUE says that it was
// there; without, it expires once more. With wait, for which cancel is needed, a callback that is due or runs
// has returned, and the delete callback too, before the routine does; without, the timer goes when its
// callback has returned. Meanwhile it is disabled: setting and cancelling it do nothing.
//
// IRQL: <= DISPATCH_LEVEL, <= APC_LEVEL when wait is TRUE.
// Ownership: the timer is the system's.
// Rules: IRQL-001, OBJ-007.
// Not modelled: none.
// Reference: wdm/nf-wdm-exdeletetimer.
func ExDeleteTimer(k *K, timer *EX_TIMER, cancel, wait bool, parameters *EXT_DELETE_PARAMETERS) bool {
	const d = ddi.ExDeleteTimer
	ke.Enter(k, d)
	timer.ready(k, d)
	if wait && ke.IRQL(k) > ke.APC {
		reportWaitFlag(k, d, ke.APC)
	}
	if wait && !cancel {
		timer.misuse(k, "ExDeleteTimer with Wait = TRUE and Cancel = FALSE", "waits without cancelling")
	}
	timer.point(k, d, ke.Frees(timer.id))
	if timer.disabled {
		ke.CallBool(k, d, timer.id, false)
		return false
	}
	timer.disabled = true
	if parameters != nil {
		timer.done = *parameters
	}
	was := cancel && ke.DisarmTimer(k, &timer.t)
	ke.CallBool(k, d, timer.id, was)
	switch {
	case !timer.busy():
		timer.gone(k, wait)
	case wait:
		timer.awaited = true
		objs := [1]*ke.Object{&timer.idle}
		ke.Wait(k, objs[:], false, nil, d.String())
		timer.gone(k, true)
	default:
		timer.lastTime()
	}
	return was
}

// lastTime makes the next expiry the last one, and one that ends the timer.
func (t *EX_TIMER) lastTime() {
	t.t.Period, t.t.DPC = 0, &t.d
}

// busy reports whether the timer is still to expire, or its callback to return.
func (t *EX_TIMER) busy() bool { return t.t.Armed() || t.d.Queued() || t.d.Active > 0 }

// expire is the timer's DPC: the callback, and the end of a timer that is to be deleted.
func (t *EX_TIMER) expire(k *K) {
	ke.MarkHigh(k)
	if t.callback != nil {
		ke.Push(k, ke.Frame{Kind: ke.FrameTimer, Image: t.image, Object: t, Obj: t.id, Fn: t.fn})
		ke.Point(k, ke.Writes(t.id))
		t.callback(k, t, t.context)
		checkHighTime(k, "the timer callback")
		ke.Pop(k)
	}
	if !t.disabled || t.deleted || t.t.Armed() || t.d.Queued() || t.d.Active > 1 {
		return
	}
	if t.awaited {
		ke.SetSignal(k, &t.idle, 1)
		return
	}
	t.gone(k, true)
}

// gone ends the timer. The delete callback runs now or, where that is free, later.
func (t *EX_TIMER) gone(k *K, now bool) {
	ke.Of(k).Ends(t.id)
	t.deleted = true
	t.endSeq = ke.Note(k, "timer object deleted", t.id)
	s := state.Of(k)
	for i, o := range s.exTimers {
		if o == t {
			s.exTimers = list.Cut(s.exTimers, i)
			break
		}
	}
	if t.done.DeleteCallback == nil {
		return
	}
	if !now && ke.Choose(k, &siteDeleteCallback, 2) == 1 {
		t.d = ke.DPC{ID: t.id, Run: t.tellDeleted, Importance: ke.LowImportance, Target: -1}
		ke.QueueDPC(k, &t.d)
		return
	}
	old := ke.IRQL(k)
	if old < ke.Dispatch {
		ke.SetIRQL(k, ke.Dispatch)
	}
	t.tellDeleted(k)
	ke.SetIRQL(k, old)
}

func (t *EX_TIMER) tellDeleted(k *K) {
	fn := t.done.DeleteCallback
	ke.Push(k, ke.Frame{Kind: ke.FrameTimer, Image: t.image, Object: t, Obj: t.id, Fn: ke.CodeOf(fn)})
	fn(k, t.done.DeleteContext)
	ke.Pop(k)
}

// ready checks the timer at the entry of a routine.
func (t *EX_TIMER) ready(k *K, d ddi.ID) {
	if t == nil {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_007, Case: "NULL", Obj: "EX_TIMER",
			Headline: d.String() + " with a NULL timer"})
	}
	t.usable(k, d, verify.OBJ_007)
}

// usable also looks whether the timer is deleted.
func (t *EX_TIMER) usable(k *K, d ddi.ID, unborn verify.RuleID) {
	if t.run.Of(k) {
		ke.Alive(k, t.id) // a scheduling point perhaps, so before the look
	}
	if t.deleted && t.run.Of(k) {
		t.misuse(k, fmt.Sprintf("%v on %v, which is deleted", d, t.id), "deleted")
	}
	t.resident.usable(k, d, unborn)
}

func (t *EX_TIMER) misuse(k *K, headline, cause string) {
	f := verify.Finding{Rule: verify.OBJ_007, Case: cause, Obj: t.id.String(), Headline: headline,
		Args: verify.Params(nil, t.id), Places: []verify.Place{{Label: "ALLOCATED", Seq: t.initSeq}}}
	if t.deleted {
		f.Places = append(f.Places, verify.Place{Label: "DELETED", Seq: t.endSeq})
	}
	ke.Report(k, f)
}

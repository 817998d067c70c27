package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// TIMER_TYPE says whether a satisfied wait resets a timer.
type TIMER_TYPE int32

// The timer types.
const (
	NotificationTimer TIMER_TYPE = iota
	SynchronizationTimer
)

// KTIMER is a timer: when it expires it is signalled and its DPC, if it has one, is queued. It lies in
// driver memory and is initialised once.
type KTIMER struct {
	resident
	t      ke.Timer
	image  *ke.Image
	setSeq uint64
}

// Header gives the object as the mechanism sees it, for packages that model parts of the system.
func (t *KTIMER) Header() *ke.Object { return &t.t.Object }

// Busy says what keeps the timer's memory in use, "" when nothing does.
func (t *KTIMER) Busy() string {
	switch {
	case t.t.Armed():
		return "is set"
	case t.t.Object.Waiters() > 0:
		return "has waiters"
	}
	return ""
}

// StackGone is called when the routine whose local variable the timer is returns.
func (t *KTIMER) StackGone(k *K) {
	if t.fresh(k) && t.t.Object.Waiters() > 0 {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_002, Obj: t.id.String(),
			Headline: fmt.Sprintf("%v has waiters when the routine it is a local variable of returns", t.id),
			Places:   []verify.Place{{Label: "INITIALISED", Seq: t.initSeq}}})
	}
	if t.fresh(k) && t.t.Armed() {
		t.misuse(k, fmt.Sprintf("%v is set when the routine it is a local variable of returns", t.id),
			"memory goes")
		ke.CancelTimer(k, &t.t)
	}
	t.stackGone(k)
}

func (t *KTIMER) misuse(k *K, headline, cause string) {
	f := verify.Finding{Rule: verify.OBJ_007, Case: cause, Obj: t.id.String(), Headline: headline,
		Args: verify.Params(nil, t.id), Places: []verify.Place{{Label: "INITIALISED", Seq: t.initSeq}}}
	if t.setSeq != 0 {
		f.Places = append(f.Places, verify.Place{Label: "SET", Seq: t.setSeq})
	}
	ke.Report(k, f)
}

// KeInitializeTimer makes a notification timer.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the timer is the driver's; its memory must be nonpaged and stay until it is cancelled or has
// expired.
// Rules: OBJ-001, OBJ-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializetimer.
func KeInitializeTimer(k *K, timer *KTIMER) {
	ke.Enter(k, ddi.KeInitializeTimer)
	timer.initialise(k, ddi.KeInitializeTimer, NotificationTimer)
}

// KeInitializeTimerEx makes a timer of the given type.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as for KeInitializeTimer.
// Rules: OBJ-001, OBJ-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializetimerex.
func KeInitializeTimerEx(k *K, timer *KTIMER, timerType TIMER_TYPE) {
	ke.Enter(k, ddi.KeInitializeTimerEx)
	timer.initialise(k, ddi.KeInitializeTimerEx, timerType)
}

func (t *KTIMER) initialise(k *K, d ddi.ID, timerType TIMER_TYPE) {
	if t.fresh(k) {
		t.checkAgain(k, d)
	}
	first := !t.run.Of(k)
	*t = KTIMER{resident: t.resident, image: ke.Acting(k)}
	t.born(k, d, trace.Timer)
	kind := ke.NotificationTimer
	if timerType == SynchronizationTimer {
		kind = ke.SynchronizationTimer
	}
	t.t.Object = ke.Object{Kind: kind, ID: t.id}
	if first {
		s := state.Of(k)
		s.timers = append(s.timers, t)
	}
}

// checkAgain looks at a timer that is initialised a second time.
func (t *KTIMER) checkAgain(k *K, d ddi.ID) {
	switch {
	case t.t.Object.Waiters() > 0:
		ke.Report(k, verify.Finding{Rule: verify.OBJ_001, Obj: t.id.String(),
			Headline: fmt.Sprintf("%v on %v, which has waiters", d, t.id),
			Places:   []verify.Place{{Label: "INITIALISED", Seq: t.initSeq}}})
	case t.t.Armed():
		t.misuse(k, fmt.Sprintf("%v on %v, which is set", d, t.id),
			"initialised while set")
		ke.CancelTimer(k, &t.t)
	}
}

// KeSetTimer sets a timer to expire at dueTime: negative is relative, positive absolute, in units of 100
// ns. A timer that is set already is set anew. It returns whether it was.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the timer and the DPC must stay until the timer is cancelled and the DPC has run.
// Rules: OBJ-007, OBJ-008, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kesettimer.
func KeSetTimer(k *K, timer *KTIMER, dueTime int64, dpc *KDPC) bool {
	return timer.set(k, ddi.KeSetTimer, dueTime, 0, dpc)
}

// KeSetTimerEx is KeSetTimer with a period in milliseconds; 0 means once.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as for KeSetTimer.
// Rules: OBJ-007, OBJ-008, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kesettimerex.
func KeSetTimerEx(k *K, timer *KTIMER, dueTime int64, period int32, dpc *KDPC) bool {
	return timer.set(k, ddi.KeSetTimerEx, dueTime, period, dpc)
}

var siteCoalesce = ke.Site{Name: "env/KeSetCoalescableTimer/delay",
	Alts: []string{"on time", "as late as is tolerable"}, Spec: "irp.md 17"}

// KeSetCoalescableTimer is KeSetTimerEx for a timer that may expire up to tolerableDelay milliseconds late,
// so that the system can let it expire together with others.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: as for KeSetTimer.
// Rules: OBJ-007, OBJ-008, POOL-026.
// Not modelled: delays between none and the whole, delays of periodic expiries after the first.
// Reference: wdm/nf-wdm-kesetcoalescabletimer.
func KeSetCoalescableTimer(k *K, timer *KTIMER, dueTime int64, period, tolerableDelay uint32,
	dpc *KDPC) bool {
	if tolerableDelay > 0 && ke.Choose(k, &siteCoalesce, 2) == 1 {
		late := int64(tolerableDelay) * ke.Millisecond
		if dueTime < 0 {
			late = -late
		}
		dueTime += late
	}
	return timer.set(k, ddi.KeSetCoalescableTimer, dueTime, int32(period), dpc)
}

func (t *KTIMER) set(k *K, d ddi.ID, due int64, period int32, dpc *KDPC) bool {
	ke.Enter(k, d)
	t.usable(k, d, verify.OBJ_007)
	var kd *ke.DPC
	if dpc != nil {
		dpc.usable(k, d, verify.OBJ_008)
		dpc.checkQueue(k, d)
		if dpc.runs() {
			kd = &dpc.d
		}
	}
	t.point(k, d, ke.Swaps(t.id))
	if kd != nil {
		ke.Adds(k, ke.Writes(dpc.id))
		t.checkShared(k, d, dpc)
	}
	if kd != nil && !kd.Queued() {
		dpc.timer, dpc.arg1, dpc.arg2 = t, nil, nil
	}
	t.setSeq = ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: t.id, A: uint64(due), Flags: trace.HasA})
	return ke.SetTimer(k, &t.t, due, int64(period)*ke.Millisecond, kd)
}

// checkShared is a note of OBJ-007: one DPC serves two timers that are set at a time. Its routine cannot tell
// which of them expired, and cancelling one takes the DPC of the other out of the queue.
func (t *KTIMER) checkShared(k *K, d ddi.ID, dpc *KDPC) {
	other := dpc.timer
	if other != nil && other != t {
		ke.Adds(k, ke.Reads(other.id))
	}
	if other == nil || other == t || !other.t.Armed() {
		return
	}
	ke.Report(k, verify.Finding{Rule: verify.OBJ_007, Case: "shared DPC", Obj: dpc.id.String(), Note: true,
		Headline: fmt.Sprintf("%v sets %v with %v, with which %v is set", d, t.id, dpc.id, other.id),
		Places:   []verify.Place{{Label: "SET", Seq: other.setSeq}}})
}

// KeCancelTimer takes a timer out of the timer queue, and its DPC out of the DPC queue. FALSE means that
// the timer was not set or has expired: its DPC may be queued or running. For a periodic timer TRUE does
// not say that no DPC runs.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the memory may go only when no DPC of the timer can be running: KeFlushQueuedDpcs.
// Rules: OBJ-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kecanceltimer.
func KeCancelTimer(k *K, timer *KTIMER) bool {
	ke.Enter(k, ddi.KeCancelTimer)
	timer.usable(k, ddi.KeCancelTimer, verify.OBJ_007)
	timer.point(k, ddi.KeCancelTimer, ke.Swaps(timer.id))
	ke.Call(k, ddi.KeCancelTimer, timer.id)
	return ke.CancelTimer(k, &timer.t)
}

// KeReadStateTimer says whether a timer is signalled.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: OBJ-007, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereadstatetimer.
func KeReadStateTimer(k *K, timer *KTIMER) bool {
	ke.Enter(k, ddi.KeReadStateTimer)
	timer.usable(k, ddi.KeReadStateTimer, verify.OBJ_007)
	timer.point(k, ddi.KeReadStateTimer, ke.Reads(timer.id))
	return timer.t.Object.Signal > 0
}

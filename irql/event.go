package irql

import (
	"fmt"
	"unsafe"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// header is what dispatcher objects begin with.
type header struct {
	resident
	o       ke.Object
	setting int    // calls that are about to signal the object
	frame   uint64 // serial of the callback that initialised it
	noted   bool   // that it lies in plain memory
}

// Header gives the object as the mechanism sees it, for packages that model parts of the system.
func (h *header) Header() *ke.Object { return &h.o }

// Busy says what keeps the object's memory in use, "" when nothing does.
func (h *header) Busy() string {
	switch {
	case h.o.Waiters() > 0:
		return "has waiters"
	case h.setting > 0:
		return "is being signalled"
	}
	return ""
}

// StackGone is called when the routine whose local variable the object is returns.
func (h *header) StackGone(k *K) {
	if busy := h.Busy(); busy != "" && h.fresh(k) {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_002, Obj: h.id.String(),
			Headline: fmt.Sprintf("%v %s when the routine it is a local variable of returns", h.id, busy),
			Places:   []verify.Place{{Label: "INITIALISED", Seq: h.initSeq}}})
	}
	h.stackGone(k)
}

// initialise is every KeInitialize routine of a dispatcher object. Rule: OBJ-001.
func (h *header) initialise(k *K, d ddi.ID, id trace.Kind, kind ke.ObjectKind, signal int32) {
	if h.fresh(k) && h.o.Waiters() > 0 {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_001, Obj: h.id.String(),
			Headline: fmt.Sprintf("%v on %v, which %d threads wait for", d, h.id, h.o.Waiters()),
			Places:   []verify.Place{{Label: "INITIALISED", Seq: h.initSeq}}})
	}
	h.born(k, d, id)
	h.o = ke.Object{Kind: kind, ID: h.id, Signal: signal}
	h.setting, h.frame, h.noted = 0, 0, false
	if f := ke.Top(k); f != nil {
		h.frame = f.Serial
	}
}

// notePlain remembers an event in plain Go memory that one callback initialises and waits for, as C does with
// a local variable.
func (e *KEVENT) notePlain(k *K) {
	if e.onStack || e.noted {
		return
	}
	if f := ke.Top(k); f != nil && f.Serial == e.frame {
		e.noted = true
		ke.NotePlain(k, unsafe.Pointer(e), "the event it waits for", 1)
	}
}

// EVENT_TYPE says whether a satisfied wait resets an event.
type EVENT_TYPE int32

// The event types.
const (
	NotificationEvent EVENT_TYPE = iota
	SynchronizationEvent
)

// KEVENT is an event. It lies in driver memory and is initialised once.
type KEVENT struct {
	header
	lastSet uint64 // event of the last KeSetEvent
}

// LastSet gives the event of the last KeSetEvent of this run, for packages that model parts of the system; 0
// when there was none.
func (e *KEVENT) LastSet() uint64 { return e.lastSet }

// KeInitializeEvent makes an event of the given type and state.
//
// IRQL: any.
// Ownership: the event is the driver's; its memory must be nonpaged and outlive every waiter and every
// KeSetEvent.
// Rules: OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keinitializeevent.
func KeInitializeEvent(k *K, event *KEVENT, eventType EVENT_TYPE, initial bool) {
	ke.Enter(k, ddi.KeInitializeEvent)
	kind, signal := ke.NotificationEvent, int32(0)
	if eventType == SynchronizationEvent {
		kind = ke.SynchronizationEvent
	}
	if initial {
		signal = 1
	}
	event.initialise(k, ddi.KeInitializeEvent, trace.KEvent, kind, signal)
	event.lastSet = 0
}

// KeSetEvent signals an event and wakes who waits for it: all of them, or one for a synchronization event.
// It returns the state before.
//
// IRQL: <= DISPATCH_LEVEL, <= APC_LEVEL when wait is TRUE.
// Ownership: once a waiter runs it may free the event.
// Rules: IRQL-012, IRQL-013, OBJ-001, OBJ-002, POOL-026.
// Not modelled: increment; the raised IRQL that wait = TRUE returns at.
// Reference: wdm/nf-wdm-kesetevent.
func KeSetEvent(k *K, event *KEVENT, increment KPRIORITY, wait bool) int32 {
	ke.EnterAnyLevel(k, ddi.KeSetEvent)
	checkSetLevel(k, event, wait)
	event.usable(k, ddi.KeSetEvent, verify.OBJ_001)
	watchSet(k, &event.o)
	event.setting++
	event.point(k, ddi.KeSetEvent, ke.Sets(event.id))
	event.setting--
	event.lastSet = ke.Call(k, ddi.KeSetEvent, event.id)
	if wait {
		ke.PromiseWait(k, ddi.KeSetEvent)
	}
	return ke.SetSignal(k, &event.o, 1)
}

// KePulseEvent signals an event for whoever waits for it at this moment, all of them or one for a
// synchronization event, and leaves it not signalled. Who is about to wait, or is interrupted by a kernel APC
// in its wait, misses it. It returns the state before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: once a waiter runs it may free the event.
// Rules: IRQL-001, IRQL-013, OBJ-001, OBJ-002, POOL-026.
// Not modelled: increment; the raised IRQL that wait = TRUE returns at.
// Reference: ntddk/nf-ntddk-kepulseevent.
func KePulseEvent(k *K, event *KEVENT, increment KPRIORITY, wait bool) int32 {
	const d = ddi.KePulseEvent
	ke.Enter(k, d)
	event.usable(k, d, verify.OBJ_001)
	watchSet(k, &event.o)
	event.setting++
	event.point(k, d, ke.Writes(event.id))
	event.setting--
	event.lastSet = ke.Call(k, d, event.id)
	if wait {
		ke.PromiseWait(k, d)
	}
	return ke.Pulse(k, &event.o)
}

func checkSetLevel(k *K, event *KEVENT, wait bool) {
	now := ke.IRQL(k)
	limit := uint8(ke.Dispatch)
	if wait {
		limit = ke.APC
	}
	if now <= limit {
		return
	}
	f := verify.Finding{Rule: verify.IRQL_012, Obj: event.id.String(), AllowedIRQL: limit,
		Also: []verify.RuleID{verify.IRQL_001}, Headline: fmt.Sprintf("KeSetEvent at %v", KIRQL(now)),
		Args: verify.Params(nil, now, event.id)}
	if wait {
		f.Headline = fmt.Sprintf("KeSetEvent with Wait = TRUE at %v", KIRQL(now))
		f.Case = "Wait = TRUE"
	}
	ke.Report(k, f)
}

// KeClearEvent sets an event to not signalled.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keclearevent.
func KeClearEvent(k *K, event *KEVENT) { clearEvent(k, event, ddi.KeClearEvent) }

// KeResetEvent sets an event to not signalled and returns the state before.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-keresetevent.
func KeResetEvent(k *K, event *KEVENT) int32 { return clearEvent(k, event, ddi.KeResetEvent) }

func clearEvent(k *K, event *KEVENT, d ddi.ID) int32 {
	ke.Enter(k, d)
	event.usable(k, d, verify.OBJ_001)
	event.point(k, d, ke.Clears(event.id))
	ke.Call(k, d, event.id)
	return ke.SetSignal(k, &event.o, 0)
}

// KeReadStateEvent returns the state of an event: non-zero is signalled.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: none.
// Rules: OBJ-001, POOL-026.
// Not modelled: none.
// Reference: wdm/nf-wdm-kereadstateevent.
func KeReadStateEvent(k *K, event *KEVENT) int32 {
	return readState(k, &event.header, ddi.KeReadStateEvent, verify.OBJ_001)
}

func readState(k *K, h *header, d ddi.ID, unborn verify.RuleID) int32 {
	ke.Enter(k, d)
	h.usable(k, d, unborn)
	h.point(k, d, ke.Reads(h.id))
	if h.o.Signal > 0 {
		ke.OrderedAfter(k, &h.o)
	}
	return h.o.Signal
}

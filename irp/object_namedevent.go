package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

var (
	siteNotificationEvent = ke.Site{Name: "fault/IoCreateNotificationEvent", Alts: faultAlts,
		Spec: "irp.md 19.2"}
	siteSynchronizationEvent = ke.Site{Name: "fault/IoCreateSynchronizationEvent", Alts: faultAlts,
		Spec: "irp.md 19.2"}
)

// namedEvent is an event object of the system: it lives as long as somebody has a handle of it.
type namedEvent struct {
	irql.KEVENT
	name    string
	handles int
}

// namedEvents are the event objects of a machine.
type namedEvents struct{ all []*namedEvent }

var eventState = ke.NewSlot(func(*ke.Machine) *namedEvents { return &namedEvents{} })

// namedEventTable names the directory of event objects in footprints.
var namedEventTable = ke.Table(trace.KEvent, 0)

// IoCreateNotificationEvent creates a notification event with a name, or opens the one that has it. A new one
// is signalled. It returns the event, and a handle that keeps it; nil when there is no memory. An empty name
// is that of no other event.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: ZwClose the handle; the event must not be used afterwards.
// Rules: IRQL-001, OBJ-003, OBJ-011.
// Not modelled: access rights.
// Reference: wdm/nf-wdm-iocreatenotificationevent.
func IoCreateNotificationEvent(k *irql.K, eventName string, eventHandle *irql.HANDLE) *irql.KEVENT {
	return openEvent(k, ddi.IoCreateNotificationEvent, &siteNotificationEvent, irql.NotificationEvent,
		eventName, eventHandle)
}

// IoCreateSynchronizationEvent is IoCreateNotificationEvent for a synchronization event.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: ZwClose the handle; the event must not be used afterwards.
// Rules: IRQL-001, OBJ-003, OBJ-011.
// Not modelled: access rights.
// Reference: wdm/nf-wdm-iocreatesynchronizationevent.
func IoCreateSynchronizationEvent(k *irql.K, eventName string, eventHandle *irql.HANDLE) *irql.KEVENT {
	return openEvent(k, ddi.IoCreateSynchronizationEvent, &siteSynchronizationEvent,
		irql.SynchronizationEvent, eventName, eventHandle)
}

func openEvent(k *irql.K, d ddi.ID, site *ke.Site, kind irql.EVENT_TYPE, name string,
	handle *irql.HANDLE) *irql.KEVENT {
	ke.Enter(k, d)
	if ke.Fails(k, site) {
		ke.CallBool(k, d, 0, false)
		return nil
	}
	ke.Point(k, ke.Writes(namedEventTable))
	s := eventState.Of(k)
	e := s.find(name)
	if e == nil {
		e = &namedEvent{name: name}
		irql.KeInitializeEvent(k, &e.KEVENT, kind, true)
		s.all = append(s.all, e)
	}
	e.handles++
	*handle = irql.Sim.Handles(k).Open(k, e)
	ke.Call(k, d, e.ID())
	return &e.KEVENT
}

func (s *namedEvents) find(name string) *namedEvent {
	for _, e := range s.all {
		if e.name == name && name != "" {
			return e
		}
	}
	return nil
}

// closed is the end of a handle. With the last one the event goes.
func (e *namedEvent) closed(k *irql.K) {
	ke.Adds(k, ke.Writes(namedEventTable))
	ke.Adds(k, ke.Frees(e.ID()))
	if e.handles--; e.handles > 0 {
		return
	}
	if busy := e.Busy(); busy != "" {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_002, Case: "last handle closed", Obj: e.ID().String(),
			Headline: fmt.Sprintf("the last handle of %v is closed, and the event %s", e.ID(), busy)})
	}
	ke.Of(k).Ends(e.ID())
	e.Gone(verify.OBJ_003, ke.Note(k, "last handle closed", e.ID()))
	s := eventState.Of(k)
	for i, x := range s.all {
		if x == e {
			s.all = list.Cut(s.all, i)
			return
		}
	}
}

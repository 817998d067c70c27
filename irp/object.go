package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// OBJECT_TYPE names a type of objects with handles.
type OBJECT_TYPE string

// PsThreadType is the type of thread objects.
const PsThreadType OBJECT_TYPE = "Thread"

// referenced is what every object with a reference count offers here.
type referenced interface {
	Reference() int
	Dereference() int
}

// ObReferenceObjectByHandle returns the object a handle names, with a reference for the caller to give back.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: ObDereferenceObject.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_OBJECT_TYPE_MISMATCH for an object of another type.
// Rules: IRQL-001, OBJ-003, OBJ-010.
// Not modelled: access rights; types other than threads.
// Reference: wdm/nf-wdm-obreferenceobjectbyhandle.
func ObReferenceObjectByHandle(k *irql.K, handle irql.HANDLE, desiredAccess uint32, objectType OBJECT_TYPE,
	accessMode irql.KPROCESSOR_MODE, object *any, handleInformation any) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.ObReferenceObjectByHandle)
	ke.Adds(k, ke.Reads(idOfHandle(handle)))
	o, ok := irql.Sim.Handles(k).Lookup(handle)
	s := ntstatus.STATUS_SUCCESS
	var id trace.ID
	t, isThread := o.(*irql.KTHREAD)
	switch {
	case !ok, accessMode == irql.UserMode:
		// All handles here are kernel handles, which mean nothing in UserMode (IMPL, reactos:
		// ntoskrnl/ob/obref.c).
		s = ntstatus.STATUS_INVALID_HANDLE
	case !isThread:
		s = ntstatus.STATUS_OBJECT_TYPE_MISMATCH
	default:
		id = t.Header().ID
		ke.Point(k, ke.Swaps(id))
		t.Reference()
		*object = t
	}
	ke.CallStatus(k, ddi.ObReferenceObjectByHandle, id, uint32(s))
	return s
}

// ObReferenceObject counts a reference to a device, file, thread or process object.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: ObDereferenceObject.
// Rules: IRQL-001, OBJ-003.
// Reference: wdm/nf-wdm-obreferenceobject.
func ObReferenceObject(k *irql.K, object any) {
	ke.Enter(k, ddi.ObReferenceObject)
	r, id := asReferenced(k, ddi.ObReferenceObject, object)
	ke.Point(k, ke.Swaps(id))
	if _, file := object.(*FILE_OBJECT); r.Reference() == 1 && file {
		ke.Report(k, verify.Finding{Rule: verify.OBJ_003, Case: "referenced too late", Obj: id.String(),
			Headline: fmt.Sprintf("%v is referenced although the last reference to it has gone", id),
			Args:     verify.Params(0, id)})
	}
	ke.Call(k, ddi.ObReferenceObject, id)
}

// ObDereferenceObject gives a reference back.
//
// IRQL: <= DISPATCH_LEVEL.
// Ownership: the object may be gone afterwards.
// Rules: IRQL-001, OBJ-003.
// Reference: wdm/nf-wdm-obdereferenceobject.
func ObDereferenceObject(k *irql.K, object any) {
	ke.Enter(k, ddi.ObDereferenceObject)
	r, id := asReferenced(k, ddi.ObDereferenceObject, object)
	ke.Point(k, ke.Swaps(id))
	ke.Call(k, ddi.ObDereferenceObject, id)
	if r.Dereference() < 0 {
		r.Reference()
		ke.Report(k, verify.Finding{Rule: verify.OBJ_003, Obj: id.String(),
			Headline: fmt.Sprintf("%v is dereferenced more often than it was referenced", id),
			Args:     verify.Params(nil, id)})
		return
	}
	io := state.Of(k)
	io.gave(k, object)
	switch o := object.(type) {
	case *DEVICE_OBJECT:
		io.dropDevice(k, o)
	case *FILE_OBJECT:
		if o.refs == 0 {
			io.lastGone(k, o)
		}
	}
}

func asReferenced(k *irql.K, d ddi.ID, object any) (referenced, trace.ID) {
	if object == nil {
		ke.Null(k, d, "NULL for Object")
	}
	switch o := object.(type) {
	case *DEVICE_OBJECT:
		return o, o.id
	case *FILE_OBJECT:
		return o, o.id
	case *CALLBACK_OBJECT:
		return o, o.id
	case *irql.KTHREAD:
		return o, o.Header().ID
	case *irql.KPROCESS:
		return o, o.Header().ID
	}
	panic(ke.Misuse(fmt.Sprintf("%v: a %T has no reference count; pass a *DEVICE_OBJECT, *FILE_OBJECT, "+
		"*KTHREAD or *KPROCESS", d, object)))
}

// ZwClose closes a handle.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: the handle names nothing afterwards.
// Returns: STATUS_SUCCESS; STATUS_INVALID_HANDLE.
// Rules: IRQL-015, OBJ-010, OBJ-011.
// Reference: ntifs/nf-ntifs-ntclose.
func ZwClose(k *irql.K, handle irql.HANDLE) ntstatus.NTSTATUS {
	ke.Enter(k, ddi.ZwClose)
	s := ntstatus.STATUS_SUCCESS
	ke.Point(k, ke.Writes(idOfHandle(handle)))
	o, ok := irql.Sim.Handles(k).Close(handle)
	if t, isThread := o.(*irql.KTHREAD); isThread {
		ke.Adds(k, ke.Swaps(t.Header().ID))
		t.Dereference()
	}
	if e, isEvent := o.(*namedEvent); isEvent {
		e.closed(k)
	}
	if !ok {
		s = ntstatus.STATUS_INVALID_HANDLE
		ke.Report(k, verify.Finding{Rule: verify.OBJ_011, Obj: fmt.Sprintf("handle#%x", uint64(handle)),
			Headline: fmt.Sprintf("ZwClose on 0x%x, which is no open handle", uint64(handle)),
			Args:     verify.Params(fmt.Sprintf("0x%x", uint64(handle)))})
	}
	ke.CallStatus(k, ddi.ZwClose, 0, uint32(s))
	return s
}

// ZwWaitForSingleObject waits, in KernelMode, until the object of a handle is signalled or the time-out has
// passed; alertable and timeout are as in KeWaitForSingleObject. The object stays while it is waited for,
// also when the handle is closed meanwhile.
//
// IRQL: PASSIVE_LEVEL.
// Ownership: none.
// Returns: STATUS_SUCCESS; STATUS_TIMEOUT; STATUS_ALERTED and STATUS_USER_APC for an alertable wait;
// STATUS_INVALID_HANDLE.
// Rules: IRQL-001, LOCK-026.
// Not modelled: objects other than threads and events, access rights.
// Reference: ntifs/nf-ntifs-zwwaitforsingleobject.
func ZwWaitForSingleObject(k *irql.K, handle irql.HANDLE, alertable bool, timeout *int64) ntstatus.NTSTATUS {
	const d = ddi.ZwWaitForSingleObject
	ke.Enter(k, d)
	ke.Adds(k, ke.Reads(idOfHandle(handle)))
	o, _ := irql.Sim.Handles(k).Lookup(handle)
	var object *ke.Object
	var done func()
	switch o := o.(type) {
	case *irql.KTHREAD:
		object, done = o.Header(), func() { o.Dereference() }
		o.Reference()
	case *namedEvent:
		object, done = o.Header(), func() { o.closed(k) }
		o.handles++
	default:
		ke.CallStatus(k, d, 0, uint32(ntstatus.STATUS_INVALID_HANDLE))
		return ntstatus.STATUS_INVALID_HANDLE
	}
	ke.Adds(k, ke.Swaps(object.ID))
	ke.Point(k, ke.WaitsOn(object.ID))
	how := ke.WaitHow(0)
	if alertable {
		how = ke.WaitAlertable
	}
	s := ke.WaitAs(k, how, []*ke.Object{object}, false, timeout, d.String())
	ke.CallStatus(k, d, object.ID, uint32(s))
	ke.Adds(k, ke.Swaps(object.ID))
	done()
	return s
}

// idOfHandle names a handle.
func idOfHandle(h irql.HANDLE) trace.ID { return ke.Beside.Of(trace.MakeID(trace.Handle, uint64(h))) }

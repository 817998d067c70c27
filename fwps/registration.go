package fwps

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// registration is one registered callout: code that filters can call.
//
// Invariant: active is the number of its callbacks on any stack.
type registration struct {
	code
	version shape
	id      uint32
	tid     trace.ID
	device  *irp.DEVICE_OBJECT
	owner   image
	active  int
	// contexts is the number of flow contexts that flowDeleteFn has not been called for.
	contexts    int
	associated  bool      // it has had a context
	skipped     bool      // as CONDITIONAL_ON_FLOW, since a flow had no context
	idle        ke.Object // signalled while active is 0
	leaving     bool      // an unregister waits for active to become 0
	last        ntstatus.NTSTATUS
	lastSeq     uint64 // the last unregister that failed
	versionTold bool   // that it is of version 0 where it should not be
	seq         uint64
}

// code is what a driver registers: the routines of a callout in the form that the engine calls. What differs
// between the versions of FWPS_CALLOUT ends where a code is made, at registration.
type code struct {
	key          GUID
	flags        uint32
	classify     func(k *irql.K, cl *call)
	notify       FWPS_CALLOUT_NOTIFY_FN1
	classifyAt   uintptr // code addresses, for frames
	notifyAt     uintptr
	flowDelete   FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 // NULL: no flow contexts
	flowDeleteAt uintptr
}

// enter counts a callback that begins.
func (r *registration) enter(k *ke.K) {
	ke.Adds(k, ke.Counts(r.tid))
	r.active++
	r.idle.Signal = 0
}

// leave counts a callback that has returned.
func (r *registration) leave(k *ke.K) {
	r.active--
	ke.Adds(k, ke.Counts(r.tid))
	if r.active == 0 && r.leaving {
		ke.SetSignal(k, &r.idle, 1)
	}
}

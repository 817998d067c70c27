package irql

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// genericLock names the lock that lets one generic call at a time go on.
var genericLock = ke.Table(trace.DPC, 1)

// genericCall is one KeGenericCallDpc.
type genericCall struct {
	id      trace.ID
	total   int
	left    int          // routines that have not said that they are done
	done    *ke.SpinLock // open when all have
	arrived int          // at the barrier
	barrier *ke.SpinLock // open when all have arrived
}

// callDone is what SystemArgument1 points to: one routine's part of the call.
type callDone struct {
	call *genericCall
	said bool
}

// KeGenericCallDpc runs a routine in a DPC on every processor and returns when each of them has called
// KeSignalCallDpcDone. The routine gets SystemArgument1 for that, and SystemArgument2 for
// KeSignalCallDpcSynchronize.
//
// IRQL: <= APC_LEVEL.
// Ownership: none.
// Rules: IRQL-001, LOCK-026, OBJ-008.
// Not modelled: processors of a machine for exhaustive searches: the one that the machine says it has.
// Reference: none; declared in ntddk.h
func KeGenericCallDpc(k *K, routine KDEFERRED_ROUTINE, context any) {
	const d = ddi.KeGenericCallDpc
	ke.Enter(k, d)
	if ke.IRQL(k) >= ke.Dispatch || ke.IsDPC(k) {
		return // a run that goes on: nobody could wait for the others here
	}
	s := &state.Of(k).deferred
	if s.generic.Kind == ke.NoObject {
		s.generic = ke.Object{Kind: ke.SynchronizationEvent, ID: genericLock, Signal: 1}
	}
	ke.Point(k, ke.Acquires(genericLock))
	objs := [1]*ke.Object{&s.generic} // INFERRED from an independent implementation, which holds a mutex
	ke.Wait(k, objs[:], false, nil, d.String())
	n := ke.Of(k).Config().Processors
	id := ke.Of(k).NewID(trace.DPC)
	c := &genericCall{id: id, total: n, left: n, done: ke.NewGate(id), barrier: ke.NewGate(id)}
	ke.Call(k, d, id)
	old := ke.IRQL(k)
	ke.SetIRQL(k, ke.Dispatch)
	for i := range n {
		if i != int(ke.Processor(k)) && n > 1 {
			ke.QueueDPC(k, &c.part(k, routine, context, int8(i)).d)
		}
	}
	ke.RunHere(k, c.part(k, routine, context, -1).d.Run)
	ke.PassGate(k, c.done)
	ke.SetSignal(k, &s.generic, 1)
	ke.SetIRQL(k, old)
}

// part is the DPC of one processor.
func (c *genericCall) part(k *K, routine KDEFERRED_ROUTINE, context any, target int8) *KDPC {
	mine := &callDone{call: c}
	p := &KDPC{routine: routine, fn: ke.CodeOf(routine), context: context, arg1: mine, arg2: c,
		image: ke.Acting(k)}
	p.adopt(k, trace.DPC)
	p.d = ke.DPC{ID: p.id, Importance: ke.MediumImportance, Target: target, Run: func(k *K) {
		p.start(k)
		if !mine.said {
			c.misuse(k, ke.FuncName(p.fn)+" returns without KeSignalCallDpcDone: its caller waits for ever",
				"KeSignalCallDpcDone not called")
			c.finished(k, mine) // a run that goes on does not hang for that
		}
	}}
	return p
}

func (c *genericCall) misuse(k *K, headline, cause string) {
	ke.Report(k, verify.Finding{Rule: verify.OBJ_008, Case: cause, Obj: c.id.String(),
		AllowedIRQL: verify.AnyIRQL, Headline: headline})
}

// KeSignalCallDpcDone says that the routine of a generic call is done on its processor.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: systemArgument1 may not be used again.
// Rules: IRQL-001, IRQL-002, OBJ-008.
// Not modelled: none.
// Reference: none; declared in ntddk.h
func KeSignalCallDpcDone(k *K, systemArgument1 any) {
	const d = ddi.KeSignalCallDpcDone
	ke.Enter(k, d)
	mine, ok := systemArgument1.(*callDone)
	if !ok && systemArgument1 != nil { // NULL is what it is to whoever uses it
		panic(ke.Misuse(fmt.Sprintf("%v: a %T is not the SystemArgument1 of a generic call", d,
			systemArgument1)))
	}
	c := mine.call
	if mine.said {
		c.misuse(k, fmt.Sprintf("%v twice on one processor", d), "KeSignalCallDpcDone called twice")
		return
	}
	ke.Point(k, ke.Swaps(c.id))
	ke.Call(k, d, c.id)
	c.finished(k, mine)
}

func (c *genericCall) finished(k *K, part *callDone) {
	part.said = true
	ke.Released(k, c.done)
	if c.left--; c.left == 0 {
		ke.OpenGate(k, c.done)
	}
}

// KeSignalCallDpcSynchronize waits until the routines of a generic call have come here on all processors. It
// returns TRUE on one of them: here the last to come.
//
// IRQL: DISPATCH_LEVEL.
// Ownership: none.
// Rules: IRQL-001, IRQL-002, LOCK-026.
// Not modelled: on which processor the result is TRUE.
// Reference: none; declared in ntddk.h
func KeSignalCallDpcSynchronize(k *K, systemArgument2 any) bool {
	const d = ddi.KeSignalCallDpcSynchronize
	ke.Enter(k, d)
	c, ok := systemArgument2.(*genericCall)
	if !ok && systemArgument2 != nil {
		panic(ke.Misuse(fmt.Sprintf("%v: a %T is not the SystemArgument2 of a generic call", d,
			systemArgument2)))
	}
	ke.Point(k, ke.Swaps(c.id))
	ke.Call(k, d, c.id)
	gate := c.barrier
	ke.Released(k, gate)
	if c.arrived++; c.arrived == c.total {
		c.arrived, c.barrier = 0, ke.NewGate(c.id) // the next time all come here
		ke.OrderedAfter(k, gate)
		ke.OpenGate(k, gate)
		return true
	}
	ke.PassGate(k, gate)
	return false
}

package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
)

// siteThreadedDPC is a setting of the machine, asked once in a run: the administrator can have every threaded
// DPC run as an ordinary one (the page of KeInitializeThreadedDpc), so that the routine must be right at both
// levels.
var siteThreadedDPC = ke.Site{Name: "env/ThreadedDpc", Alts: []string{"in a thread", "as an ordinary DPC"},
	Spec: "irp.md 13.4"}

// deferred is what a machine keeps about deferred calls that are no ordinary DPCs.
type deferred struct {
	asked    bool // whether threaded DPCs are enabled
	ordinary bool // they are not
	runs     []*ke.Thread
	generic  ke.Object // free when signalled: one generic call at a time
}

// threadedRun is one run of a threaded DPC that has not begun.
type threadedRun struct{ dpc *KDPC }

// KeInitializeThreadedDpc makes a DPC whose routine runs in a thread at PASSIVE_LEVEL, unless the machine is
// set up to run it like any other at DISPATCH_LEVEL.
//
// IRQL: any.
// Ownership: the DPC is the driver's; its memory must be nonpaged and outlive every run of the routine.
// Rules: OBJ-008, POOL-026.
// Not modelled: priorities; that the threaded DPCs of one processor follow each other.
// Reference: wdm/nf-wdm-keinitializethreadeddpc.
func KeInitializeThreadedDpc(k *K, dpc *KDPC, deferredRoutine KDEFERRED_ROUTINE, deferredContext any) {
	dpc.initialise(k, ddi.KeInitializeThreadedDpc, deferredRoutine, deferredContext)
	dpc.threaded = true
	threadedEnabled(k)
}

// threadedEnabled says how this machine is set up.
func threadedEnabled(k *K) bool {
	s := &state.Of(k).deferred
	if !s.asked {
		s.asked = true
		s.ordinary = ke.Choose(k, &siteThreadedDPC, 2) == 1
	}
	return !s.ordinary
}

// queued reports whether a run is to come.
func (p *KDPC) queued() bool { return p.d.Queued() || p.waiting != nil }

// toThread hands a DPC that has left the queue of its processor to a thread. Until that begins with it, it
// counts as queued.
func (p *KDPC) toThread(k *K) {
	run := &threadedRun{p}
	p.waiting = run
	s := &state.Of(k).deferred
	t := ke.Of(k).QueueWork("threaded DPC "+p.id.String(), func(k *K) {
		ke.Point(k, ke.Dequeues(p.id))
		if p.waiting != run {
			return // taken out of the queue
		}
		p.waiting = nil
		p.inThread(k)
	})
	s.runs = append(s.runs, t)
	ke.Adds(k, ke.Counts(ke.AllDPCs))
}

// inThread runs the routine in the thread of k.
func (p *KDPC) inThread(k *K) {
	ke.OrderedAfter(k, &p.d)
	if p.goneRule != verify.NoRule {
		p.reportGone(k, ddi.KDEFERRED_ROUTINE)
		return
	}
	kind := ke.FrameDPC
	if p.timer != nil {
		kind = ke.FrameTimer
	}
	routine, context, arg1, arg2 := p.routine, p.context, p.arg1, p.arg2
	p.inThreads++
	ke.Push(k, ke.Frame{Kind: kind, Image: p.image, Object: p, Obj: p.id, Fn: p.fn})
	ke.Point(k, ke.Here(k))
	routine(k, p, context, arg1, arg2)
	ke.Pop(k)
	ke.Adds(k, ke.Counts(ke.RunsOf(p.id)))
	p.inThreads--
}

// outOfThread takes out of its queue a DPC that waits for its thread.
func (p *KDPC) outOfThread() bool {
	was := p.waiting != nil
	p.waiting = nil
	return was
}

// flushThreads waits for the runs in threads. The page of KeFlushQueuedDpcs speaks of all DPCs.
func flushThreads(k *K) {
	s := &state.Of(k).deferred
	for len(s.runs) > 0 {
		t := s.runs[0]
		if !t.Ended() {
			objs := [1]*ke.Object{&t.Object}
			ke.Wait(k, objs[:], false, nil, "KeFlushQueuedDpcs")
		}
		if len(s.runs) > 0 && s.runs[0] == t {
			s.runs = s.runs[1:]
		}
	}
}

package fwps

import (
	"fmt"

	"calloutsim/internal/ke"
	"calloutsim/internal/list"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

func (cl *call) lockUse(lock trace.ID, seq uint64) lockUse {
	return lockUse{by: cl.reg.owner, lock: lock, bind: cl.c.info.about == aboutBind, at: cl.c.layer,
		seq: seq, obj: cl.c.id}
}

// find returns the use of a lock by a driver; classifyFns that a completion cannot lead to do not count.
func find(uses []lockUse, by image, lock trace.ID, possible func(u *lockUse) bool) *lockUse {
	for i := range uses {
		if u := &uses[i]; u.by == by && u.lock == lock && possible(u) {
			return u
		}
	}
	return nil
}

// takes notes a lock that a classifyFn is about to take, and reports WFP-080 if a completion has been made
// while it was held.
func (e *engine) takes(k *ke.K, lock trace.ID) {
	cl, ok := ke.Top(k).Object.(*call)
	if !ok {
		return
	}
	u := cl.lockUse(lock, e.m.Log().Len())
	if find(e.taken, u.by, lock, func(o *lockUse) bool { return o.at == u.at }) != nil {
		return
	}
	e.taken = append(e.taken, u)
	if h := find(e.heldLocks, u.by, lock, func(h *lockUse) bool { return h.leadsTo(&u) }); h != nil {
		cl.underLock(k, h, &u)
	}
}

// holds notes the locks that are held while cl is completed, and reports WFP-080 for one that a classifyFn of
// the driver takes. It asks before any classifyFn runs on this stack, as LOCK-003 does for two locks:
// callouts may be called before FwpsCompleteClassify0 returns (wfp.md 21 #28). Where the level forbids that,
// the classification goes on in another context.
func (e *engine) holds(k *ke.K, cl *call) {
	if cl.c.info.level == levelPassive && ke.IRQL(k) > ke.Passive {
		return
	}
	for _, l := range ke.Locks(k) {
		h := cl.lockUse(l.ID, l.Seq)
		e.notesHeld(k, cl, h)
	}
}

// holdsOperation is holds for FwpsCompleteOperation0.
func (e *engine) holdsOperation(k *ke.K, o *operation) {
	cl := o.call
	if cl.c.info.level == levelPassive && ke.IRQL(k) > ke.Passive || cl.c.q.At == tcpip.AuthRecvAccept {
		return
	}
	for _, l := range ke.Locks(k) {
		h := cl.lockUse(l.ID, l.Seq)
		h.op = true
		e.notesHeld(k, cl, h)
	}
}

// notesHeld notes a lock that is held in a completion, and reports one that a classifyFn takes.
func (e *engine) notesHeld(k *ke.K, cl *call, h lockUse) {
	if u := find(e.taken, h.by, h.lock, h.leadsTo); u != nil {
		cl.underLock(k, &h, u)
	}
	if find(e.heldLocks, h.by, h.lock, func(o *lockUse) bool {
		return o.bind == h.bind && o.op == h.op && (!h.op || o.at == h.at)
	}) == nil {
		e.heldLocks = append(e.heldLocks, h)
	}
}

// leadsTo reports whether the completion in which the lock is held can enter the classifyFn that takes it:
// that of an operation asks again at its own layer, that of a classification goes on to all that follow.
func (h *lockUse) leadsTo(taken *lockUse) bool {
	if h.op {
		return h.at == taken.at
	}
	return h.bind || !taken.bind
}

// completes names the routine that a lock was held in.
func (h *lockUse) completes() string {
	if h.op {
		return "FwpsCompleteOperation0"
	}
	return "FwpsCompleteClassify0"
}

func (cl *call) underLock(k *ke.K, held, taken *lockUse) {
	ke.Report(k, verify.Finding{Rule: verify.WFP_080, Obj: held.lock.String(), BugCheck: 0xF,
		Headline: fmt.Sprintf("%v is held in %s of %v, and classifyFn takes it (%v): a classifyFn that is "+
			"entered from inside the completion waits for its own stack", held.lock, held.completes(),
			held.obj, taken.obj),
		Places: append(cl.places(), verify.Place{Label: "HELD", Seq: held.seq},
			verify.Place{Label: "TAKEN_IN_CLASSIFYFN", Seq: taken.seq}),
		Dump: list.Add([]string{"!wfp classify " + cl.c.id.String()}, cl.c.dump()),
		Fix:  "release the lock before " + held.completes() + ": classifyFn may be entered from inside it."})
}

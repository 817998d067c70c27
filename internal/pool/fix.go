package pool

import (
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// This file words the likely fixes of memory that is used after it went, by who let it go and who uses it.

// goneFix is the likely fix of a use in k of a block that was freed; "" leaves it to the record of the rule.
func (b *block) goneFix(k *ke.K) string {
	e := b.h.m.Log().At(b.freeSeq)
	switch {
	case e == nil:
		return ""
	case e.What == trace.Note:
		return "the system freed it together with what it belonged to: take what is needed out of it " +
			"before the request is completed."
	case e.Ctx == ke.ContextNum(k):
		return "the same context has freed it before: move the free behind the last use, and set the " +
			"pointer to nil where it is freed."
	}
	return "another context frees it while this one still uses it: " + waitFor(k)
}

// waitFor says how whoever frees memory waits for the code that runs in k, or leaves the free to it.
func waitFor(k *ke.K) string {
	f := ke.Top(k)
	if f == nil {
		return references
	}
	switch f.Kind {
	case ke.FrameTimer:
		return "call KeCancelTimer and then KeFlushQueuedDpcs before the free."
	case ke.FrameDPC:
		return "call KeFlushQueuedDpcs before the free, or let the DPC free it."
	case ke.FrameCompletion:
		return "free it in the completion routine, or wait until that has run."
	case ke.FrameWorkItem:
		return "free it in the work item, or let the work item set an event that the free waits for."
	case ke.FrameClassify, ke.FrameNotify, ke.FrameFlowDelete:
		return "free it when the callout is unregistered, or count references: who drops the last one frees."
	case ke.FrameWskEvent:
		return "free it after the request of WskCloseSocket has completed."
	}
	return references
}

const references = "count references (InterlockedIncrement, InterlockedDecrement; who drops the last one " +
	"frees), or wait for the other user before the free."

// leakFix says where the blocks that are left came from, so that the missing free can be found.
func leakFix(groups []group) string {
	if len(groups) == 0 || groups[0].first.fn == 0 {
		return ""
	}
	g := &groups[0]
	s := "free what " + ke.FuncName(g.first.fn) + " allocates with tag '" + TagName(g.first.Tag) +
		"' (ExFreePoolWithTag): in DriverUnload if the driver keeps it, else on the path that loses it"
	if len(groups) > 1 {
		s += "; so for the other blocks"
	}
	return s + "."
}

package fwps_test

import (
	"testing"

	"calloutsim/fwps"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// watched plays a conversation with a watcher on the client's flow: during and then run in a thread of the
// driver while the flow lives, late in classifyFn at ENDPOINT_CLOSURE.
type watched struct {
	established func(w *watcher, a *args)
	during      func(w *watcher, k *irql.K)
	late        func(w *watcher, a *args)
	deletes     fwps.FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
	then        func(w *watcher, k *irql.K) // when the flow is gone
	unload      func(w *watcher, k *irql.K)
}

func (c watched) play(l *lab) {
	if c.established == nil {
		c.established = onlyOutbound
	}
	w := l.watch(c.established)
	if c.deletes != nil {
		w.hooks[0].deletes = c.deletes
	}
	if c.late != nil {
		w.late = func(a *args) { c.late(w, a) }
	}
	l.talk(func(k *irql.K) {
		if c.during != nil {
			w.as(func(k *irql.K) { c.during(w, k) })
			delay(k, 1)
		}
	})
	if c.then != nil {
		w.as(func(k *irql.K) { c.then(w, k) })
		l.m.Run(nil)
	}
	if c.unload != nil {
		w.unload = func(k *irql.K) { c.unload(w, k) }
	}
	l.end(w.driver)
}

// remove removes the context of the client's flow.
func (w *watcher) remove(k *irql.K) ntstatus.NTSTATUS {
	return fwps.FwpsFlowRemoveContext0(k, w.flows[0], closureLayer, w.hooks[0].id)
}

// memory is the context of the client's flow.
func associated(fn func(w *watcher, a *args, mem *irp.Buffer)) func(w *watcher, a *args) {
	return func(w *watcher, a *args) {
		if len(w.flows) == 0 {
			mem, _ := w.associate(a)
			fn(w, a, mem)
		}
	}
}

// flowAssociations are the cases about FwpsFlowAssociateContext0.
func flowAssociations() []ruleCase {
	as := func(layer uint16, ctx uint64) func(w *watcher, a *args) {
		return func(w *watcher, a *args) {
			if w.flows = append(w.flows, a.meta.FlowHandle()); len(w.flows) == 1 {
				fwps.FwpsFlowAssociateContext0(a.k, a.meta.FlowHandle(), layer, w.hooks[0].id, ctx)
			}
		}
	}
	nothing := func(*irql.K, uint16, uint32, uint64) {}
	twice := func(frees bool) func(l *lab) {
		return watched{established: associated(func(w *watcher, a *args, _ *irp.Buffer) {
			mem, s := w.associate(a)
			if s != ok && frees {
				irp.ExFreePoolWithTag(a.k, mem, tag)
			}
		})}.play
	}
	return []ruleCase{
		{verify.WFP_136, nil, watched{established: as(closureLayer, 0)}.play,
			watched{established: as(closureLayer, 1), deletes: nothing}.play},
		{verify.WFP_137, nil, twice(false), twice(true)},
		{verify.WFP_138, nil, watched{established: associated(func(_ *watcher, a *args, mem *irp.Buffer) {
			irp.ExFreePoolWithTag(a.k, mem, tag)
		})}.play, watched{}.play},
		{verify.WFP_143, nil, watched{established: as(flowLayer, 1), deletes: nothing}.play,
			watched{established: as(closureLayer, 1), deletes: nothing}.play},
		{verify.WFP_145, nil, watched{then: func(w *watcher, k *irql.K) {
			fwps.FwpsFlowAssociateContext0(k, w.flows[0], closureLayer, w.hooks[0].id, 1)
		}}.play, watched{then: func(w *watcher, k *irql.K) {}}.play},
	}
}

// Rule: WFP-136, WFP-137, WFP-138, WFP-143, WFP-145
func TestFwpsFlowAssociateContext0_Misused(t *testing.T) { trip(t, flowAssociations()) }

// Near miss: WFP-136, WFP-137, WFP-138, WFP-143, WFP-145
func TestFwpsFlowAssociateContext0_WellUsed(t *testing.T) { miss(t, flowAssociations()) }

// flowRemovals are the cases about what goes.
func flowRemovals() []ruleCase {
	free := func(k *irql.K, ctx uint64) { irp.ExFreePoolWithTag(k, irp.FromNumber(k, ctx), tag) }
	removing := func(then func(w *watcher, k *irql.K, ctx *irp.Buffer)) func(l *lab) {
		var mem *irp.Buffer
		return watched{established: associated(func(_ *watcher, _ *args, m *irp.Buffer) { mem = m }),
			during: func(w *watcher, k *irql.K) {
				w.remove(k)
				then(w, k, mem)
			}}.play
	}
	pending := func(frees bool) func(l *lab) {
		return watched{late: func(w *watcher, a *args) {
			if a.flow != 0 && w.remove(a.k) == ntstatus.STATUS_PENDING && frees {
				free(a.k, a.flow)
			}
		}}.play
	}
	return []ruleCase{
		{verify.WFP_139, nil, removing(func(_ *watcher, k *irql.K, mem *irp.Buffer) {
			irp.ExFreePoolWithTag(k, mem, tag)
		}), removing(func(*watcher, *irql.K, *irp.Buffer) {})},
		{verify.WFP_140, nil, removedUnderLock(true), removedUnderLock(false)},
		{verify.WFP_141, nil, pending(true), pending(false)},
		{verify.WFP_142, nil, leftAtUnload(false), leftAtUnload(true)},
		{verify.WFP_144, nil, removesInDelete(true), removesInDelete(false)},
		{verify.WFP_146, nil, conditional(false), conditional(true)},
		{verify.WFP_147, nil, removing(func(_ *watcher, _ *irql.K, mem *irp.Buffer) { mem.Store32(0, 1) }),
			removing(func(*watcher, *irql.K, *irp.Buffer) {})},
	}
}

// removedUnderLock removes with the lock held that flowDeleteFn takes, or not.
func removedUnderLock(held bool) func(l *lab) {
	lock := new(irql.KSPIN_LOCK)
	var old irql.KIRQL
	return watched{
		established: associated(func(w *watcher, a *args, _ *irp.Buffer) {}),
		during: func(w *watcher, k *irql.K) {
			irql.KeInitializeSpinLock(k, lock)
			irql.KeAcquireSpinLock(k, lock, &old)
			if !held {
				irql.KeReleaseSpinLock(k, lock, old)
			}
			w.remove(k)
			if held {
				irql.KeReleaseSpinLock(k, lock, old)
			}
		},
		deletes: func(k *irql.K, _ uint16, _ uint32, ctx uint64) {
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, lock, &old)
			irql.KeReleaseSpinLock(k, lock, old)
			irp.ExFreePoolWithTag(k, irp.FromNumber(k, ctx), tag)
		},
	}.play
}

// leftAtUnload unloads the driver while a flow has a context, which it removes or not.
func leftAtUnload(removes bool) func(l *lab) {
	return func(l *lab) {
		w := l.watch(onlyOutbound)
		w.unload = func(k *irql.K) {
			for fwps.FwpsCalloutUnregisterById0(k, w.hooks[0].id) == ntstatus.STATUS_DEVICE_BUSY && removes {
				w.remove(k)
			}
			w.tidy(k)
		}
		l.open()
		l.end(w.driver)
	}
}

// removesInDelete calls FwpsFlowRemoveContext0 in flowDeleteFn, or not.
func removesInDelete(removes bool) func(l *lab) {
	return func(l *lab) {
		w := l.watch(onlyOutbound)
		frees := w.hooks[0].deletes
		w.hooks[0].deletes = func(k *irql.K, layer uint16, id uint32, ctx uint64) {
			if removes {
				w.remove(k)
			}
			frees(k, layer, id, ctx)
		}
		l.talk(nil)
		l.end(w.driver)
	}
}

// Rule: WFP-139, WFP-140, WFP-141, WFP-142, WFP-144, WFP-146, WFP-147
func TestFwpsFlowRemoveContext0_Misused(t *testing.T) { trip(t, flowRemovals()) }

// Near miss: WFP-139, WFP-140, WFP-141, WFP-142, WFP-144, WFP-146, WFP-147
func TestFwpsFlowRemoveContext0_WellUsed(t *testing.T) { miss(t, flowRemovals()) }

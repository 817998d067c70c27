package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// inspectFlow is a callout at FLOW_ESTABLISHED that only looks.
var inspectFlow = atFlow.doing(fwps.FWP_ACTION_CALLOUT_INSPECTION, 0)

// atClosure is ENDPOINT_CLOSURE.
var atClosure = atAuth.at(fwpm.FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4)

const (
	closureLayer = fwps.FWPS_LAYER_ALE_ENDPOINT_CLOSURE_V4
	flowLayer    = fwps.FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4
)

// deletion is one call of flowDeleteFn.
type deletion struct {
	layer uint16
	id    uint32
	ctx   uint64
}

// watcher is a driver with a callout at FLOW_ESTABLISHED that associates contexts for one at
// ENDPOINT_CLOSURE.
type watcher struct {
	*driver
	deleted []deletion
	flows   []uint64
	got     []uint64 // contexts that classifyFn at ENDPOINT_CLOSURE was given
	late    func(a *args)
}

// associate gives the flow of a call a context of pool for the callout at ENDPOINT_CLOSURE.
func (w *watcher) associate(a *args) (*irp.Buffer, ntstatus.NTSTATUS) {
	w.flows = append(w.flows, a.meta.FlowHandle())
	mem := irp.ExAllocatePool2(a.k, irp.POOL_FLAG_NON_PAGED, 16, tag)
	return mem, fwps.FwpsFlowAssociateContext0(a.k, a.meta.FlowHandle(), closureLayer, w.hooks[0].id,
		irp.ToNumber(mem))
}

// watch loads a watcher; established is its callout at FLOW_ESTABLISHED.
func (l *lab) watch(established func(w *watcher, a *args)) *watcher {
	w := &watcher{}
	w.driver = l.load("watch.sys", func(k *irql.K, d *driver) {
		w.driver = d
		closure := &hook{key: fwps.GUID{Data1: 0xf1}, fn: func(a *args) {
			w.got = append(w.got, a.flow)
			a.permit()
			if w.late != nil {
				w.late(a)
			}
		}, deletes: func(k *irql.K, layer uint16, id uint32, ctx uint64) {
			w.deleted = append(w.deleted, deletion{layer, id, ctx})
			irp.ExFreePoolWithTag(k, irp.FromNumber(k, ctx), tag)
		}}
		d.hooks = append(d.hooks, closure)
		require.Equal(l.t, ok, fwps.FwpsCalloutRegister1(k, d.dev, d.describe(closure), &closure.id))
		d.addObjects(k, atClosure, closure)
		require.Equal(l.t, ok, d.addFilter(k, atClosure, closure, &closure.filter))
		d.hook(k, inspectFlow, func(a *args) {
			a.out.ActionType = fwps.FWP_ACTION_CONTINUE
			established(w, a)
		})
	})
	return w
}

// talk lets a client connect to a server; both close when between has run in the client.
func (l *lab) talk(between func(k *irql.K)) {
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			c := l.socket(k, p)
			if c.Connect(k, server) == ok && between != nil {
				between(k)
			}
			c.Close(k)
		})
		if s, st := listener.Accept(k); st == ok {
			s.Recv(k, make([]byte, 1))
			s.Close(k)
		}
		listener.Close(k)
	})
	l.m.Run(nil)
}

// open is talk in which nobody closes.
func (l *lab) open() {
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			require.Equal(l.t, ok, l.socket(k, p).Connect(k, server))
		})
		_, st := listener.Accept(k)
		require.Equal(l.t, ok, st)
	})
	l.m.Run(nil)
}

// onlyOutbound associates on the client's flow.
func onlyOutbound(w *watcher, a *args) {
	direction := a.in.IncomingValue(fwps.FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION).Value().Uint32()
	if direction == uint32(fwps.FWP_DIRECTION_OUTBOUND) {
		w.associate(a)
	}
}

// S23: a context associated at FLOW_ESTABLISHED for another layer is deleted once, with that layer's number,
// and behind ENDPOINT_CLOSURE, which gets it. Reference: wfp.md 14, 24.
func TestScenario_S23_FlowDeleteAtTheEndOfTheFlow(t *testing.T) {
	for _, when := range []int{0, 1} {
		l := newLab(t, pin("env/FlowDelete/when", when))
		w := l.watch(onlyOutbound)
		l.talk(func(*irql.K) { assert.Empty(t, w.deleted) })
		require.Len(t, w.deleted, 1)
		d := w.deleted[0]
		assert.Equal(t, deletion{closureLayer, w.hooks[0].id, d.ctx}, d)
		assert.Contains(t, w.got, d.ctx)
		l.end(w.driver)
		l.silent()
	}
}

// S24 of wfp.md 24.
func TestScenario_S24_UnregisterWithAContext(t *testing.T) {
	l := newLab(t)
	w := l.watch(onlyOutbound)
	l.talk(func(k *irql.K) {
		w.as(func(k *irql.K) {
			id := w.hooks[0].id
			assert.Equal(t, ntstatus.STATUS_DEVICE_BUSY, fwps.FwpsCalloutUnregisterById0(k, id))
			assert.Equal(t, ok, fwps.FwpsFlowRemoveContext0(k, w.flows[0], closureLayer, id))
			assert.Len(t, w.deleted, 1, "flowDeleteFn was called inside")
			assert.Equal(t, ntstatus.STATUS_UNSUCCESSFUL, w.remove(k))
			assert.Equal(t, ok, fwps.FwpsCalloutUnregisterById0(k, id))
		})
		delay(k, 1)
	})
	assert.Len(t, w.deleted, 1)
	w.hooks = w.hooks[1:]
	l.end(w.driver)
	assert.Equal(t, []string{"WFP-033"}, l.found(), "ENDPOINT_CLOSURE meets a filter without code")
}

// S25 of wfp.md 24: the second status is one of success.
func TestScenario_S25_AssociateTwice(t *testing.T) {
	l := newLab(t)
	w := l.watch(func(w *watcher, a *args) {
		_, s := w.associate(a)
		assert.Equal(t, ok, s)
		mem, s := w.associate(a)
		assert.Equal(t, ntstatus.STATUS_OBJECT_NAME_EXISTS, s)
		assert.True(t, ntstatus.NT_SUCCESS(s))
		irp.ExFreePoolWithTag(a.k, mem, tag)
	})
	l.talk(nil)
	assert.Len(t, w.deleted, 2, "one for each end")
	l.end(w.driver)
	l.silent()
}

// S26 of wfp.md 24.
func TestScenario_S26_RemoveDuringClassify(t *testing.T) {
	l := newLab(t)
	w := l.watch(onlyOutbound)
	w.late = func(a *args) {
		if a.flow == 0 {
			return
		}
		s := fwps.FwpsFlowRemoveContext0(a.k, w.flows[0], closureLayer, w.hooks[0].id)
		assert.Equal(t, ntstatus.STATUS_PENDING, s)
		assert.Empty(t, w.deleted, "classifyFn has it")
	}
	l.talk(nil)
	assert.Len(t, w.deleted, 1)
	l.end(w.driver)
	l.silent()
}

// conditional is a scenario with a callout that is conditional on flow contexts, which it has or not.
func conditional(with bool) func(l *lab) {
	return func(l *lab) {
		d := l.load("watch.sys", func(k *irql.K, d *driver) {
			h := &hook{key: fwps.GUID{Data1: 0xf2}, fn: permits,
				deletes: func(*irql.K, uint16, uint32, uint64) {}}
			c := d.describe(h)
			c.Flags = fwps.FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW
			d.hooks = append(d.hooks, h)
			require.Equal(l.t, ok, fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id))
			d.addObjects(k, atClosure, h)
			require.Equal(l.t, ok, d.addFilter(k, atClosure, h, &h.filter))
			d.hook(k, inspectFlow, func(a *args) {
				a.out.ActionType = fwps.FWP_ACTION_CONTINUE
				if with {
					fwps.FwpsFlowAssociateContext0(a.k, a.meta.FlowHandle(), closureLayer, h.id, 7)
				}
			})
		})
		l.talk(nil)
		want := 0
		if with {
			want = 2
		}
		require.Equal(l.t, want, d.hooks[0].calls, "one for each end")
		l.end(d)
	}
}

// FwpsFlowAbort0 resets a connection; its contexts go. Reference: wfp.md 14.
func TestFwpsFlowAbort0(t *testing.T) {
	l := newLab(t)
	w := l.watch(onlyOutbound)
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			c := l.socket(k, p)
			assert.Equal(t, ok, c.Connect(k, server))
			w.as(func(k *irql.K) { assert.Equal(t, ok, fwps.FwpsFlowAbort0(k, w.flows[0])) })
			_, st := c.Recv(k, make([]byte, 1))
			assert.Equal(t, ntstatus.STATUS_CONNECTION_ABORTED, st)
			assert.Len(t, w.deleted, 1)
			c.Close(k)
		})
		s, st := listener.Accept(k)
		assert.Equal(t, ok, st)
		_, st = s.Recv(k, make([]byte, 1))
		assert.Equal(t, ntstatus.STATUS_CONNECTION_RESET, st)
		s.Close(k)
		listener.Close(k)
	})
	l.m.Run(nil)
	l.end(w.driver)
	l.silent()
}

// S47 of wfp.md 24: a peer is silent for 61 seconds. The flow ends at 60, with its context; the next datagram
// is a new flow.
func TestScenario_S47_DatagramFlowIdlesOut(t *testing.T) {
	l := newLab(t)
	l.far("")
	auth, deleted := 0, []int64{}
	var flows []uint64
	d := l.load("watch.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth, func(a *args) { auth++; a.permit() })
		h := &hook{key: fwps.GUID{Data1: 0xf3}, fn: permits, deletes: func(*irql.K, uint16, uint32, uint64) {
			deleted = append(deleted, l.m.Uptime()/ke.Second)
		}}
		d.hooks = append(d.hooks, h)
		require.Equal(t, ok, fwps.FwpsCalloutRegister1(k, d.dev, d.describe(h), &h.id))
		d.addObjects(k, atDatagram, h)
		d.hook(k, inspectFlow, func(a *args) {
			a.out.ActionType = fwps.FWP_ACTION_CONTINUE
			flows = append(flows, a.meta.FlowHandle())
			s := fwps.FwpsFlowAssociateContext0(a.k, a.meta.FlowHandle(),
				fwps.FWPS_LAYER_DATAGRAM_DATA_V4, h.id, 9)
			assert.Equal(t, ok, s)
		})
	})
	l.program("browser.exe", func(k *irql.K, p *ke.Process) {
		e := tcpip.Of(k).NewDatagram(p, false)
		send := func() {
			e.SendTo(k, tcpip.Outgoing{To: dns, Data: []byte("x")}, true, ke.ThreadOf(k),
				func(*ke.K, int, ntstatus.NTSTATUS) {})
		}
		send()
		delay(k, 61_000)
		assert.Equal(t, []int64{60}, deleted)
		send()
		e.Close(k, true, func(*ke.K) {})
	})
	l.m.Run(nil)
	assert.Equal(t, 2, auth)
	require.Len(t, flows, 2)
	assert.NotEqual(t, flows[0], flows[1])
	assert.Len(t, deleted, 2)
	l.end(d)
	l.silent()
}

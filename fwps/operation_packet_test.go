package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/fwps"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// acceptor is a driver that pends accepts, clones the SYN, and then does what later says.
func (l *lab) acceptor(later func(i *injector, k *irql.K, t *taken)) *injector {
	return l.injects("accept.sys", atAccept, fwps.FWPS_INJECTION_TYPE_TRANSPORT, func(i *injector, a *args) {
		if i.own(a) {
			return
		}
		t := a.takeIn()
		t.ctx = a.hold()
		a.d.later(a.k, func(k *irql.K) { later(i, k, t) })
	})
}

// allows completes with the clone and injects it.
func allows(i *injector, k *irql.K, t *taken) {
	fwps.FwpsCompleteOperation0(k, t.ctx, t.nbl)
	i.putIn(k, t)
}

// S22 of wfp.md 24: the accept completes when the clone comes round, without waiting for another SYN.
func TestScenario_S22_PendOperationAtRecvAccept(t *testing.T) {
	l := newLab(t)
	i := l.acceptor(allows)
	l.talk(nil)
	assert.Less(t, l.m.Uptime(), int64(3*ke.Second), "no SYN had to be sent again")
	assert.Equal(t, 1, i.done)
	assert.Empty(t, tcpip.On(l.m).Endpoints())
	l.end(i.driver)
	l.silent()
}

// heldPackets are the cases about what an operation carries that is pended.
func heldPackets() []ruleCase {
	frees := func(complete func(k *irql.K, t *taken)) func(l *lab) {
		return func(l *lab) {
			i := l.acceptor(func(_ *injector, k *irql.K, t *taken) {
				complete(k, t)
				fwps.FwpsFreeCloneNetBufferList0(k, t.nbl, 0)
			})
			i.limit = 1
			l.tries(i.driver)
		}
	}
	return []ruleCase{
		{verify.WFP_132, nil,
			frees(func(k *irql.K, t *taken) { fwps.FwpsCompleteOperation0(k, t.ctx, t.nbl) }),
			frees(func(k *irql.K, t *taken) { fwps.FwpsCompleteOperation0(k, t.ctx, nil) })},
		{verify.WFP_133, nil, keptPacket(true), keptPacket(false)},
	}
}

// tries lets a client connect that gives up after its first second, and unloads the driver.
func (l *lab) tries(d *driver) {
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			c := l.socket(k, p)
			l.program("stops.exe", func(k *irql.K, _ *ke.Process) {
				delay(k, 1000)
				c.Close(k)
				listener.Close(k)
			})
			c.Connect(k, server)
		})
	})
	l.m.Run(nil)
	l.end(d)
}

// keptPacket looks at the list of a pended accept in a work item, or not.
func keptPacket(looks bool) func(l *lab) {
	return func(l *lab) {
		d := l.single(atAccept, func(a *args) {
			nbl, ctx := a.data.(*ndis.NET_BUFFER_LIST), a.hold()
			a.d.later(a.k, func(k *irql.K) {
				if looks {
					nbl.FirstNetBuffer()
				}
				fwps.FwpsCompleteOperation0(k, ctx, nil)
			})
		})
		l.tries(d)
	}
}

// Rule: WFP-132, WFP-133
func TestPendOperation_PacketsLost(t *testing.T) { trip(t, heldPackets()) }

// Near miss: WFP-132, WFP-133
func TestPendOperation_PacketsKept(t *testing.T) { miss(t, heldPackets()) }

// heldDatagram pends the first datagram of a flow with a clone of it, or without having looked at it.
func heldDatagram(clones bool) func(l *lab) {
	return func(l *lab) {
		l.far("answer")
		d := l.single(atAuth, func(a *args) {
			if a.again() {
				a.permit()
				return
			}
			var clone *ndis.NET_BUFFER_LIST
			if clones {
				clone = a.clone(0)
			}
			ctx := a.hold()
			a.d.later(a.k, func(k *irql.K) {
				fwps.FwpsCompleteOperation0(k, ctx, nil)
				if clones {
					fwps.FwpsFreeCloneNetBufferList0(k, clone, 0)
				}
			})
		})
		assert.Empty(l.t, l.asksDNS("question"), "the datagram is gone")
		l.end(d)
	}
}

// Rule: WFP-134
func TestPendOperation_DatagramLost(t *testing.T) {
	trip(t, []ruleCase{{verify.WFP_134, nil, heldDatagram(false), nil}})
}

// Near miss: WFP-134
func TestPendOperation_DatagramCloned(t *testing.T) {
	miss(t, []ruleCase{{verify.WFP_134, nil, nil, heldDatagram(true)}})
}

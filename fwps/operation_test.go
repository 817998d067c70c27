package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

var (
	atAssign = atAuth.at(fwpm.FWPM_LAYER_ALE_RESOURCE_ASSIGNMENT_V4)
	atListen = atAuth.at(fwpm.FWPM_LAYER_ALE_AUTH_LISTEN_V4)
	atAccept = atAuth.at(fwpm.FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4)
)

// absorb is the answer that belongs to FwpsPendOperation0.
func (a *args) absorb() {
	a.block()
	a.out.Flags |= fwps.FWPS_CLASSIFY_OUT_FLAG_ABSORB
}

// hold pends the operation and answers as it should be; ctx is 0 where it could not be pended.
func (a *args) hold() (ctx irql.HANDLE) {
	if fwps.FwpsPendOperation0(a.k, a.meta.CompletionHandle(), &ctx) != ok {
		a.permit()
		return 0
	}
	a.absorb()
	return ctx
}

// reason is the reason of a reauthorisation at AUTH_CONNECT.
func (a *args) reason() uint32 {
	return a.in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON).Value().Uint32()
}

// holding is a callout that holds, completes in a work item, and then answers with what decide says.
func holding(decide func(a *args)) func(a *args) {
	return func(a *args) {
		if a.again() {
			decide(a)
			return
		}
		d := a.d
		if ctx := a.hold(); ctx != 0 {
			d.later(a.k, func(k *irql.K) { fwps.FwpsCompleteOperation0(k, ctx, nil) })
		}
	}
}

// TestScenario_S20: wfp.md 24.
func TestScenario_S20_PendOperationAtAuthConnect(t *testing.T) {
	for _, inline := range []int{0, 1} {
		for _, verdict := range []ntstatus.NTSTATUS{ok, ntstatus.STATUS_ACCESS_DENIED} {
			l := newLab(t, pin("doc/FwpsCompleteOperation0/resume", inline))
			var reasons []uint32
			var directions []fwps.FWP_DIRECTION
			d := l.single(atAuth, holding(func(a *args) {
				reasons = append(reasons, a.reason())
				directions = append(directions, a.meta.PacketDirection())
				a.permit()
				if verdict != ok {
					a.block()
				}
			}))
			l.program("server.exe", func(k *irql.K, p *ke.Process) {
				listener := l.listener(k, p)
				l.program("client.exe", func(k *irql.K, p *ke.Process) {
					c := l.socket(k, p)
					assert.Equal(t, verdict, c.Connect(k, server))
					assert.Equal(t, ok, c.Close(k))
					assert.Equal(t, ok, listener.Close(k))
				})
			})
			l.m.Run(nil)
			assert.Equal(t, []uint32{fwps.FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION}, reasons)
			assert.Equal(t, []fwps.FWP_DIRECTION{fwps.FWP_DIRECTION_OUTBOUND}, directions)
			assert.Equal(t, 2, d.hooks[0].calls)
			l.end(d)
			l.silent()
		}
	}
}

// A bind and a listen that were held are authorised again, at PASSIVE_LEVEL wherever they are completed, and
// without a reason, which is a value of other layers. Reference: wfp.md 13.2, 18.
func TestPendOperation_BindAndListen(t *testing.T) {
	for _, w := range []where{atAssign, atListen} {
		l := newLab(t)
		d := l.single(w, func(a *args) {
			if a.again() {
				a.permit()
				return
			}
			ctx := a.hold()
			a.d.later(a.k, func(k *irql.K) {
				old := irql.KeRaiseIrqlToDpcLevel(k)
				fwps.FwpsCompleteOperation0(k, ctx, nil)
				irql.KeLowerIrql(k, old)
			})
		})
		l.program("server.exe", func(k *irql.K, p *ke.Process) {
			assert.Equal(t, ok, l.listener(k, p).Close(k))
		})
		l.m.Run(nil)
		assert.Equal(t, []irql.KIRQL{ke.Passive, ke.Passive}, d.hooks[0].irqls)
		l.end(d)
		l.silent()
	}
}

// Each of two callouts that hold an operation has a context of its own; it goes on, once, when the second one
// has completed. Reference: wfp.md 13.2.
func TestPendOperation_TwoCallouts(t *testing.T) {
	l := newLab(t)
	var held []irql.HANDLE
	hold := func(a *args) {
		if a.again() {
			a.permit()
			return
		}
		held = append(held, a.hold())
	}
	a, b := l.single(atAuth, hold), l.load("other.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth.weighing(0x80), hold)
	})
	c := l.auth()
	require.Len(t, held, 2)
	require.NotEqual(t, held[0], held[1])
	for i, ctx := range held {
		assert.Zero(t, c.answers)
		a.as(func(k *irql.K) { fwps.FwpsCompleteOperation0(k, ctx, nil) })
		l.m.Run(nil)
		assert.Equal(t, i, c.answers)
	}
	assert.Equal(t, 1, c.holds)
	assert.True(t, c.answer.Permit)
	assert.Equal(t, []int{2, 2}, []int{a.hooks[0].calls, b.hooks[0].calls})
	l.end(a, b)
	l.silent()
}

// At AUTH_RECV_ACCEPT the SYN is dropped when it is pended; completed without an injection, the next one is
// new. Reference: wfp.md 13.2.
func TestPendOperation_AcceptIsNotAuthorisedAgain(t *testing.T) {
	l := newLab(t)
	var again []bool
	d := l.single(atAccept, func(a *args) {
		again = append(again, a.again())
		if len(again) > 1 {
			a.permit() // the SYN that the client sends again
			return
		}
		ctx := a.hold()
		a.d.later(a.k, func(k *irql.K) { fwps.FwpsCompleteOperation0(k, ctx, nil) })
	})
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			c := l.socket(k, p)
			assert.Equal(t, ok, c.Connect(k, server))
			assert.Equal(t, ok, c.Close(k))
		})
		s, st := listener.Accept(k)
		assert.Equal(t, ok, st)
		assert.Equal(t, ok, s.Close(k))
		assert.Equal(t, ok, listener.Close(k))
	})
	l.m.Run(nil)
	assert.Equal(t, []bool{false, false}, again)
	assert.GreaterOrEqual(t, l.m.Uptime(), int64(3*ke.Second), "the SYN came again after its time-out")
	assert.Empty(t, tcpip.On(l.m).Endpoints())
	l.end(d)
	l.silent()
}

// The program closes while its connect is held: the connect is cancelled, and the completion is still due.
// Reference: wfp.md 13.2.
func TestPendOperation_SocketClosedMeanwhile(t *testing.T) {
	l := newLab(t)
	var ctx irql.HANDLE
	d := l.single(atAuth, func(a *args) {
		if a.again() {
			a.permit()
			return
		}
		ctx = a.hold()
	})
	var c *tcpip.Socket
	l.program("client.exe", func(k *irql.K, p *ke.Process) {
		c = l.socket(k, p)
		assert.Equal(t, ntstatus.STATUS_CANCELLED, c.Connect(k, server))
	})
	l.m.Run(nil)
	l.program("closer.exe", func(k *irql.K, _ *ke.Process) { assert.Equal(t, ok, c.Close(k)) })
	l.m.Run(nil)
	d.as(func(k *irql.K) { fwps.FwpsCompleteOperation0(k, ctx, nil) })
	l.m.Run(nil)
	assert.Empty(t, tcpip.On(l.m).Endpoints())
	l.end(d)
	l.silent()
}

// What an AUTH layer blocks is shown to its discard layer, what is absorbed is not. Reference: wfp.md 3.5, 7.
func TestDiscard_SeesWhatIsBlocked(t *testing.T) {
	for _, absorbed := range []bool{false, true} {
		l := newLab(t)
		var seen []fwps.FWPS_DISCARD_METADATA0
		d := l.load("redir.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, func(a *args) {
				a.block()
				if absorbed {
					a.absorb()
				}
			})
			inspects := atAuth.at(fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4_DISCARD).
				doing(fwps.FWP_ACTION_CALLOUT_INSPECTION, 0)
			d.hook(k, inspects, func(a *args) {
				seen = append(seen, a.meta.DiscardMetadata())
				a.out.ActionType = fwps.FWP_ACTION_CONTINUE
			})
		})
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			c := l.socket(k, p)
			assert.Equal(t, ntstatus.STATUS_ACCESS_DENIED, c.Connect(k, server))
			assert.Equal(t, ok, c.Close(k))
		})
		l.m.Run(nil)
		if absorbed {
			assert.Empty(t, seen)
		} else {
			assert.Equal(t, []fwps.FWPS_DISCARD_METADATA0{{DiscardModule: fwps.FWPS_DISCARD_MODULE_GENERAL,
				FilterId: d.hooks[0].filter}}, seen)
		}
		l.end(d)
		l.silent()
	}
}

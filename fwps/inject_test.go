package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/irql"
)

// atOut runs fn for outbound packets, and permits the others.
func atOut(fn func(i *injector, a *args)) func(i *injector, a *args) {
	return func(i *injector, a *args) {
		if a.direction() == fwps.FWP_DIRECTION_INBOUND {
			a.permit()
			return
		}
		fn(i, a)
	}
}

func (a *args) direction() fwps.FWP_DIRECTION {
	return fwps.FWP_DIRECTION(a.in.IncomingValue(fwps.FWPS_FIELD_DATAGRAM_DATA_V4_DIRECTION).Value().Uint32())
}

// reinjectsOut takes each datagram and puts it back from a work item.
func reinjectsOut(i *injector, a *args) {
	if i.own(a) {
		i.calls = append(i.calls, "own")
		return
	}
	i.calls = append(i.calls, "taken")
	t := a.takeOut(dns.Addr())
	i.later(a.k, func(k *irql.K) { i.putOut(k, t) })
}

// TestScenario_S41: wfp.md 24.
func TestScenario_S41_TransportSendFromDatagramData(t *testing.T) {
	l := newLab(t)
	f := l.far("")
	i := l.injects("inject.sys", atDatagram, transport, atOut(reinjectsOut))
	discards := 0
	b := l.load("looks.sys", func(k *irql.K, d *driver) {
		d.hook(k, atDatagramDiscard.weighing(0x80), func(a *args) { discards++; a.permit() })
	})
	l.asksDNS("who?")
	assert.Equal(t, []string{"taken", "own"}, i.calls)
	assert.Equal(t, []string{"who?"}, f.got)
	assert.Equal(t, 1, i.done)
	assert.Zero(t, discards, "what is absorbed is seen by no discard layer")
	l.end(i.driver, b)
	l.silent()
}

// TestScenario_S43: wfp.md 24.
func TestScenario_S43_TransportReceiveFromInboundTransport(t *testing.T) {
	l := newLab(t)
	l.far("I am")
	i := l.injects("inject.sys", atTransportIn, fwps.FWPS_INJECTION_TYPE_TRANSPORT,
		func(i *injector, a *args) {
			if i.own(a) {
				i.calls = append(i.calls, "own")
				return
			}
			i.calls = append(i.calls, "taken")
			x := a.takeIn()
			i.later(a.k, func(k *irql.K) { i.putIn(k, x) })
		})
	ip := 0
	b := l.load("looks.sys", func(k *irql.K, d *driver) {
		d.hook(k, atIPIn.weighing(0x80), func(a *args) { ip++; a.permit() })
	})
	assert.Equal(t, []string{"I am"}, l.asksDNS("who?"))
	assert.Equal(t, []string{"taken", "own"}, i.calls)
	assert.Equal(t, 2, ip, "it comes from the bottom again")
	l.end(i.driver, b)
	l.silent()
}

// TestFwpsQueryPacketInjectionState0: S46 of wfp.md 24.
func TestScenario_S46_TwoHandles(t *testing.T) {
	l := newLab(t)
	f := l.far("")
	var second, third irql.HANDLE
	var states []fwps.FWPS_PACKET_INJECTION_STATE
	i := l.injects("inject.sys", atDatagram, transport, atOut(func(i *injector, a *args) {
		s1, s2, s3 := a.injection(i.handle), a.injection(second), a.injection(third)
		states = append(states, s1, s2, s3)
		use := i.handle
		switch {
		case s2 == fwps.FWPS_PACKET_INJECTED_BY_SELF:
			a.permit()
			return
		case s1 == fwps.FWPS_PACKET_INJECTED_BY_SELF:
			use = second
		}
		x := a.takeOut(dns.Addr())
		i.later(a.k, func(k *irql.K) {
			was := i.handle
			i.handle = use
			i.putOut(k, x)
			i.handle = was
		})
	}))
	i.as(func(k *irql.K) {
		require.Equal(t, ok, fwps.FwpsInjectionHandleCreate0(k, 0, 0, &second))
		require.Equal(t, ok, fwps.FwpsInjectionHandleCreate0(k, 0, 0, &third))
	})
	l.m.Run(nil)
	l.asksDNS("who?")
	const not, self, other, before = fwps.FWPS_PACKET_NOT_INJECTED, fwps.FWPS_PACKET_INJECTED_BY_SELF,
		fwps.FWPS_PACKET_INJECTED_BY_OTHER, fwps.FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF
	assert.Equal(t, []fwps.FWPS_PACKET_INJECTION_STATE{not, not, not, self, other, other, before, self,
		other}, states)
	assert.Equal(t, []string{"who?"}, f.got)
	tidy := i.driver.unload
	i.driver.unload = func(k *irql.K) {
		tidy(k)
		fwps.FwpsInjectionHandleDestroy0(k, second)
		fwps.FwpsInjectionHandleDestroy0(k, third)
	}
	l.end(i.driver)
	l.silent()
}

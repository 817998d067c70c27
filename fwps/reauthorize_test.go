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

// reauth is one reauthorisation as a callout sees it.
type reauth struct {
	reason    uint32
	direction fwps.FWP_DIRECTION
}

// quiet is a conversation that stands, and its two ends.
type quiet struct{ client, server *tcpip.Socket }

func (l *lab) quiet() *quiet {
	q := &quiet{}
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		listener := l.listener(k, p)
		l.program("client.exe", func(k *irql.K, p *ke.Process) {
			q.client = l.socket(k, p)
			require.Equal(l.t, ok, q.client.Connect(k, server))
		})
		var st ntstatus.NTSTATUS
		q.server, st = listener.Accept(k)
		require.Equal(l.t, ok, st)
		require.Equal(l.t, ok, listener.Close(k))
	})
	l.m.Run(nil)
	return q
}

// says sends a byte from one end and gives the status of the receive at the other.
func (l *lab) says(from, to *tcpip.Socket) (st ntstatus.NTSTATUS) {
	l.program("sends.exe", func(k *irql.K, _ *ke.Process) { from.Send(k, []byte("x")) })
	l.program("receives.exe", func(k *irql.K, _ *ke.Process) { _, st = to.Recv(k, make([]byte, 1)) })
	l.m.Run(nil)
	return st
}

func (q *quiet) end(l *lab) {
	l.program("closes.exe", func(k *irql.K, _ *ke.Process) {
		q.client.Close(k)
		q.server.Close(k)
	})
	l.m.Run(nil)
}

// policed loads a driver with a callout at AUTH_CONNECT that writes down what it is asked again about.
func (l *lab) policed(seen *[]reauth, blocks *bool) *driver {
	return l.single(atAuth, func(a *args) {
		a.permit()
		if a.again() {
			*seen = append(*seen, reauth{a.reason(), a.meta.PacketDirection()})
			if *blocks {
				a.block()
			}
		}
	})
}

// S48 of wfp.md 24: a filter is added, then an inbound segment comes. A connection without traffic is not
// asked.
func TestScenario_S48_FilterAddedUnderTraffic(t *testing.T) {
	for _, inbound := range []bool{true, false} {
		l := newLab(t)
		var seen []reauth
		d := l.policed(&seen, new(bool))
		talks, idle := l.quiet(), l.quiet()
		d.as(func(k *irql.K) { d.plain(k, atAuth.weighing(7).doing(permit, 0)) })
		l.m.Run(nil)
		require.Empty(t, seen, "nobody is asked at the moment of the change")
		want := reauth{fwps.FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE, fwps.FWP_DIRECTION_INBOUND}
		from, to := talks.server, talks.client
		if !inbound {
			from, to, want.direction = to, from, fwps.FWP_DIRECTION_OUTBOUND
		}
		assert.Equal(t, ok, l.says(from, to))
		assert.Equal(t, ok, l.says(from, to))
		assert.Equal(t, []reauth{want}, seen)
		talks.end(l)
		idle.end(l)
		l.end(d)
		l.silent()
	}
}

// A reauthorisation that blocks ends the flow: the packet goes to the discard layer, TCP is reset. Reference:
// wfp.md 18.
func TestReauthorize_Blocked(t *testing.T) {
	l := newLab(t)
	var seen []reauth
	blocks := true
	d := l.policed(&seen, &blocks)
	discarded := 0
	d.as(func(k *irql.K) {
		d.hook(k, atAuth.at(fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4_DISCARD).
			doing(fwps.FWP_ACTION_CALLOUT_INSPECTION, 0), func(a *args) {
			a.out.ActionType = fwps.FWP_ACTION_CONTINUE
			discarded++
		})
	})
	q := l.quiet()
	d.as(func(k *irql.K) { d.plain(k, atAuth.weighing(7).doing(permit, 0)) })
	l.m.Run(nil)
	assert.Equal(t, ntstatus.STATUS_CONNECTION_ABORTED, l.says(q.server, q.client))
	assert.Len(t, seen, 1)
	assert.Equal(t, 1, discarded)
	q.end(l)
	assert.Empty(t, tcpip.On(l.m).Endpoints())
	l.end(d)
	l.silent()
}

// Other reasons come from what happens to the machine. Reference: wfp.md 18.
func TestReauthorize_ForAnotherReason(t *testing.T) {
	l := newLab(t)
	var seen []reauth
	d := l.policed(&seen, new(bool))
	q := l.quiet()
	tcpip.On(l.m).Reauthorise(tcpip.ProfileCrossing)
	assert.Equal(t, ok, l.says(q.client, q.server))
	assert.Equal(t, []reauth{{fwps.FWP_CONDITION_REAUTHORIZE_REASON_PROFILE_CROSSING,
		fwps.FWP_DIRECTION_OUTBOUND}}, seen)
	q.end(l)
	l.end(d)
	l.silent()
}

// S21 of wfp.md 24.
func TestScenario_S21_PendOperationOnAReauthorization(t *testing.T) {
	l := newLab(t)
	var ctx irql.HANDLE
	d := l.single(atAuth, func(a *args) {
		a.permit()
		if a.again() {
			s := fwps.FwpsPendOperation0(a.k, a.meta.CompletionHandle(), &ctx)
			assert.Equal(t, ntstatus.STATUS_FWP_CANNOT_PEND, s)
		}
	})
	q := l.quiet()
	d.as(func(k *irql.K) { d.plain(k, atAuth.weighing(7).doing(permit, 0)) })
	l.m.Run(nil)
	assert.Equal(t, ok, l.says(q.server, q.client))
	assert.Equal(t, []string{"WFP-126"}, l.found())
	q.end(l)
	l.end(d)
}

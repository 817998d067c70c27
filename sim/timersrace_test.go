package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// impatient waits for what its own time-out DPC tells it, but looks first and then forgets what it was told:
// if the DPC runs between the look and the clearing of the event, nobody is left to wake it.
func impatient(m *Machine) {
	var timer irql.KTIMER
	var dpc irql.KDPC
	var event irql.KEVENT
	var expired irql.Var[bool]
	m.Thread("impatient.sys", func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameWorkItem})
		irql.KeInitializeTimer(k, &timer)
		irql.KeInitializeEvent(k, &event, irql.NotificationEvent, false)
		irql.KeInitializeDpc(k, &dpc, func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
			expired.Store(k, true)
			irql.KeSetEvent(k, &event, 0, false)
		}, nil)
		irql.KeSetTimer(k, &timer, -10*ke.Millisecond, &dpc)
		if !expired.Load(k) {
			irql.KeClearEvent(k, &event)
			irql.KeWaitForSingleObject(k, &event, irql.Executive, irql.KernelMode, false, nil)
		}
		ke.Pop(k)
	})
	m.Run()
}

func TestTimersRace_TheTimeoutDpcBetweenTheCheckAndTheWait(t *testing.T) {
	r := collected(t, ExploreOptions{Runs: 300}, impatient)
	assert.Empty(t, r.Failures, "time passes only when nobody can run")
	r = collected(t, ExploreOptions{Runs: 300, Options: Options{TimersRace: true}}, impatient)
	require.NotEmpty(t, r.Failures)
	f := r.Failures[0]
	assert.Greater(t, f.Run, uint64(1), "run 1 is the boring one")
	assert.Contains(t, f.Report, verify.LOCK_026.String())
	assert.True(t, f.Repeats)
	assert.EqualValues(t, bitTimersRace, f.Token.Options)
}

func TestOptions_TimersRaceIsInTheToken(t *testing.T) {
	o := Options{TimersRace: true, ForcePending: true, Processors: 4}
	var again Options
	again.setBits(o.bits())
	assert.True(t, again.TimersRace)
	assert.True(t, again.ForcePending)
	assert.Contains(t, o.String(), "pending may be forced")
	assert.True(t, o.config(nil, false).ForcePending)
	assert.Equal(t, 4, again.Processors)
	assert.Contains(t, o.String(), "timers race")
	assert.True(t, o.config(nil, false).TimersRace)
}

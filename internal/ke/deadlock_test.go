package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

func TestRun_CircleOfOwnersIsADeadlock(t *testing.T) {
	m := newMachine(t, Config{})
	a, b := object(MutexObject, 1), object(MutexObject, 1)
	a.ID, b.ID = m.NewID(trace.Mutex), m.NewID(trace.Mutex)
	both := func(x, y *Object) func(k *K) {
		return func(k *K) {
			Wait(k, []*Object{x}, false, nil, "test")
			Sleep(k, -10)
			Wait(k, []*Object{y}, false, nil, "test")
		}
	}
	m.NewThread("one", nil, both(a, b))
	m.NewThread("two", nil, both(b, a))
	m.Run(nil)
	require.Len(t, m.Findings(), 1)
	assert.Equal(t, verify.LOCK_026, m.Findings()[0].Rule)
	assert.Equal(t, []string{"one waits in test for mutex#2 (owner two), since 0.0000010 s",
		"two waits in test for mutex#1 (owner one), since 0.0000010 s"}, m.Findings()[0].Blocked)
}

func TestCheckDeadlock_ServersMayWait(t *testing.T) {
	m := newMachine(t, Config{})
	o := object(NotificationEvent, 0)
	m.NewThread("server", nil, func(k *K) {
		Push(k, Frame{Kind: FrameThread})
		Wait(k, []*Object{o}, false, nil, "test")
		Pop(k)
	})
	m.Run(nil)
	m.CheckDeadlock()
	assert.Empty(t, m.Findings())
	m.NewThread("stuck", nil, func(k *K) {
		Push(k, Frame{Kind: FrameUnload})
		Wait(k, []*Object{o}, false, nil, "test")
		Pop(k)
	})
	m.Run(nil)
	m.CheckDeadlock()
	require.Len(t, m.Findings(), 1)
	assert.Equal(t, "stuck", m.Findings()[0].Ctx)
}

package ke

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

// One writer, or several readers: under random schedules, and nobody is left waiting.
func TestRWLock_ExcludesUnderManySchedules(t *testing.T) {
	wants := []Want{WantExclusive, WantShared, WantSharedPast, WantSharedBehind}
	most := 0
	for run := range uint64(500) {
		m := newMachine(t, Config{Source: NewRandom(7, run)})
		l := &RWLock{ID: m.NewID(trace.Resource)}
		readers, writers := 0, 0
		for i := range 6 {
			want := wants[i%len(wants)]
			m.NewThread("t", nil, func(k *K) {
				Point(k, Acquires(l.ID))
				require.True(t, AcquireRW(k, l, want, true, "test"))
				if want == WantExclusive {
					writers++
				} else {
					readers++
				}
				most = max(most, readers)
				assert.True(t, writers == 0 || writers == 1 && readers == 0)
				Point(k, Reads(l.ID))
				if want == WantExclusive {
					writers--
				} else {
					readers--
				}
				ReleaseRW(k, l)
			})
		}
		m.Run(nil)
		require.Empty(t, m.Threads())
		require.False(t, l.Owned())
		m.Close()
	}
	assert.Greater(t, most, 1)
}

func TestRWLock_UncontendedAllocatesNothing(t *testing.T) {
	m := newMachine(t, Config{})
	l, s := &RWLock{ID: m.NewID(trace.Resource)}, &RWSpin{}
	s.Init(m.NewID(trace.SpinLock))
	m.NewThread("t", nil, func(k *K) {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			AcquireRW(k, l, WantExclusive, true, "test")
			AcquireRW(k, l, WantShared, true, "test")
			ReleaseRW(k, l)
			ReleaseRW(k, l)
			AcquireRWSpin(k, s, false)
			assert.True(t, UpgradeRWSpin(k, s))
			ReleaseRWSpin(k, s, true)
		}))
	})
	m.Run(nil)
}

func TestRun_WriterThatSpinsForEver(t *testing.T) {
	m := newMachine(t, Config{})
	l := &RWSpin{}
	l.Init(m.NewID(trace.SpinLock))
	m.NewThread("reader", nil, func(k *K) {
		SetIRQL(k, Dispatch)
		AcquireRWSpin(k, l, false)
	})
	m.NewThread("writer", nil, func(k *K) {
		SetIRQL(k, Dispatch)
		AcquireRWSpin(k, l, true)
	})
	m.Run(nil)
	require.Len(t, m.Findings(), 1)
	assert.Equal(t, verify.LOCK_026, m.Findings()[0].Rule)
	assert.Contains(t, m.Findings()[0].Blocked[0], "writer spins for lock#1 (held by reader)")
}

func TestTimersRace_TimeMayPassWhileSomebodyRuns(t *testing.T) {
	early, late := 0, 0
	for run := range uint64(100) {
		m := newMachine(t, Config{TimersRace: true, Source: NewRandom(1, run)})
		fired := false
		m.NewThread("t", nil, func(k *K) {
			d := &DPC{ID: 1, Target: -1, Run: func(*K) { fired = true }}
			SetTimer(k, &Timer{Object: Object{Kind: NotificationTimer, ID: 1}}, -Second, 0, d)
			Point(k, Reads(1))
			Point(k, Reads(1))
			if fired {
				early++
			} else {
				late++
			}
		})
		m.Run(nil)
		assert.True(t, fired)
		assert.Equal(t, int64(Second), m.Uptime())
		m.Close()
	}
	assert.Positive(t, early)
	assert.Positive(t, late)
}

func TestTimersRace_TiesAreAChoice(t *testing.T) {
	seen := map[string]bool{}
	for run := range uint64(50) {
		m := newMachine(t, Config{TimersRace: true, Source: NewRandom(1, run)})
		order := ""
		for _, name := range []string{"a", "b", "c"} {
			m.NewThread(name, nil, func(k *K) {
				Sleep(k, -Second)
				order += name
			})
		}
		m.Run(nil)
		assert.Len(t, order, 3)
		seen[order] = true
		m.Close()
	}
	assert.Len(t, seen, 6)
	m := newMachine(t, Config{TimersRace: true}) // the boring run is as without
	order := ""
	for _, name := range []string{"a", "b"} {
		m.NewThread(name, nil, func(k *K) {
			Sleep(k, -Second)
			order += name
			Stall(k, Second)
			Yield(k)
		})
	}
	m.Run(nil)
	assert.Equal(t, "ab", order)
	assert.Equal(t, int64(2*Second), m.Uptime())
}

// A deadline beyond the limit of the run is not offered: only when nobody can run does the limit end the run.
func TestTimersRace_NotBeyondTheLimit(t *testing.T) {
	for run := range uint64(50) {
		m := newMachine(t, Config{TimersRace: true, MaxTime: Second, Source: NewRandom(1, run)})
		m.NewThread("t", nil, func(k *K) {
			tm := &Timer{Object: Object{Kind: NotificationTimer, ID: 1}}
			SetTimer(k, tm, -2*Second, 0, nil)
			for range 5 {
				Point(k, Reads(1))
			}
			CancelTimer(k, tm)
		})
		m.Run(nil)
		assert.Zero(t, m.Uptime())
		m.Close()
	}
}

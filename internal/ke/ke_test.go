package ke

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/ntstatus"
)

func newMachine(t *testing.T, cfg Config) *Machine {
	t.Helper()
	if cfg.Events == 0 {
		cfg.Events = -1
	}
	m := New(cfg)
	t.Cleanup(m.Close)
	return m
}

// script answers choices in order, then 0; it notes what was asked.
type script struct {
	picks []int
	asked []string
}

func (s *script) Choose(site *Site, n int) int {
	s.asked = append(s.asked, fmt.Sprintf("%s/%d", site.Name, n))
	if len(s.picks) == 0 {
		return 0
	}
	p := s.picks[0]
	s.picks = s.picks[1:]
	return p % n
}

// order runs threads that append their letter after each of some points, and returns what they wrote.
func order(t *testing.T, src Source, threads, points int) string {
	m := newMachine(t, Config{Source: src})
	s := ""
	for i := range threads {
		m.NewThread(string(rune('a'+i)), nil, func(k *K) {
			for range points {
				Point(k, Unknown)
				s += string(rune('a' + i))
			}
		})
	}
	m.Run(nil)
	return s
}

// Reference: scheduling.md 7.1.
func TestRun_BoringScheduleNeverPreempts(t *testing.T) {
	assert.Equal(t, "aaabbbccc", order(t, nil, 3, 3))
}

func TestPoint_ChoiceSwitchesThread(t *testing.T) {
	src := &script{picks: []int{1, 1}} // start with b; at its first point go to a
	assert.Equal(t, "aabb", order(t, src, 2, 2))
	assert.Equal(t, "sched/step/2", src.asked[0])
}

func TestPoint_AllOrdersAreReachable(t *testing.T) {
	seen := map[string]bool{}
	for run := range uint64(400) {
		seen[order(t, NewRandom(1, run), 2, 2)] = true
	}
	assert.Len(t, seen, 6) // (2+2)! / (2! 2!)
}

func TestPoint_OneAlternativeAsksNothing(t *testing.T) {
	src := &script{}
	order(t, src, 1, 10)
	assert.Empty(t, src.asked)
}

// busy is a scenario that uses most of the mechanism.
func busy(m *Machine) {
	ev := &Object{Kind: SynchronizationEvent, ID: m.NewID(trace.KEvent)}
	sem := &Object{Kind: SemaphoreObject, ID: m.NewID(trace.Semaphore), Limit: 9}
	lock := &SpinLock{ID: m.NewID(trace.SpinLock)}
	tm := &Timer{Object: Object{Kind: NotificationTimer, ID: m.NewID(trace.Timer)}}
	d := &DPC{ID: m.NewID(trace.DPC), Target: -1, Importance: MediumImportance}
	d.Run = func(k *K) {
		Note(k, "dpc", d.ID)
		Point(k, Unknown)
		SetSignal(k, sem, sem.Signal+1)
	}
	ch := m.NewChannel("wire")
	site := &Site{Name: "env/test/irql", Alts: []string{"dispatch", "passive"}}
	for range 3 {
		m.NewThread("worker", nil, func(k *K) {
			for i := range 3 {
				Point(k, Sets(ev.ID))
				SetSignal(k, ev, 1)
				Raise(k, Dispatch)
				AcquireSpin(k, lock)
				Point(k, Writes(lock.ID))
				QueueDPC(k, d)
				ReleaseSpin(k, lock)
				Lower(k, Passive)
				due := int64(-50 * (i + 1))
				s := Wait(k, []*Object{ev, sem}, false, &due, "test")
				Log(k, trace.Event{What: trace.Note, Text: "waited", Status: uint32(s),
					Flags: trace.HasStatus})
				SetTimer(k, tm, -20, 0, d)
			}
			m.Post(ch, Delivery{Text: "bell", IRQL: site, Run: func(k *K) { SetSignal(k, ev, 1) }})
			m.PostAfter(ch, 100, Delivery{Text: "late bell", Run: func(k *K) { SetSignal(k, ev, 1) }})
		})
	}
}

func hashOf(t *testing.T, cfg Config) uint64 {
	m := newMachine(t, cfg)
	busy(m)
	m.Run(nil)
	require.Empty(t, m.Findings())
	require.Empty(t, m.Threads())
	return m.Log().Hash()
}

// The constants pin the event sequences of both forms of the baton: the race build must give the same ones.
// Reference: scheduling.md 3.1.
func TestRun_HashIsTheSameInEveryBuild(t *testing.T) {
	assert.Equal(t, uint64(goldenBoring), hashOf(t, Config{}))
	assert.Equal(t, uint64(goldenRandom), hashOf(t, Config{Source: NewRandom(7, 3)}))
}

// Reference: scheduling.md 17 (Determinism).
func TestRun_SameSeedSameHash(t *testing.T) {
	want := hashOf(t, Config{Source: NewRandom(0, 5)})
	for range 20 {
		assert.Equal(t, want, hashOf(t, Config{Source: NewRandom(0, 5)}))
	}
	assert.Equal(t, want, hashOf(t, Config{Source: NewRandom(0, 5), Events: Off}))
	assert.Equal(t, want, hashOf(t, Config{Source: NewRandom(0, 5), Stacks: true}))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	assert.Equal(t, want, hashOf(t, Config{Source: NewRandom(0, 5)}))
}

func TestReplay_DeviationsRepeatTheRun(t *testing.T) {
	for run := range uint64(20) {
		m := newMachine(t, Config{Source: NewRandom(0, run)})
		busy(m)
		m.Run(nil)
		devs := m.Deviations()
		assert.Equal(t, m.Log().Hash(), hashOf(t, Config{Source: &Replay{Deviations: devs}}))
	}
}

func TestBytes_ChoicesRepeatTheRun(t *testing.T) {
	m := newMachine(t, Config{Source: NewRandom(0, 9)})
	busy(m)
	m.Run(nil)
	var b []byte
	for _, c := range m.Choices() {
		require.Less(t, c.N, uint16(257))
		b = append(b, byte(c.Pick))
	}
	assert.Equal(t, m.Log().Hash(), hashOf(t, Config{Source: &Bytes{B: b}}))
	assert.Equal(t, hashOf(t, Config{}), hashOf(t, Config{Source: &Bytes{}}))
}

func TestChoose_PinnedSiteGivesItsAlternative(t *testing.T) {
	site := &Site{Name: "fault/Test", Alts: []string{"succeeds", "fails"}}
	src := &script{}
	m := newMachine(t, Config{Source: src, Pins: []Pin{{Site: "fault/Test", Alt: 1}}})
	failed := false
	m.NewThread("a", nil, func(k *K) { failed = Fails(k, site) })
	m.Run(nil)
	assert.True(t, failed)
	assert.Equal(t, []string{"fault/Test/2"}, src.asked) // the source is asked all the same
	require.Len(t, m.Choices(), 1)
	assert.True(t, m.Choices()[0].Pinned)
	assert.Equal(t, []Deviation{{0, 1}}, m.Deviations())
}

func TestRandom_FaultsAreRare(t *testing.T) {
	site := &Site{Name: "fault/Test"}
	r, n := NewRandom(0, 1), 0
	for range 10000 {
		n += r.Choose(site, 2)
	}
	assert.Greater(t, n, 0)
	assert.Less(t, n, 400)
}

// Reference: scheduling.md 17 (World reuse).
func TestReset_RunsABAAreEqual(t *testing.T) {
	m := newMachine(t, Config{Source: NewRandom(0, 1)})
	run := func(n uint64) uint64 {
		m.Reset(Config{Source: NewRandom(0, n), Events: -1})
		busy(m)
		m.Run(nil)
		return m.Log().Hash()
	}
	a, b := run(1), run(2)
	assert.Equal(t, a, run(1))
	assert.NotEqual(t, a, b)
	assert.Equal(t, a, hashOf(t, Config{Source: NewRandom(0, 1)}))
}

func TestRun_UntilStopsAndGoesOn(t *testing.T) {
	m := newMachine(t, Config{})
	n := 0
	for range 2 {
		m.NewThread("a", nil, func(k *K) { n++ })
	}
	m.Run(func() bool { return n == 1 })
	assert.Equal(t, 1, n)
	m.Run(nil)
	assert.Equal(t, 2, n)
}

func TestRun_FromInsideIsMisuse(t *testing.T) {
	m := newMachine(t, Config{})
	m.NewThread("a", nil, func(k *K) { m.Run(nil) })
	defer func() { assert.Contains(t, fmt.Sprint(recover()), "Run called from inside the machine") }()
	m.Run(nil)
}

func TestEnter_ForeignContextIsMisuse(t *testing.T) {
	m := newMachine(t, Config{})
	var kept *K
	m.NewThread("first", nil, func(k *K) { kept = k })
	m.NewThread("second", nil, func(k *K) { Enter(kept, ddi.KeSetEvent) })
	defer func() {
		v := recover()
		require.IsType(t, Misuse(""), v)
		assert.Contains(t, v.(Misuse).Error(), `K of "first" used inside "second" (KeSetEvent)`)
	}()
	m.Run(nil)
}

func TestEnter_OutsideOfTheRunIsMisuse(t *testing.T) {
	m := newMachine(t, Config{})
	var kept *K
	m.NewThread("first", nil, func(k *K) { kept = k })
	m.Run(nil)
	assert.Panics(t, func() { Enter(kept, ddi.KeSetEvent) })
	assert.Panics(t, func() { Enter(nil, ddi.KeSetEvent) })
	m.Close()
	assert.Panics(t, func() { Enter(kept, ddi.KeSetEvent) }, "outside of Run there is nobody to unwind")
}

func TestRun_StepLimitIsMisuse(t *testing.T) {
	m := newMachine(t, Config{MaxSteps: 100})
	for range 2 {
		m.NewThread("loop", nil, func(k *K) {
			for {
				Yield(k)
			}
		})
	}
	assert.Panics(t, func() { m.Run(nil) })
}

func TestRun_TimeLimitIsMisuse(t *testing.T) {
	m := newMachine(t, Config{MaxTime: Second})
	m.NewThread("loop", nil, func(k *K) {
		for {
			Sleep(k, -Millisecond)
		}
	})
	assert.Panics(t, func() { m.Run(nil) })
}

func TestReport_ViolationEndsTheRun(t *testing.T) {
	m := newMachine(t, Config{})
	after := false
	m.NewThread("a", nil, func(k *K) {
		Report(k, verify.Finding{Rule: verify.IRP_001})
		after = true
	})
	m.NewThread("b", nil, func(k *K) { after = true })
	m.Run(nil)
	assert.False(t, after)
	assert.True(t, m.Dead())
	require.Len(t, m.Findings(), 1)
	assert.Equal(t, "a", m.Findings()[0].Ctx)
}

func TestReport_HazardGoesOn(t *testing.T) {
	m := newMachine(t, Config{})
	after := 0
	m.NewThread("a", nil, func(k *K) {
		for range 2 { // the same rule at the same place on the same object is kept once
			Report(k, verify.Finding{Rule: verify.LOCK_005, Obj: "x"})
		}
		Report(k, verify.Finding{Rule: verify.LOCK_007, Warning: true})
		after++
	})
	m.Run(nil)
	assert.Equal(t, 1, after)
	assert.Len(t, m.Findings(), 2)
}

func TestReport_ContinueCollectsAllButFatal(t *testing.T) {
	m := newMachine(t, Config{Continue: true})
	at := 0
	m.NewThread("a", nil, func(k *K) {
		Report(k, verify.Finding{Rule: verify.IRQL_005})
		at = 1
		Report(k, verify.Finding{Rule: verify.LOCK_001})
		at = 2
	})
	m.Run(nil)
	assert.Equal(t, 1, at)
	assert.Len(t, m.Findings(), 2)
}

func TestReport_RefineMayReplaceTheRule(t *testing.T) {
	m := newMachine(t, Config{})
	m.Refine = append(m.Refine, func(k *K, f *verify.Finding) {
		f.Also, f.Rule = append(f.Also, f.Rule), verify.WSK_097
	})
	m.NewThread("a", nil, func(k *K) { Report(k, verify.Finding{Rule: verify.IRQL_011}) })
	m.Run(nil)
	require.Len(t, m.Findings(), 1)
	assert.Equal(t, verify.WSK_097, m.Findings()[0].Rule)
	assert.Equal(t, []verify.RuleID{verify.IRQL_011}, m.Findings()[0].Also)
}

func TestNewThread_EndSignalsTheObject(t *testing.T) {
	m := newMachine(t, Config{})
	var s ntstatus.NTSTATUS = 1
	child := m.NewThread("child", nil, func(k *K) { Point(k, Unknown) })
	m.NewThread("parent", nil, func(k *K) { s = Wait(k, []*Object{&child.Object}, false, nil, "test") })
	m.Run(nil)
	assert.Equal(t, ntstatus.STATUS_SUCCESS, s)
	assert.True(t, child.Ended())
}

func TestExitThread_UnwindsAndCannotActAgain(t *testing.T) {
	m := newMachine(t, Config{})
	at := ""
	th := m.NewThread("a", nil, func(k *K) {
		defer func() { at += "d" }()
		defer func() {
			at += "c"
			Enter(k, ddi.KeSetEvent) // ends the deferred call
			at += "X"
		}()
		at += "a"
		ExitThread(k)
		at += "X"
	})
	m.NewThread("b", nil, func(k *K) { at += "b" })
	m.Run(nil)
	assert.Equal(t, "acdb", at)
	assert.True(t, th.Ended())
	assert.False(t, m.Dead())
}

// Reference: scheduling.md 9.5 (divergence).
func TestYield_PollingForWhatNobodyBringsIsALivelock(t *testing.T) {
	m := newMachine(t, Config{})
	event := &Object{Kind: SynchronizationEvent, ID: 1}
	m.NewThread("poller", nil, func(k *K) {
		for {
			Point(k, Reads(trace.MakeID(trace.Var, 1)))
			Yield(k)
		}
	})
	m.NewThread("sleeper", nil, func(k *K) { Wait(k, []*Object{event}, false, nil, "test") })
	m.Run(nil)
	require.Len(t, m.Findings(), 1)
	f := m.Findings()[0]
	assert.Equal(t, Livelock, f.Name())
	assert.Equal(t, []string{"sleeper waits in test"}, f.Blocked)
	assert.Less(t, m.Steps(), uint64(3*idleTurns))
}

// As long as somebody does something now and then, or time passes, it is none.
func TestYield_PollingThatEndsIsNone(t *testing.T) {
	m := newMachine(t, Config{})
	done := false
	m.NewThread("poller", nil, func(k *K) {
		for !done {
			Point(k, Reads(trace.MakeID(trace.Var, 1)))
			Yield(k)
		}
	})
	m.NewThread("worker", nil, func(k *K) {
		for range 2 * idleTurns {
			Point(k, Writes(trace.MakeID(trace.Var, 2)))
		}
		Sleep(k, -5*Second)
		done = true
	})
	m.Run(nil)
	assert.Empty(t, m.Findings())
	assert.Empty(t, m.Threads())
}

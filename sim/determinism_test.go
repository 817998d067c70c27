package sim

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// busy is a scenario with everything the scheduler knows: threads that interrupt each other, spin locks,
// events, DPCs, timers, work items and deliveries from outside.
func busy(m *Machine) {
	k0 := m.Kernel()
	lock := &ke.SpinLock{ID: k0.NewID(trace.SpinLock)}
	event := &ke.Object{Kind: ke.SynchronizationEvent, ID: k0.NewID(trace.KEvent)}
	shared := k0.NewID(trace.Var)
	ch := k0.NewChannel("wire")
	dpc := &ke.DPC{ID: k0.NewID(trace.DPC), Target: -1, Run: func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameDPC})
		touch(k, shared)
		ke.SetSignal(k, event, 1)
		ke.Pop(k)
	}}
	timer := &ke.Timer{Object: ke.Object{Kind: ke.NotificationTimer, ID: k0.NewID(trace.Timer)}}
	for i := range 3 {
		m.Thread(fmt.Sprintf("thread %d", i), func(k *ke.K) {
			for range 4 {
				touch(k, shared)
				ke.SetIRQL(k, ke.Dispatch)
				ke.AcquireSpin(k, lock)
				touch(k, lock.ID)
				ke.ReleaseSpin(k, lock)
				ke.SetIRQL(k, ke.Passive)
			}
			ke.QueueDPC(k, dpc)
			k0.Post(ch, ke.Delivery{Text: "segment", Obj: shared, Run: func(k *ke.K) { touch(k, shared) }})
			ke.SetTimer(k, timer, -ke.Millisecond, 0, nil)
			due := int64(-5 * ke.Millisecond)
			ke.Wait(k, []*ke.Object{event, &timer.Object}, false, &due, "waits")
			k0.QueueWork("worker", func(k *ke.K) { touch(k, shared) })
		})
	}
	m.Run()
}

// hashOf runs busy once and gives its token.
func hashOf(t *testing.T, k *ke.Machine, o Options, replay *Token, quick bool) Token {
	t.Helper()
	tb := &runTB{name: t.Name()}
	m := start(k, tb, o, "busy", 1, replay, quick)
	m.pooled, m.repeat = true, func(string) []string { return []string{""} }
	busy(m)
	tb.cleanup()
	require.False(t, tb.failed, strings.Join(tb.messages, "\n"))
	return m.Token()
}

func TestDeterminism_OneTokenOneHash(t *testing.T) {
	k := &ke.Machine{}
	defer k.Close()
	for run := uint64(1); run <= 5; run++ {
		want := hashOf(t, k, Options{Seed: run}, nil, true)
		for range 100 {
			require.Equal(t, want, hashOf(t, k, Options{}, &want, true))
		}
		other := &ke.Machine{}
		require.Equal(t, want, hashOf(t, other, Options{Seed: run}, nil, true), "on a machine as new")
		other.Close()
	}
}

func TestDeterminism_RecordingChangesNothing(t *testing.T) {
	for run := uint64(1); run <= 20; run++ {
		a, b, c, d := &ke.Machine{}, &ke.Machine{}, &ke.Machine{}, &ke.Machine{}
		want := hashOf(t, a, Options{Seed: run}, nil, true)
		assert.Equal(t, want, hashOf(t, b, Options{Seed: run}, nil, false))
		assert.Equal(t, want, hashOf(t, c, Options{Seed: run, NoStacks: true, Events: 16}, nil, false))
		assert.Equal(t, want, hashOf(t, d, Options{}, &want, false))
		for _, k := range []*ke.Machine{a, b, c, d} {
			k.Close()
		}
	}
}

func TestDeterminism_RunsDiffer(t *testing.T) {
	k := &ke.Machine{}
	defer k.Close()
	seen := map[uint64]bool{}
	for run := uint64(1); run <= 100; run++ {
		seen[hashOf(t, k, Options{Seed: run}, nil, true).Trace] = true
	}
	assert.Greater(t, len(seen), 95)
	plain := hashOf(t, k, Options{Seed: 7}, nil, true)
	assert.NotEqual(t, plain, hashOf(t, k, Options{Seed: 7, Master: 1}, nil, true))
}

func TestDeterminism_SameTextEveryTime(t *testing.T) {
	print := func() string {
		tb := &runTB{name: "x"}
		m := start(&ke.Machine{}, tb, Options{Seed: 3}, "busy", 1, nil, false)
		m.repeat = func(string) []string { return []string{""} }
		busy(m)
		var b bytes.Buffer
		require.NoError(t, m.WriteTimeline(&b, 100, false))
		require.NoError(t, m.WriteTrace(&b))
		tb.cleanup()
		return b.String()
	}
	assert.Equal(t, print(), print())
}

// child is set in the environment of a process that prints hashes for the parent to compare.
const child = "SIM_TEST_CHILD"

func TestDeterminism_AnyNumberOfGoProcessors(t *testing.T) {
	if os.Getenv(child) != "" {
		printHashes(t)
		return
	}
	var outputs []string
	for _, n := range []string{"1", "2", "8"} {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+n)
		outputs = append(outputs, childHashes(t, cmd))
	}
	assert.Equal(t, outputs[0], outputs[1])
	assert.Equal(t, outputs[0], outputs[2])
	if raceEnabled { // race builds hand the processor over in another way; the runs must be the same
		cmd := exec.Command("go", "test", "-count=1", "-run=^"+t.Name()+"$", "-v", "calloutsim/sim")
		cmd.Env = os.Environ()
		assert.Equal(t, outputs[0], childHashes(t, cmd))
	}
}

func printHashes(t *testing.T) {
	k := &ke.Machine{}
	defer k.Close()
	for run := uint64(1); run <= 10; run++ {
		fmt.Printf("hash %d %s\n", run, hashOf(t, k, Options{Seed: run}, nil, run%2 == 0))
	}
}

// childHashes runs this test in another process and gives the hashes it prints.
func childHashes(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Env = append(cmd.Env, child+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	var lines []string
	for l := range strings.Lines(string(out)) {
		if strings.HasPrefix(l, "hash ") {
			lines = append(lines, l)
		}
	}
	require.Len(t, lines, 10)
	return strings.Join(lines, "")
}

// abandoned leaves a run in the middle of everything: threads that wait, one that was never resumed,
// deferred functions.
func abandoned(m *Machine) {
	k0 := m.Kernel()
	event := &ke.Object{Kind: ke.NotificationEvent, ID: k0.NewID(trace.KEvent)}
	for range 3 {
		m.Thread("waits", func(k *ke.K) {
			defer func() { _ = recover(); touch(k, 0) }() // a call into a dead machine must not go through
			ke.Wait(k, []*ke.Object{event}, false, nil, "for ever")
		})
	}
	m.Thread("sleeps", func(k *ke.K) { ke.Sleep(k, -ke.Second) })
	m.RunUntil(func() bool { return m.ke.Log().Len() > 6 })
	m.Fatalf("abandoned")
}

func TestTeardown_NothingIsLeftOfAbandonedRuns(t *testing.T) {
	runs := 10_000
	if raceEnabled {
		runs = 1000
	}
	once := func(n int) {
		r := collected(t, ExploreOptions{Runs: n, KeepGoing: true}, abandoned)
		require.Equal(t, n, r.Runs)
		require.Len(t, r.Failures, 1)
	}
	once(100)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	goroutines, before := runtime.NumGoroutine(), heap()
	once(runs)
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 }, // one asks
		5*time.Second, time.Millisecond)
	assert.Less(t, heap(), before+1<<20)
}

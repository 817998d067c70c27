package irql

import (
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trial"
	"calloutsim/internal/verify"
)

const ms = int64(ke.Millisecond)

func rel(d int64) *int64 { d = -d; return &d }

// forever and atOnce are time-outs.
var forever *int64

func atOnce() *int64 { return new(int64) }

func wait(k *K, object any) { KeWaitForSingleObject(k, object, Executive, KernelMode, false, forever) }

// play runs each body as a callback of test.sys in a system thread of its own and returns the machine.
func play(t *testing.T, cfg ke.Config, bodies ...func(k *K)) *ke.Machine {
	t.Helper()
	return playIn(t, cfg, ke.FrameWorkItem, bodies...)
}

func playIn(t *testing.T, cfg ke.Config, kind ke.FrameKind, bodies ...func(k *K)) *ke.Machine {
	t.Helper()
	if cfg.Events == 0 {
		cfg.Events = -1
	}
	if cfg.Pins == nil {
		cfg.Pins = []ke.Pin{{Site: siteThread.Name, Alt: 0}} // spawn must not fail under a random source
	}
	cfg.Stacks = cfg.Stacks || Recorder != nil
	cfg.Subsystems = []*ke.Subsystem{&Subsystem}
	m := ke.New(cfg)
	t.Cleanup(m.Close)
	recorded(t, m)
	img := m.NewImage("test.sys")
	for i, body := range bodies {
		m.NewThread("driver "+string(rune('a'+i)), nil, func(k *K) {
			ke.Push(k, ke.Frame{Kind: kind, Image: img, Fn: ke.CodeOf(body)})
			body(k)
			ke.Pop(k)
		})
	}
	m.Run(nil)
	m.RunEndChecks()
	return m
}

// trips asserts that the bodies break exactly one rule, once, under every schedule, and returns the finding
// of the boring one.
func trips(t *testing.T, rule verify.RuleID, bodies ...func(k *K)) verify.Finding {
	t.Helper()
	return tripsIn(t, rule, ke.FrameWorkItem, bodies...)
}

// tripsIn is trips in callbacks of another kind.
func tripsIn(t *testing.T, rule verify.RuleID, kind ke.FrameKind,
	bodies ...func(k *K)) (first verify.Finding) {
	t.Helper()
	trial.Breaks(t, func(number int) bool {
		m := playIn(t, ke.Config{Source: trial.Walk(number)}, kind, bodies...)
		f := found(t, m, rule)
		if number == 0 {
			first = f
		}
		m.Close()
		return true
	})
	return first
}

func found(t *testing.T, m *ke.Machine, rule verify.RuleID) verify.Finding {
	t.Helper()
	f := m.Findings()
	require.Len(t, f, 1, "one act, one finding: %v", f)
	require.Equal(t, rule.String(), f[0].Rule.String(), f[0].Headline)
	return f[0]
}

// clean asserts that the bodies break no rule under any schedule, and that all of them end.
func clean(t *testing.T, bodies ...func(k *K)) (first *ke.Machine) {
	t.Helper()
	trial.Keeps(t, func(number int) {
		m := play(t, ke.Config{Source: trial.Walk(number)}, bodies...)
		require.Empty(t, m.Findings())
		require.Empty(t, m.Threads())
		if number == 0 {
			first = m
			return
		}
		m.Close()
	})
	return first
}

// after is a body that prepares what the others share and then starts a thread for each.
func after(prepare func(k *K), bodies ...func(k *K)) func(k *K) {
	return func(k *K) {
		prepare(k)
		for _, body := range bodies {
			spawn(k, body)
		}
	}
}

// dpc runs fn in a DPC of the driver and returns when it has run.
func dpc(k *K, fn func(k *K)) {
	d := &KDPC{}
	KeInitializeDpc(k, d, func(k *K, _ *KDPC, _, _, _ any) { fn(k) }, nil)
	KeInsertQueueDpc(k, d, nil, nil)
}

func lock(k *K) *KSPIN_LOCK {
	l := &KSPIN_LOCK{}
	KeInitializeSpinLock(k, l)
	return l
}

func event(k *K, kind EVENT_TYPE) *KEVENT {
	e := &KEVENT{}
	KeInitializeEvent(k, e, kind, false)
	return e
}

// spawn starts a system thread and returns its object.
func spawn(k *K, fn func(k *K)) *KTHREAD {
	var h HANDLE
	PsCreateSystemThread(k, &h, THREAD_ALL_ACCESS, nil, 0, nil, func(k *K, _ any) { fn(k) }, nil)
	o, _ := Sim.Handles(k).Lookup(h)
	return o.(*KTHREAD)
}

// enterZwClose does what every routine for files begins with.
func enterZwClose(k *K) { ke.Enter(k, ddi.ZwClose) }

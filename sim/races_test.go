package sim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
)

const (
	schedules = 1000
	testTag   = 0x74736554 // "Test"
)

// racy are scenarios in which nothing orders two accesses.
var racy = map[string]func(m *Machine){
	"variable": func(m *Machine) {
		var n irql.Var[int]
		twice(m, func(k *ke.K) { n.Store(k, n.Load(k)+1) })
	},
	"pool": func(m *Machine) {
		withPool(m, func(k *ke.K, b *irp.Buffer) { b.Store32(4, b.Load32(4)+1) })
	},
	"raised level": func(m *Machine) {
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			var old irql.KIRQL
			irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
			b.Store32(0, 1)
			irql.KeLowerIrql(k, old)
		})
	},
	"plain store beside an interlocked one": func(m *Machine) {
		var n irql.Var[int32]
		m.Thread("a.sys", func(k *ke.K) { irql.InterlockedIncrement(k, &n) })
		m.Thread("b.sys", func(k *ke.K) { n.Store(k, 0) })
		m.Run()
	},
	"two locks": func(m *Machine) {
		var locks [2]irql.KSPIN_LOCK
		i := 0
		prepare(m, func(k *ke.K) {
			irql.KeInitializeSpinLock(k, &locks[0])
			irql.KeInitializeSpinLock(k, &locks[1])
		})
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			lock := &locks[i]
			i++
			var old irql.KIRQL
			irql.KeAcquireSpinLock(k, lock, &old)
			b.Store8(0, 1)
			irql.KeReleaseSpinLock(k, lock, old)
		})
	},
	"free": func(m *Machine) {
		var b *irp.Buffer
		prepare(m, func(k *ke.K) { b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag) })
		if b == nil {
			m.Errorf("fault")
			return
		}
		m.Thread("a.sys", func(k *ke.K) { b.Load8(0) })
		m.Thread("b.sys", func(k *ke.K) {
			irql.KeDelayExecutionThread(k, 0, false, interval(-10_000))
			irp.ExFreePoolWithTag(k, b, testTag)
		})
		m.Run()
	},
	"DPC and who it interrupts": func(m *Machine) {
		withPool(m, func(k *ke.K, b *irp.Buffer) {
			d := &irql.KDPC{} // of each thread: another one may find it in the queue
			irql.KeInitializeDpc(k, d, func(k *ke.K, _ *irql.KDPC, _, _, _ any) { b.Store8(0, 1) }, nil)
			irql.KeInsertQueueDpc(k, d, nil, nil)
			b.Store8(0, 2)
		})
	},
}

func interval(t int64) *int64 { return &t }

// twice runs fn in two threads.
func twice(m *Machine, fn func(k *ke.K)) {
	m.Thread("a.sys", fn)
	m.Thread("b.sys", fn)
	m.Run()
}

// prepare runs fn alone and to its end.
func prepare(m *Machine, fn func(k *ke.K)) {
	m.Thread("entry.sys", fn)
	m.Run()
}

// withPool runs fn in two threads with one block.
func withPool(m *Machine, fn func(k *ke.K, b *irp.Buffer)) {
	var b *irp.Buffer
	prepare(m, func(k *ke.K) { b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 64, testTag) })
	if b != nil {
		twice(m, func(k *ke.K) { fn(k, b) })
	}
}

// runs makes many schedules of fn on one mechanism and gives each to judge.
func runs(t *testing.T, fn func(m *Machine), judge func(run uint64, m *Machine)) {
	t.Helper()
	mech := &ke.Machine{}
	defer mech.Close()
	o := Options{Races: true, Collect: true}
	o.Pins = []Pin{{"fault/ExAllocatePool2", "succeeds"}, {"fault/IoAllocateWorkItem", "succeeds"}}
	for run := uint64(1); run <= schedules; run++ {
		tb := &runTB{name: t.Name()}
		o.Seed = run
		m := start(mech, tb, o, "races", 1, nil, true)
		m.pooled = true
		fn(m)
		judge(run, m)
		tb.cleanup()
		require.Empty(t, tb.messages)
	}
}

func TestRaces_ReportedInEverySchedule(t *testing.T) {
	for name, fn := range racy {
		t.Run(name, func(t *testing.T) {
			runs(t, fn, func(run uint64, m *Machine) {
				require.Equal(t, []string{ke.DataRace}, m.Rules(), "run %d", run)
			})
		})
	}
}

func TestRaces_Report(t *testing.T) {
	o := ExploreOptions{Runs: 20}
	o.Races = true
	r := collected(t, o, racy["two locks"])
	require.Len(t, r.Failures, 1)
	f := r.Failures[0]
	assert.True(t, f.Repeats)
	assert.Equal(t, []string{ke.DataRace}, f.Rules)
	assert.EqualValues(t, bitRaces, f.Token.Options)
	for _, want := range []string{"data race: pool#1+0x0 (1 bytes) is written by", "nothing orders the two",
		"different locks order nothing", "OTHER_ACCESS:", "holding lock#1", "holding lock#2",
		"none, no catalogue has a number for it; error", "CURRENT_IRQL:   2"} {
		assert.Contains(t, f.Report, want)
	}
	assert.Regexp(t, `races_test\.go:\d+: data race`, f.Report)
	assert.NotContains(t, f.Report, "ksim explain")
}

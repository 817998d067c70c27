package explore

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// things are what the threads of a random program share.
type things struct {
	m    *ke.Machine
	v    [2]irql.Var[int32]
	raw  int32
	e    [2]irql.KEVENT
	sem  irql.KSEMAPHORE
	mu   irql.KMUTEX
	l    [2]irql.KSPIN_LOCK
	rw   irql.EX_SPIN_LOCK
	fast irql.FAST_MUTEX
	res  irql.ERESOURCE
	push irql.EX_PUSH_LOCK
	run  irql.EX_RUNDOWN_REF
	d    [2]irql.KDPC
	t    irql.KTIMER
}

func (s *things) init(k *irql.K) {
	irql.KeInitializeEvent(k, &s.e[0], irql.NotificationEvent, false)
	irql.KeInitializeEvent(k, &s.e[1], irql.SynchronizationEvent, false)
	irql.KeInitializeSemaphore(k, &s.sem, 1, 100)
	irql.KeInitializeMutex(k, &s.mu, 0)
	irql.KeInitializeSpinLock(k, &s.l[0])
	irql.KeInitializeSpinLock(k, &s.l[1])
	irql.ExInitializeFastMutex(k, &s.fast)
	irql.ExInitializeResourceLite(k, &s.res)
	irql.ExInitializePushLock(k, &s.push)
	irql.ExInitializeRundownProtection(k, &s.run)
	irql.KeInitializeTimer(k, &s.t)
	for i := range s.d {
		irql.KeInitializeDpc(k, &s.d[i], func(k *irql.K, _ *irql.KDPC, _, _, _ any) {
			irql.InterlockedIncrement(k, &s.v[i])
		}, nil)
		irql.KeSetImportanceDpc(k, &s.d[i], irql.LowImportance)
	}
}

func (s *things) wait(k *irql.K, object any) bool {
	due := int64(-10)
	return irql.KeWaitForSingleObject(k, object, irql.Executive, irql.KernelMode, false, &due) == 0
}

// acts are what a thread of a random program can do, by name.
var acts = []struct {
	name string
	do   func(k *irql.K, s *things)
}{
	{"inc0", func(k *irql.K, s *things) { irql.InterlockedIncrement(k, &s.v[0]) }},
	{"inc1", func(k *irql.K, s *things) { irql.InterlockedIncrement(k, &s.v[1]) }},
	{"raw", func(k *irql.K, s *things) { irql.InterlockedIncrement(k, &s.raw) }},
	{"load", func(k *irql.K, s *things) { s.v[0].Load(k) }},
	{"store", func(k *irql.K, s *things) { s.v[0].Store(k, 5) }},
	{"set", func(k *irql.K, s *things) { irql.KeSetEvent(k, &s.e[0], 0, false) }},
	{"reset", func(k *irql.K, s *things) { irql.KeResetEvent(k, &s.e[0]) }},
	{"clear", func(k *irql.K, s *things) { irql.KeClearEvent(k, &s.e[1]) }},
	{"state", func(k *irql.K, s *things) { ke.Sees(k, uint64(irql.KeReadStateEvent(k, &s.e[0]))) }},
	{"wait", func(k *irql.K, s *things) { s.wait(k, &s.e[0]) }},
	{"set1", func(k *irql.K, s *things) { irql.KeSetEvent(k, &s.e[1], 0, false) }},
	{"wait1", func(k *irql.K, s *things) { s.wait(k, &s.e[1]) }},
	{"release", func(k *irql.K, s *things) { irql.KeReleaseSemaphore(k, &s.sem, 0, 1, false) }},
	{"take", func(k *irql.K, s *things) { s.wait(k, &s.sem) }},
	{"both", func(k *irql.K, s *things) {
		due := int64(-10)
		irql.KeWaitForMultipleObjects(k, 2, []any{&s.e[1], &s.sem}, irql.WaitAll, irql.Executive,
			irql.KernelMode, false, &due, nil)
	}},
	{"either", func(k *irql.K, s *things) {
		due := int64(-10)
		irql.KeWaitForMultipleObjects(k, 2, []any{&s.e[1], &s.sem}, irql.WaitAny, irql.Executive,
			irql.KernelMode, false, &due, nil)
	}},
	{"mutex", func(k *irql.K, s *things) {
		if s.wait(k, &s.mu) {
			irql.InterlockedIncrement(k, &s.v[0])
			irql.KeReleaseMutex(k, &s.mu, false)
		}
	}},
	{"spin", func(k *irql.K, s *things) { s.spin(k, 0) }},
	{"spin1", func(k *irql.K, s *things) { s.spin(k, 1) }},
	{"spin2", func(k *irql.K, s *things) {
		var old irql.KIRQL
		irql.KeAcquireSpinLock(k, &s.l[0], &old)
		irql.KeAcquireSpinLockAtDpcLevel(k, &s.l[1])
		irql.KeReleaseSpinLockFromDpcLevel(k, &s.l[1])
		irql.KeReleaseSpinLock(k, &s.l[0], old)
	}},
	{"try", func(k *irql.K, s *things) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		got := irql.KeTryToAcquireSpinLockAtDpcLevel(k, &s.l[0])
		if got {
			ke.Sees(k, 1)
			irql.KeReleaseSpinLockFromDpcLevel(k, &s.l[0])
		}
		irql.KeLowerIrql(k, old)
	}},
	{"shared", func(k *irql.K, s *things) {
		old := irql.ExAcquireSpinLockShared(k, &s.rw)
		s.v[1].Load(k)
		irql.ExReleaseSpinLockShared(k, &s.rw, old)
	}},
	{"exclusive", func(k *irql.K, s *things) {
		old := irql.ExAcquireSpinLockExclusive(k, &s.rw)
		irql.InterlockedIncrement(k, &s.v[1])
		irql.ExReleaseSpinLockExclusive(k, &s.rw, old)
	}},
	{"fast", func(k *irql.K, s *things) {
		irql.ExAcquireFastMutex(k, &s.fast)
		irql.InterlockedIncrement(k, &s.v[0])
		irql.ExReleaseFastMutex(k, &s.fast)
	}},
	{"tryfast", func(k *irql.K, s *things) {
		if irql.ExTryToAcquireFastMutex(k, &s.fast) {
			ke.Sees(k, 1)
			irql.ExReleaseFastMutex(k, &s.fast)
		}
	}},
	{"resource", func(k *irql.K, s *things) {
		irql.KeEnterCriticalRegion(k)
		if irql.ExAcquireResourceExclusiveLite(k, &s.res, true) {
			irql.InterlockedIncrement(k, &s.v[1])
			irql.ExReleaseResourceLite(k, &s.res)
		}
		irql.KeLeaveCriticalRegion(k)
	}},
	{"tryresource", func(k *irql.K, s *things) {
		irql.KeEnterCriticalRegion(k)
		if irql.ExAcquireResourceSharedLite(k, &s.res, false) {
			ke.Sees(k, 1)
			irql.ExReleaseResourceLite(k, &s.res)
		}
		irql.KeLeaveCriticalRegion(k)
	}},
	{"push", func(k *irql.K, s *things) {
		irql.KeEnterCriticalRegion(k)
		irql.ExAcquirePushLockShared(k, &s.push)
		s.v[0].Load(k)
		irql.ExReleasePushLockShared(k, &s.push)
		irql.KeLeaveCriticalRegion(k)
	}},
	{"pushx", func(k *irql.K, s *things) {
		irql.KeEnterCriticalRegion(k)
		irql.ExAcquirePushLockExclusive(k, &s.push)
		irql.InterlockedIncrement(k, &s.v[0])
		irql.ExReleasePushLockExclusive(k, &s.push)
		irql.KeLeaveCriticalRegion(k)
	}},
	{"rundown", func(k *irql.K, s *things) {
		if irql.ExAcquireRundownProtection(k, &s.run) {
			ke.Sees(k, 1)
			irql.InterlockedIncrement(k, &s.v[0])
			irql.ExReleaseRundownProtection(k, &s.run)
		}
	}},
	{"dpc", func(k *irql.K, s *things) { irql.KeInsertQueueDpc(k, &s.d[0], nil, nil) }},
	{"dpc1", func(k *irql.K, s *things) { irql.KeInsertQueueDpc(k, &s.d[1], nil, nil) }},
	{"undpc", func(k *irql.K, s *things) { ke.Sees(k, bit(irql.KeRemoveQueueDpc(k, &s.d[0]))) }},
	{"raise", func(k *irql.K, s *things) {
		var old irql.KIRQL
		irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
		irql.InterlockedIncrement(k, &s.v[1])
		irql.KeLowerIrql(k, old)
	}},
	{"timer", func(k *irql.K, s *things) { ke.Sees(k, bit(irql.KeSetTimer(k, &s.t, -10, &s.d[1]))) }},
	{"timer0", func(k *irql.K, s *things) { ke.Sees(k, bit(irql.KeSetTimer(k, &s.t, 0, &s.d[1]))) }},
	{"cancel", func(k *irql.K, s *things) { ke.Sees(k, bit(irql.KeCancelTimer(k, &s.t))) }},
	{"expiry", func(k *irql.K, s *things) { s.wait(k, &s.t) }},
	{"sleep", func(k *irql.K, s *things) {
		due := int64(-10)
		irql.KeDelayExecutionThread(k, irql.KernelMode, false, &due)
	}},
	{"flush", func(k *irql.K, s *things) { irql.KeFlushQueuedDpcs(k) }},
	{"spawn", func(k *irql.K, s *things) {
		s.m.NewThread("child", nil, func(k *irql.K) { irql.InterlockedIncrement(k, &s.v[0]) })
	}},
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (s *things) spin(k *irql.K, i int) {
	var old irql.KIRQL
	irql.KeAcquireSpinLock(k, &s.l[i], &old)
	irql.InterlockedIncrement(k, &s.v[i])
	irql.KeReleaseSpinLock(k, &s.l[i], old)
}

// mixture is a random program: for each thread what it does.
type mixture [][]int

func (p mixture) String() string {
	var threads []string
	for _, t := range p {
		var names []string
		for _, a := range t {
			names = append(names, acts[a].name)
		}
		threads = append(threads, strings.Join(names, " "))
	}
	return strings.Join(threads, " | ")
}

func (p mixture) scene(m *ke.Machine) {
	s := &things{m: m}
	m.NewThread("main", nil, func(k *irql.K) {
		s.init(k)
		for _, list := range p {
			m.NewThread("t", nil, func(k *irql.K) {
				for _, a := range list {
					acts[a].do(k, s)
				}
			})
		}
	})
}

func randomMixture(r *ke.Random) mixture {
	n := func(k int) int { return int(r.Next() % uint64(k)) }
	p := make(mixture, 2+n(2))
	size := 5 - len(p)
	pool := make([]int, 3) // few kinds of acts, so that they meet
	for i := range pool {
		pool[i] = n(len(acts))
	}
	for i := range p {
		for range 1 + n(size) {
			p[i] = append(p[i], pool[n(len(pool))])
		}
	}
	return p
}

// TestSearch_RandomProgramsLoseNoOutcome compares the reduced search with a plain one on random programs: a
// footprint that says too little, or a pair wrongly called independent, shows as an outcome that is missing.
//
// Reference: scheduling.md 17 (reduction oracle, commutation test).
func TestSearch_RandomProgramsLoseNoOutcome(t *testing.T) {
	programs := 150
	if os.Getenv("SIM_THOROUGH") != "" {
		programs = 3000
	}
	const limit = 4000
	compared, skipped, broken, plainRuns, shortRuns := 0, 0, 0, 0, 0
	for i := range programs {
		p := randomMixture(ke.NewRandom(7, uint64(i)))
		plain, ok := within(t, &Search{Bounds: NoBounds}, p.scene, limit)
		if !ok {
			skipped++
			continue
		}
		compared++
		short, ok := within(t, &Search{Bounds: NoBounds, Reduce: true}, p.scene, limit)
		require.True(t, ok, "%v", p)
		plainRuns += plain.runs
		shortRuns += short.runs
		require.Equal(t, len(plain.findings) > 0, len(short.findings) > 0, "program %d: %v", i, p)
		if len(plain.findings) > 0 { // what would have come after a violation is not known
			broken++
			continue
		}
		require.Equal(t, keys(plain.outcomes), keys(short.outcomes), "program %d: %v (%d against %d runs)", i,
			p, plain.runs, short.runs)
	}
	t.Logf("%d programs compared, of which %d break a rule, %d too large; %d runs of plain DFS, %d of DPOR",
		compared, broken, skipped, plainRuns, shortRuns)
	require.Greater(t, compared, programs/4)
}

func within(t testing.TB, s *Search, fn scene, limit int) (out seen, ok bool) {
	out = seen{outcomes: map[uint64]int{}, findings: map[string]int{}}
	m := ke.New(ke.Config{})
	defer m.Close()
	s.Trail = &ke.Trail{}
	for more := true; more; {
		if out.runs == limit {
			return out, false
		}
		m.Reset(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded, Events: ke.Off})
		fn(m)
		m.Run(nil)
		out.add(m, s.Trail)
		more = s.End(m)
		require.NoError(t, s.Err())
	}
	return out, true
}

func (o *seen) add(m *ke.Machine, trail *ke.Trail) {
	o.runs++
	if m.WasCut() {
		return
	}
	o.whole++
	for _, f := range m.Findings() {
		o.findings[fmt.Sprint(f.Rule)]++
	}
	if len(m.Findings()) == 0 {
		o.outcomes[trail.Outcome()]++
	}
}

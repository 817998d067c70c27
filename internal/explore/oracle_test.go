package explore

import (
	"fmt"
	"math"
	"os"
	"strconv"
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

// act is one of the things that a thread of a random program can do; S is what the threads share.
type act[S any] struct {
	name string
	do   func(k *irql.K, s *S)
}

// acts are what a thread of a random program can do, by name.
var acts = []act[things]{
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

// program is a random program: for each thread what it does.
type program [][]int

func (p program) words(names []string) string {
	var threads []string
	for _, t := range p {
		var words []string
		for _, a := range t {
			words = append(words, names[a])
		}
		threads = append(threads, strings.Join(words, " "))
	}
	return strings.Join(threads, " | ")
}

func (p program) scene(m *ke.Machine) {
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

// randomProgram makes two or three threads that do few kinds of acts, so that they meet.
func randomProgram(r *ke.Random, kinds, size int) program {
	n := func(k int) int { return int(r.Next() % uint64(k)) }
	p := make(program, 2+n(2))
	size -= len(p)
	pool := make([]int, 3)
	for i := range pool {
		pool[i] = n(kinds)
	}
	for i := range p {
		for range 1 + n(max(size, 1)) {
			p[i] = append(p[i], pool[n(len(pool))])
		}
	}
	return p
}

// oracle compares the reduced search with a plain one, and where that would not end with random runs: a
// footprint that says too little, or a pair wrongly called independent, shows as an outcome that is missing.
type oracle struct {
	names   []string
	limit   int   // runs of one search
	samples int   // random runs, where plain search would not end
	size    int   // of a program
	quiet   bool  // nothing is asked but who goes on
	setup   *bool // said to be true by the scene while it prepares itself

	compared, sampled, broken, large, plainRuns, shortRuns int

	whole, wholeRuns int // programs that a search of larger steps goes through as well
}

func (o *oracle) run(t *testing.T, seed uint64, programs int, make func(p program, r *ke.Random) scene) {
	first := 0
	programs = thorough(programs, 20)
	if s := os.Getenv("SIM_PROGRAM"); s != "" {
		first, _ = strconv.Atoi(s)
		programs = first + 1
	}
	for i := first; i < programs; i++ {
		r := ke.NewRandom(seed, uint64(i))
		p := randomProgram(r, len(o.names), o.size)
		o.one(t, fmt.Sprintf("program %d: %s", i, p.words(o.names)), make(p, r))
	}
	t.Logf("%d programs compared with plain DFS, %d with random runs, %d break a rule, %d too large; "+
		"%d runs of plain DFS, %d of DPOR; %d programs in %d runs of larger steps",
		o.compared, o.sampled, o.broken, o.large, o.plainRuns, o.shortRuns, o.whole, o.wholeRuns)
}

func (o *oracle) one(t *testing.T, what string, fn scene) {
	short, ok := within(t, &Search{Bounds: o.bounds(), Reduce: true, Fixed: o.fixed}, fn, o.limit)
	if !ok {
		o.large++
		return
	}
	o.larger(t, what, fn, &short)
	plain, all := seen{}, false
	if o.samples == 0 || short.runs < o.limit/10 {
		plain, all = within(t, &Search{Bounds: o.bounds(), Fixed: o.fixed}, fn, o.limit)
	}
	switch {
	case all:
		o.compared++
		o.plainRuns += plain.runs
		o.shortRuns += short.runs
	case o.samples == 0:
		o.large++
		return
	default:
		o.sampled++
		o.sample(&plain, fn)
	}
	if os.Getenv("SIM_SHOW") != "" {
		t.Logf("%s: plain %d runs (all %v) %d outcomes, DPOR %d runs, %d whole, %d outcomes", what,
			plain.runs, all, len(plain.outcomes), short.runs, short.whole, len(short.outcomes))
	}
	if all {
		require.Equal(t, plain.stopped > 0, short.stopped > 0, what)
	}
	if short.stopped > 0 { // what would have come after a violation is not known
		o.broken++
		return
	}
	require.Zero(t, plain.stopped, what)
	for h := range plain.outcomes {
		require.Contains(t, short.outcomes, h, what)
	}
	if all {
		require.Len(t, short.outcomes, len(plain.outcomes), what)
	}
}

// larger makes the search with steps that take in accesses, and compares its ends with those of the search in
// which every access is a step, unless it says that this would be needed.
func (o *oracle) larger(t *testing.T, what string, fn scene, short *seen) {
	s := &Search{Bounds: o.bounds(), Reduce: true, Fixed: o.fixed, Trail: &ke.Trail{Parts: true}}
	larger, ok := within(t, s, fn, 2*short.runs)
	if s.Split() {
		return
	}
	require.True(t, ok, what)
	o.whole++
	o.wholeRuns += larger.runs
	require.Equal(t, short.stopped > 0, larger.stopped > 0, what)
	if short.stopped == 0 {
		require.Equal(t, keys(short.outcomes), keys(larger.outcomes), what)
	}
}

// noFaults are the bounds of the oracles: programs do not expect failures.
var noFaults = Bounds{Preemptions: math.MaxInt, Delays: math.MaxInt, Answers: math.MaxInt}

func (o *oracle) fixed() bool { return o.setup != nil && *o.setup }

func (o *oracle) bounds() Bounds {
	b := noFaults
	if o.quiet {
		b.Only = func(*ke.Site) bool { return false }
	}
	return b
}

// picker chooses at random who goes on.
type picker struct {
	*ke.Random
	setup *bool
}

func (p picker) Pick(_ *ke.Machine, at *ke.Moment) int {
	if p.setup != nil && *p.setup || at.Stays && p.Next()%4 != 0 {
		return 0
	}
	return int(p.Next() % uint64(len(at.Options)))
}

// Choose answers what is not about who goes on; nothing fails.
func (p picker) Choose(s *ke.Site, n int) int {
	if s.Fault() {
		return 0
	}
	return p.Random.Choose(s, n)
}

// sample adds random runs to what a search has seen.
func (o *oracle) sample(out *seen, fn scene) {
	if out.outcomes == nil {
		*out = seen{outcomes: map[uint64]int{}, findings: map[string]int{}}
	}
	m, trail := ke.New(ke.Config{}), &ke.Trail{Outcomes: true}
	defer m.Close()
	for i := range o.samples {
		var src ke.Source = picker{ke.NewRandom(3, uint64(i)), o.setup}
		if o.quiet {
			src = mute{picker{ke.NewRandom(3, uint64(i)), o.setup}}
		}
		m.Reset(ke.Config{Source: src, Trail: trail, Processors: ke.Unbounded,
			MemPoints: true, Events: ke.Off})
		fn(m)
		m.Run(nil)
		out.add(m, trail)
	}
}

// TestSearch_RandomProgramsLoseNoOutcome compares the searches on random programs of the routines of irql.
//
// Reference: scheduling.md 17 (reduction oracle, commutation test).
func TestSearch_RandomProgramsLoseNoOutcome(t *testing.T) {
	o := oracle{names: names(acts), limit: 3000, size: 5}
	o.run(t, 7, 60, func(p program, _ *ke.Random) scene { return p.scene })
	require.Greater(t, o.compared, 15)
}

func within(t testing.TB, s *Search, fn scene, limit int) (out seen, ok bool) {
	out = seen{outcomes: map[uint64]int{}, findings: map[string]int{}}
	m := ke.New(ke.Config{})
	defer m.Close()
	parts := s.Trail != nil && s.Trail.Parts
	s.Trail = &ke.Trail{Outcomes: true, Parts: parts}
	for more := true; more; {
		if out.runs == limit {
			return out, false
		}
		m.Reset(ke.Config{Source: s.Begin(), Trail: s.Trail, Processors: ke.Unbounded,
			MemPoints: !parts, Events: ke.Off})
		fn(m)
		m.Run(nil)
		out.add(m, s.Trail)
		more = s.End(m) && !s.Split()
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
	if m.Dead() {
		o.stopped++
	}
	for _, f := range m.Findings() {
		o.findings[fmt.Sprint(f.Rule)]++
	}
	if !m.Dead() {
		o.outcomes[trail.Outcome()]++
	}
}

package pool_test

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
)

func request(n int) *pool.Request {
	return &pool.Request{DDI: ddi.ExAllocatePool2, Size: n, Tag: testTag}
}

func free(k *ke.K, b *pool.Buffer) { pool.Free(k, ddi.ExFreePoolWithTag, b, testTag) }

func findings(m *ke.Machine) []string {
	var out []string
	for _, f := range m.Findings() {
		out = append(out, f.Rule.String())
	}
	return out
}

func TestAccessors_AllocateNothing(t *testing.T) {
	inKernel(t, ke.Config{}, func(k *ke.K) {
		b := pool.Alloc(k, request(64))
		v := pool.New[[8]uint64](k, request(0))
		src := []byte{1, 2, 3}
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			b.Store8(0, b.Load8(1))
			b.Store16(0, b.Load16(1))
			b.Store32(0, b.Load32(1))
			b.Store64(0, b.Load64(1))
			b.CopyFrom(3, src)
			b.CopyTo(3, src)
			b.Fill(8, 8, 1)
			b.Bytes()[0]++
			v.Get()[3]++
			_ = b.Address()
		}))
	})
}

func TestAllocFree_Allocations(t *testing.T) {
	for _, level0 := range []bool{true, false} {
		inKernel(t, ke.Config{}, func(k *ke.K) {
			pool.OptionsOf(ke.Of(k)).NoQuarantine = level0
			r := request(1500)
			n := testing.AllocsPerRun(2000, func() { free(k, pool.Alloc(k, r)) })
			assert.LessOrEqual(t, n, 1.0, "level 0: %v", level0)
			r.Uninitialized = true // the books about its bytes lie in its own memory
			n = testing.AllocsPerRun(2000, func() {
				b := pool.Alloc(k, r)
				b.Store32(8, 1)
				b.Load32(8)
				free(k, b)
			})
			assert.LessOrEqual(t, n, 1.0, "level 0: %v, uninitialised", level0)
		})
	}
}

func TestLoadStore_LittleEndian(t *testing.T) {
	inKernel(t, ke.Config{}, func(k *ke.K) {
		b := pool.Alloc(k, request(16))
		b.Store64(1, 0x8877665544332211)
		assert.Equal(t, uint8(0x11), b.Load8(1))
		assert.Equal(t, uint16(0x2211), b.Load16(1))
		assert.Equal(t, uint32(0x44332211), b.Slice(1, 4).Load32(0))
		b.Store16(3, 0xbbaa)
		assert.Equal(t, uint64(0x88776655bbaa2211), b.Load64(1))
	})
}

// What is freed keeps its identity and history however often its bytes serve again.
func TestIdentity_NeverUsedTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := ke.New(ke.Config{})
		defer m.Close()
		pool.OptionsOf(m).NoQuarantine = rapid.Bool().Draw(rt, "level 0")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9000), 1, 60).Draw(rt, "sizes")
		seen := map[trace.ID]bool{}
		runIn(m, func(k *ke.K) {
			var live []*pool.Buffer
			for i, n := range sizes {
				b := pool.Alloc(k, request(n))
				require.False(rt, seen[b.ID()])
				seen[b.ID()] = true
				b.Fill(0, n, byte(i))
				live = append(live, b)
				if i%3 == 2 {
					free(k, live[0])
					require.True(rt, pool.Gone(live[0]))
					live = live[1:]
				}
			}
			for _, b := range live { // nobody got bytes of anybody else
				require.Equal(rt, b.Load8(0), b.Load8(b.Len()-1))
			}
		})
		m.RunEndChecks()
		require.Empty(rt, m.Findings())
	})
}

func TestQuarantine_StaleWriteFoundWhenBytesAreToServeAgain(t *testing.T) {
	m := inKernel(t, ke.Config{}, func(k *ke.K) {
		b := pool.Alloc(k, request(5000))
		kept := b.Bytes()
		free(k, b)
		kept[4999] = 0
		for range 300 {
			free(k, pool.Alloc(k, request(8)))
		}
	})
	require.Equal(t, []string{"POOL-013"}, findings(m))
	assert.Contains(t, m.Findings()[0].Headline, "first at offset 4999")
	assert.Equal(t, "test.sys", m.Findings()[0].Driver)
}

func TestLevel0_StaleWriteGoesUnnoticed(t *testing.T) {
	m := ke.New(ke.Config{})
	defer m.Close()
	pool.OptionsOf(m).NoQuarantine = true
	runIn(m, func(k *ke.K) {
		b := pool.Alloc(k, request(8))
		kept := b.Bytes()
		free(k, b)
		kept[0] = 0
		assert.Equal(t, make([]byte, 8), pool.Alloc(k, request(8)).Bytes(), "and harms nobody")
	})
	m.RunEndChecks()
	assert.Empty(t, m.Findings())
}

type inner struct {
	b    bool
	n    [3]uint16
	name string
}

type outer struct {
	inner
	p    *int
	list []inner
	any  any
	f    func()
	arr  [2]inner
	x    float64
}

func TestTyped_KeptPointerIsUseless(t *testing.T) {
	inKernel(t, ke.Config{}, func(k *ke.K) {
		v := pool.New[outer](k, request(0))
		o := v.Get()
		*o = outer{inner: inner{n: [3]uint16{1, 2, 3}, name: "x"}, p: new(int),
			list: make([]inner, 1), any: 1, x: 1, f: func() {}}
		pool.Free(k, ddi.ExFreePoolWithTag, v.Handle(), testTag)
		assert.True(t, o.b)
		assert.Equal(t, [3]uint16{0xdede, 0xdede, 0xdede}, o.n)
		assert.Empty(t, o.name)
		assert.Nil(t, o.p)
		assert.Nil(t, o.list)
		assert.Nil(t, o.any)
		assert.Nil(t, o.f)
		assert.Equal(t, uint16(0xdede), o.arr[1].n[0])
		assert.NotEqual(t, 1.0, o.x)
	})
}

func TestTyped_SizeIsThatOfTheValue(t *testing.T) {
	inKernel(t, ke.Config{}, func(k *ke.K) {
		v := pool.New[outer](k, request(0))
		leaks := pool.Leaks(ke.Of(k), ke.Acting(k))
		require.Len(t, leaks, 1)
		assert.Equal(t, int(unsafe.Sizeof(outer{})), leaks[0].Size)
		assert.Equal(t, v.ID(), leaks[0].ID)
	})
}

func TestContents_BusyObjectsOfTheMechanism(t *testing.T) {
	type mixed struct {
		timer [2]ke.Timer
		dpc   struct{ d ke.DPC }
		lock  ke.SpinLock
	}
	for _, c := range []struct {
		why  string
		code uint32
		sub  string
		use  func(k *ke.K, v *mixed)
	}{
		{"is set", 0xC4, "0x15", func(k *ke.K, v *mixed) { ke.SetTimer(k, &v.timer[1], -10, 0, nil) }},
		{"is queued", 0xC7, "0x1", func(k *ke.K, v *mixed) { ke.QueueDPC(k, &v.dpc.d) }},
		{"is held", 0xC4, "0x100b", func(k *ke.K, v *mixed) { ke.TryAcquireSpin(k, &v.lock) }},
	} {
		m := inKernel(t, ke.Config{}, func(k *ke.K) {
			v := pool.New[mixed](k, request(0))
			v.Get().dpc.d.Target = -1
			ke.SetIRQL(k, ke.Dispatch)
			c.use(k, v.Get())
			free(k, v.Handle())
		})
		require.Equal(t, []string{"POOL-018"}, findings(m), c.why)
		f := m.Findings()[0]
		assert.Contains(t, f.Headline, c.why)
		assert.Equal(t, c.code, f.BugCheck, c.why)
		assert.Equal(t, c.sub, f.Args[0].Value, c.why)
	}
}

func TestContaining_FindsTheBlock(t *testing.T) {
	inKernel(t, ke.Config{}, func(k *ke.K) {
		m := ke.Of(k)
		b := pool.Alloc(k, request(64))
		v := pool.StackVar[outer](k)
		assert.True(t, pool.SameBlock(b, pool.Containing(m, unsafe.Pointer(&b.Bytes()[63]))))
		assert.Equal(t, v.ID(), pool.Containing(m, unsafe.Pointer(&v.Get().arr[1].name)).ID())
		assert.Nil(t, pool.Containing(m, unsafe.Pointer(new(int))))
	})
}

func TestLoans_OfOneBlockAreIndependent(t *testing.T) {
	m := inKernel(t, ke.Config{}, func(k *ke.K) {
		b := pool.Alloc(k, request(16))
		one, two := trace.MakeID(trace.IRP, 1), trace.MakeID(trace.IRP, 2)
		pool.Lend(k, b.Slice(0, 8), one, false)
		pool.Lend(k, b.Slice(0, 8), two, false)
		pool.Return(k, b.Slice(0, 8), one)
		assert.True(t, pool.Lent(b))
		b.Store8(8, 1) // outside of what is lent
		pool.Return(k, b.Slice(0, 8), two)
		assert.False(t, pool.Lent(b))
		b.Store8(0, 1)
		free(k, b)
	})
	assert.Empty(t, findings(m))
}

func TestTake_DriverMayNotTouchTheSystemMay(t *testing.T) {
	loan := pool.Loan{Owner: trace.MakeID(trace.Flow, 1), Rule: verify.WFP_108, What: "the redirect context"}
	for name, use := range map[string]func(k *ke.K, b *pool.Buffer){
		"read":       func(_ *ke.K, b *pool.Buffer) { b.Load8(0) },
		"freed":      free,
		"after that": func(k *ke.K, b *pool.Buffer) { pool.FreeTaken(k, b); b.Load8(0) },
		"free late":  func(k *ke.K, b *pool.Buffer) { pool.FreeTaken(k, b); free(k, b) },
	} {
		m := inKernel(t, ke.Config{}, func(k *ke.K) {
			b := pool.Alloc(k, request(16))
			b.Store8(0, 7)
			pool.Take(k, b, loan)
			assert.Equal(t, byte(7), pool.Raw(k, b)[0])
			use(k, b)
		})
		assert.Equal(t, []string{"WFP-108"}, findings(m), name)
	}
	m := inKernel(t, ke.Config{}, func(k *ke.K) {
		b := pool.Alloc(k, request(16))
		pool.Take(k, b, loan)
		owner, taken := pool.Taken(b)
		assert.True(t, taken)
		assert.Equal(t, loan.Owner, owner)
		pool.GiveBack(k, b)
		b.Load8(0)
		free(k, b)
	})
	assert.Empty(t, findings(m))
}

// stackBuffer stands for irp.StackBuffer, whose caller has the local variable.
//
//go:noinline
func stackBuffer(k *ke.K, n int) *pool.Buffer { return pool.StackBuffer(k, n) }

func TestStack_DiesInnermostFirst(t *testing.T) {
	m := inKernel(t, ke.Config{Events: -1}, func(k *ke.K) {
		outer := stackBuffer(k, 8)
		var in *pool.Buffer
		ke.Push(k, ke.Frame{Kind: ke.FrameQueue, Image: ke.Acting(k)})
		in = stackBuffer(k, 8)
		in.Store8(0, 1)
		ke.Pop(k)
		assert.True(t, pool.Gone(in))
		assert.False(t, pool.Gone(outer))
	})
	assert.Empty(t, findings(m))
}

func TestStackVar_TellsTheObjectsInside(t *testing.T) {
	type frame struct {
		one inner
		two outer
	}
	m := ke.New(ke.Config{})
	defer m.Close()
	var told []string
	tell := func(_ *ke.K, obj any) { told = append(told, fmt.Sprintf("%T", obj)) }
	m.OnStackDeath = append(m.OnStackDeath, tell)
	runIn(m, func(k *ke.K) {
		v := pool.StackVar[frame](k).Get()
		v.one.b, v.two.b = true, true
	})
	assert.Equal(t, []string{"*pool_test.frame", "*pool_test.inner", "*pool_test.outer", "*pool_test.inner",
		"*pool_test.inner", "*pool_test.inner", "pool.StackMemory"}, sorted(told))
}

// sorted puts the memory itself, which the mechanism tells of first, last.
func sorted(s []string) []string { return append(s[1:], s[0]) }

func TestMemPoints_AccessorsLetOthersRun(t *testing.T) {
	m := ke.New(ke.Config{MemPoints: true})
	defer m.Close()
	runIn(m, func(k *ke.K) {
		b := pool.Alloc(k, request(8))
		before := m.Steps()
		b.Load8(0)
		b.Store8(0, 1)
		assert.Equal(t, before+2, m.Steps())
	})
}

func TestUnwatched_OutsideIsMisuse(t *testing.T) {
	var b *pool.Buffer
	inKernel(t, ke.Config{}, func(k *ke.K) { b = pool.Alloc(k, request(8)) })
	b.Store8(7, 3)
	assert.Equal(t, byte(3), b.Load8(7))
	assert.PanicsWithValue(t, ke.Misuse("access outside of pool#1 from the test"), func() { b.Load8(8) })
}

func TestLeaks_GroupedByStack(t *testing.T) {
	m := ke.New(ke.Config{Events: -1, Stacks: true})
	defer m.Close()
	runIn(m, func(k *ke.K) {
		for range 3 {
			pool.Alloc(k, request(8))
		}
		pool.Alloc(k, request(8))
	})
	m.RunUnloadChecks(m.Images()[0])
	require.Equal(t, []string{"UNLOAD-001"}, findings(m))
	f := m.Findings()[0]
	assert.Equal(t, "test.sys is unloaded and leaves 4 pool blocks: 3 x 'Test' (24 bytes), 1 x 'Test' (8 "+
		"bytes)", f.Headline)
	assert.NotEmpty(t, f.Places[0].Stack)
}

func TestAlloc_TooLarge(t *testing.T) {
	inKernel(t, ke.Config{}, func(k *ke.K) { assert.Nil(t, pool.Alloc(k, request(1<<31))) })
}

// The machine's memory is bounded, whether it is asked for at one time or bit by bit, and what was freed
// counts no more.
func TestAlloc_MemoryEnds(t *testing.T) {
	m := ke.New(ke.Config{})
	defer m.Close()
	pool.OptionsOf(m).Memory = 1000
	m.NewThread("t", nil, func(k *ke.K) {
		require.Nil(t, pool.Alloc(k, request(1001)))
		one, two := pool.Alloc(k, request(400)), pool.Alloc(k, request(400))
		require.Nil(t, pool.Alloc(k, request(201)))
		free(k, one)
		three := pool.Alloc(k, request(600))
		require.NotNil(t, three)
		free(k, two)
		free(k, three)
	})
	m.Run(nil)
}

// Each accessor reaches the last bytes of the memory, and none is silent one byte further on either side.
func TestAccessors_EndsOfTheMemory(t *testing.T) {
	const n = 16
	type buffer = pool.Buffer
	type access func(b *buffer, off int)
	for width, both := range map[int][2]access{
		1: {func(b *buffer, off int) { b.Store8(off, 1) }, func(b *buffer, off int) { b.Load8(off) }},
		2: {func(b *buffer, off int) { b.Store16(off, 1) }, func(b *buffer, off int) { b.Load16(off) }},
		4: {func(b *buffer, off int) { b.Store32(off, 1) }, func(b *buffer, off int) { b.Load32(off) }},
		8: {func(b *buffer, off int) { b.Store64(off, 1) }, func(b *buffer, off int) { b.Load64(off) }},
	} {
		for _, do := range both {
			for off, bad := range map[int]bool{-1: true, 0: false, n - width: false, n - width + 1: true,
				n: true} {
				m := inKernel(t, ke.Config{}, func(k *ke.K) {
					b := pool.Alloc(k, request(n))
					do(b, off)
					free(k, b)
				})
				assert.Equal(t, bad, len(findings(m)) > 0, "%d bytes at %d: %v", width, off, findings(m))
			}
		}
	}
}

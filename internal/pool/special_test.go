//go:build linux || darwin || windows

package pool_test

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
)

// specially runs fn in a driver of a machine with special pool.
func specially(t testing.TB, fn func(k *ke.K)) *ke.Machine {
	t.Helper()
	m := ke.New(ke.Config{Events: -1})
	t.Cleanup(m.Close)
	pool.OptionsOf(m).SpecialPool = true
	runIn(m, fn)
	return m
}

// staleWrite, staleRead, staleCopy and stalePrint are what drivers do with slices they kept.
func staleWrite(kept []byte) { kept[3] = 1 }
func staleRead(kept []byte)  { sink += int(kept[3]) }
func staleCopy(kept []byte)  { sink += copy(make([]byte, 4), kept) }
func stalePrint(kept []byte) { sink += len(fmt.Sprintf("%x", kept)) }

var sink int

func TestSpecialPool_StaleAccessIsFoundWhereItHappens(t *testing.T) {
	for name, touch := range map[string]func([]byte){"staleWrite": staleWrite, "staleRead": staleRead,
		"staleCopy": staleCopy, "stalePrint": stalePrint} {
		t.Run(name, func(t *testing.T) {
			m := specially(t, func(k *ke.K) {
				b := pool.Alloc(k, request(64))
				kept := b.Bytes()
				touch(kept)
				free(k, b)
				touch(kept)
				t.Error("not reached")
			})
			require.Equal(t, []string{"POOL-013"}, findings(m))
			f := m.Findings()[0]
			require.NotEmpty(t, f.Stack)
			assert.Equal(t, name, f.Stack[0].Func)
			assert.Equal(t, "test.sys", f.Stack[0].Driver)
			assert.Equal(t, "special_test.go", f.Stack[0].File)
			require.Len(t, f.Places, 2)
			assert.Equal(t, "ALLOCATED", f.Places[0].Label)
			assert.Equal(t, "FREED", f.Places[1].Label)
			assert.Contains(t, f.Headline, f.Obj+"+0x")
			assert.NotContains(t, fmt.Sprint(f), "0xc0")
			assert.True(t, m.Dead())
		})
	}
}

func TestSpecialPool_InADPC(t *testing.T) {
	m := specially(t, func(k *ke.K) {
		b := pool.Alloc(k, request(8))
		kept := b.Bytes()
		free(k, b)
		img := ke.Acting(k)
		d := &ke.DPC{Target: -1, Importance: ke.MediumImportance, Run: func(k *ke.K) {
			ke.Push(k, ke.Frame{Kind: ke.FrameDPC, Image: img})
			staleWrite(kept)
		}}
		ke.QueueDPC(k, d)
	})
	require.Equal(t, []string{"POOL-013"}, findings(m))
	assert.EqualValues(t, ke.Dispatch, m.Findings()[0].IRQL)
}

func TestSpecialPool_OverrunByUnsafe(t *testing.T) {
	m := specially(t, func(k *ke.K) {
		b := pool.Alloc(k, request(100))
		p := unsafe.Pointer(unsafe.SliceData(b.Bytes()))
		*(*byte)(unsafe.Add(p, 99)) = 1
		*(*byte)(unsafe.Add(p, 100)) = 1
	})
	require.Equal(t, []string{"POOL-011"}, findings(m))
	assert.Contains(t, m.Findings()[0].Headline, "100 bytes from its start")
}

func TestSpecialPool_UnderrunIsFoundAtTheFree(t *testing.T) {
	m := specially(t, func(k *ke.K) {
		b := pool.Alloc(k, request(100))
		p := unsafe.Pointer(unsafe.SliceData(b.Bytes()))
		*(*byte)(unsafe.Add(p, -1000)) = 1
		free(k, b)
	})
	assert.Equal(t, []string{"POOL-012"}, findings(m))
}

func TestSpecialPool_StackMemory(t *testing.T) {
	m := specially(t, func(k *ke.K) {
		var kept []byte
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: ke.Acting(k)})
		kept = pool.StackBuffer(k, 16).Bytes()
		staleWrite(kept)
		ke.Pop(k)
		staleWrite(kept)
	})
	assert.Equal(t, []string{"POOL-026"}, findings(m))
}

// What is allowed stays allowed, and the events are those of a run without special pool.
func TestSpecialPool_ChangesNothingElse(t *testing.T) {
	work := func(k *ke.K) {
		for _, n := range []int{0, 1, 16, 4080, 4081, 4096, 10000} {
			b := pool.Alloc(k, request(n))
			require.Equal(t, n, len(b.Bytes()))
			b.Fill(0, n, 7)
			for _, v := range b.Bytes() {
				require.EqualValues(t, 7, v)
			}
			free(k, b)
		}
		sink += int(pool.Alloc(k, request(8)).Load8(3))
	}
	m := specially(t, work)
	assert.Empty(t, findings(m))
	assert.Empty(t, pool.SpecialNotice(m))
	plain := inKernel(t, ke.Config{Events: -1}, work)
	assert.Equal(t, plain.Log().Hash(), m.Log().Hash())
}

func TestSpecialPool_FaultsInARow(t *testing.T) {
	m := ke.New(ke.Config{})
	defer m.Close()
	var first string
	for i := range 300 {
		m.Reset(ke.Config{})
		pool.OptionsOf(m).SpecialPool = true
		runIn(m, func(k *ke.K) {
			live := pool.Alloc(k, request(5000))
			b := pool.Alloc(k, request(10+i%3))
			kept := b.Bytes()
			free(k, b)
			if i%50 == 0 {
				runtime.GC()
			}
			live.Store8(4999, 1)
			kept[0] = 1
		})
		require.Equal(t, []string{"POOL-013"}, findings(m))
		text := fmt.Sprint(m.Findings()[0])
		if i == 0 {
			first = text
		}
		if i%3 == 0 {
			require.Equal(t, first, text, "nothing of the host is in a finding")
		}
	}
}

func TestSpecialPool_FallsBackAndSaysSo(t *testing.T) {
	m := specially(t, func(k *ke.K) {
		b := pool.Alloc(k, request(2<<20))
		b.Bytes()[0] = 1
		free(k, b)
	})
	assert.Empty(t, findings(m))
	assert.Contains(t, pool.SpecialNotice(m), "larger than")
	m = specially(t, func(k *ke.K) {
		var all []*pool.Buffer
		for range 8300 {
			all = append(all, pool.Alloc(k, request(8)))
		}
		for _, b := range all {
			b.Store8(7, 1)
			free(k, b)
		}
	})
	assert.Empty(t, findings(m))
	assert.Contains(t, pool.SpecialNotice(m), "8192 blocks are in use")
}

func TestSpecialPool_ManyAllocations(t *testing.T) {
	m := ke.New(ke.Config{MaxSteps: 1 << 40})
	defer m.Close()
	pool.OptionsOf(m).SpecialPool = true
	runIn(m, func(k *ke.K) {
		r := request(64)
		window := [3]*pool.Buffer{}
		for i := range 40_000 { // more than the host has mappings for, if those of freed blocks stayed apart
			at := &window[i%len(window)]
			if *at != nil {
				free(k, *at)
			}
			*at = pool.Alloc(k, r)
			(*at).Store8(0, 1)
		}
	})
	assert.Empty(t, pool.SpecialNotice(m))
}

func TestSpecialPool_AfterTheRunTheTestMayLook(t *testing.T) {
	var b *pool.Buffer
	specially(t, func(k *ke.K) {
		b = pool.Alloc(k, request(4))
		b.Store32(0, 17)
	})
	assert.EqualValues(t, 17, b.Load32(0))
}

func TestSpecialPool_OtherPanicsStayPanics(t *testing.T) {
	assert.Panics(t, func() {
		specially(t, func(k *ke.K) {
			pool.Alloc(k, request(4))
			var p []int
			p[1] = 1
		})
	})
}

func TestFoundLate(t *testing.T) {
	m := inKernel(t, ke.Config{}, func(k *ke.K) {
		b := pool.Alloc(k, request(64))
		kept := b.Bytes()
		free(k, b)
		staleWrite(kept)
	})
	m.RunEndChecks()
	require.Equal(t, []string{"POOL-013"}, findings(m))
	assert.True(t, pool.FoundLate(&m.Findings()[0]))
	assert.False(t, pool.FoundLate(&verify.Finding{Rule: verify.POOL_013}))
}

func BenchmarkSpecialPool(b *testing.B) {
	m := ke.New(ke.Config{MaxSteps: 1 << 60})
	defer m.Close()
	pool.OptionsOf(m).SpecialPool = true
	runIn(m, func(k *ke.K) {
		r := request(1500)
		for b.Loop() {
			buf := pool.Alloc(k, r)
			buf.Store8(0, 1)
			free(k, buf)
		}
	})
}

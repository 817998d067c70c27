package pool_test

import (
	"testing"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
)

const testTag = 0x74736554 // "Test"

// inKernel runs fn in a driver of a new machine and returns the machine, for its findings.
func inKernel(t testing.TB, cfg ke.Config, fn func(k *ke.K)) *ke.Machine {
	t.Helper()
	m := ke.New(cfg)
	t.Cleanup(m.Close)
	runIn(m, fn)
	return m
}

func runIn(m *ke.Machine, fn func(k *ke.K)) {
	img := m.NewImage("test.sys")
	m.NewThread("test", nil, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: img})
		fn(k)
		ke.Pop(k)
	})
	m.Run(nil)
}

func benchAllocFree(b *testing.B, size int, level0 bool) {
	inKernel(b, ke.Config{MaxSteps: 1 << 60}, func(k *ke.K) {
		pool.OptionsOf(ke.Of(k)).NoQuarantine = level0
		r := pool.Request{DDI: ddi.ExAllocatePool2, Size: size, Tag: testTag}
		b.ReportAllocs()
		for b.Loop() {
			pool.Free(k, ddi.ExFreePoolWithTag, pool.Alloc(k, &r), testTag)
		}
	})
}

func BenchmarkAllocFree(b *testing.B) {
	b.Run("64/level0", func(b *testing.B) { benchAllocFree(b, 64, true) })
	b.Run("1500/level0", func(b *testing.B) { benchAllocFree(b, 1500, true) })
	b.Run("64KiB/level0", func(b *testing.B) { benchAllocFree(b, 64<<10, true) })
	b.Run("64/level1", func(b *testing.B) { benchAllocFree(b, 64, false) })
	b.Run("1500/level1", func(b *testing.B) { benchAllocFree(b, 1500, false) })
	b.Run("64KiB/level1", func(b *testing.B) { benchAllocFree(b, 64<<10, false) })
}

func BenchmarkAccess(b *testing.B) {
	inKernel(b, ke.Config{MaxSteps: 1 << 60}, func(k *ke.K) {
		buf := pool.Alloc(k, &pool.Request{DDI: ddi.ExAllocatePool2, Size: 1500, Tag: testTag})
		paged := pool.Alloc(k, &pool.Request{DDI: ddi.ExAllocatePool2, Kind: pool.Paged, Size: 1500,
			Tag: testTag})
		v := pool.New[[4]uint64](k, &pool.Request{DDI: ddi.ExAllocatePool2, Tag: testTag})
		var sum uint64
		b.Run("Load32", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sum += uint64(buf.Load32(i & 1023))
			}
		})
		b.Run("Store32", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				buf.Store32(i&1023, uint32(i))
			}
		})
		b.Run("Bytes", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sum += uint64(buf.Bytes()[i&1023])
			}
		})
		b.Run("Get", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sum += v.Get()[i&3]
			}
		})
		b.Run("Load32/paged", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				sum += uint64(paged.Load32(i & 1023))
			}
		})
		_ = sum
	})
}

//go:build linux || darwin || windows

package pool_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
)

// plain holds no Go pointers, mixed does.
type plain struct {
	n    uint32
	done bool
	hash [4]byte
	in   struct{ list [2]int64 }
}

type mixed struct {
	name string
	next *mixed
	fn   func()
	n    int
}

func newTyped[T any](k *ke.K) *pool.Typed[T] {
	return pool.New[T](k, &pool.Request{DDI: ddi.ExAllocatePool2, Tag: testTag})
}

// kept runs a driver that keeps what Get returned and touches it after the free.
func kept[T any](t *testing.T, special bool, touch func(v *T)) []verify.Finding {
	t.Helper()
	m := ke.New(ke.Config{Events: -1})
	t.Cleanup(m.Close)
	pool.OptionsOf(m).SpecialPool = special
	runIn(m, func(k *ke.K) {
		v := newTyped[T](k)
		p := v.Get()
		touch(p)
		free(k, v.Handle())
		touch(p)
	})
	if !m.Dead() {
		m.RunEndChecks()
	}
	return m.Findings()
}

func TestTyped_WrittenThroughAPointerKept(t *testing.T) {
	for member, f := range map[string][]verify.Finding{
		"pool_test.plain.n":       kept(t, false, func(p *plain) { p.n++ }),
		"pool_test.plain.done":    kept(t, false, func(p *plain) { p.done = false }),
		"pool_test.plain.hash":    kept(t, false, func(p *plain) { p.hash[3] = 1 }),
		"pool_test.plain.in.list": kept(t, false, func(p *plain) { p.in.list[1] = 1 }),
		"pool_test.mixed.name":    kept(t, false, func(p *mixed) { p.name = "x" }),
		"pool_test.mixed.next":    kept(t, false, func(p *mixed) { p.next = p }),
		"pool_test.mixed.fn":      kept(t, false, func(p *mixed) { p.fn = func() {} }),
		"[3]pool_test.mixed[1].n": kept(t, false, func(p *[3]mixed) { p[1].n = 1 }),
		"pool_test.mixed.n":       kept(t, true, func(p *mixed) { p.n = 1 }),
		"uint16":                  kept(t, false, func(p *uint16) { *p = 7 }),
	} {
		require.Len(t, f, 1, member)
		assert.Equal(t, "POOL-013", f[0].Rule.String(), member)
		assert.Contains(t, f[0].Headline, "a pointer kept from Get: "+member+" first")
		assert.Equal(t, "test.sys", f[0].Driver)
		assert.True(t, pool.FoundLate(&f[0]))
	}
	assert.Empty(t, kept(t, false, func(p *plain) { sink += int(p.n) }), "a read gives poison")
}

// staleMember is what a driver does with a pointer it kept.
func staleMember(p *plain) { sink += int(p.n) }

func TestTyped_SpecialPoolFindsThePlace(t *testing.T) {
	for _, touch := range []func(p *plain){staleMember, func(p *plain) { p.in.list[1] = 1 }} {
		f := kept(t, true, touch)
		require.Len(t, f, 1)
		assert.Equal(t, "POOL-013", f[0].Rule.String())
		assert.Contains(t, f[0].Headline, "through a pointer kept from Get")
		assert.Equal(t, "stale_test.go", f[0].Stack[0].File)
		assert.False(t, pool.FoundLate(&f[0]))
	}
}

// A variable of a routine that has returned.
func TestStackVar_WrittenThroughAPointerKept(t *testing.T) {
	m := inKernel(t, ke.Config{}, func(k *ke.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameDispatch, Image: ke.Acting(k)})
		p := pool.StackVar[plain](k).Get()
		ke.Pop(k)
		p.n = 1
	})
	m.RunEndChecks()
	require.Equal(t, []string{"POOL-026"}, findings(m))
}

// What comes first is looked at first, and the quarantine stays small.
func TestTyped_ManyInQuarantine(t *testing.T) {
	m := inKernel(t, ke.Config{}, func(k *ke.K) {
		v := newTyped[plain](k)
		p := v.Get()
		free(k, v.Handle())
		p.n = 1
		for range 300 {
			free(k, newTyped[mixed](k).Handle())
		}
	})
	require.Equal(t, []string{"POOL-013"}, findings(m), "found when it left the quarantine")
	m.RunEndChecks()
	require.Len(t, m.Findings(), 1)
}

func BenchmarkTypedFree(b *testing.B) {
	m := ke.New(ke.Config{MaxSteps: 1 << 60})
	defer m.Close()
	runIn(m, func(k *ke.K) {
		for b.Loop() {
			free(k, newTyped[mixed](k).Handle())
		}
	})
}

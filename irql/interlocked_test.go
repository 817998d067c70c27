package irql

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
)

func TestInterlocked_ValuesBeforeAndAfter(t *testing.T) {
	clean(t, func(k *K) {
		n := int32(5)
		assert.Equal(t, int32(6), InterlockedIncrement(k, &n))
		assert.Equal(t, int32(5), InterlockedDecrement(k, &n))
		assert.Equal(t, int32(5), InterlockedExchange(k, &n, 12))
		assert.Equal(t, int32(12), InterlockedExchangeAdd(k, &n, -2))
		assert.Equal(t, int32(10), InterlockedCompareExchange(k, &n, 3, 9))
		assert.Equal(t, int32(10), InterlockedCompareExchange(k, &n, 3, 10))
		assert.Equal(t, int32(3), InterlockedOr(k, &n, 4))
		assert.Equal(t, int32(7), InterlockedAnd(k, &n, 6))
		assert.Equal(t, int32(6), InterlockedXor(k, &n, 2))
		assert.Equal(t, int32(4), n)

		var v Var[int64]
		assert.Equal(t, int64(1), InterlockedIncrement64(k, &v))
		assert.Equal(t, int64(0), InterlockedDecrement64(k, &v))
		assert.Equal(t, int64(0), InterlockedExchange64(k, &v, 1<<40))
		assert.Equal(t, int64(1<<40), InterlockedExchangeAdd64(k, &v, 1))
		assert.Equal(t, int64(1<<40+1), InterlockedCompareExchange64(k, &v, 2, 1<<40+1))
		assert.Equal(t, int64(2), v.Load(k))

		a, b := new(int), new(int)
		p := a
		assert.Same(t, a, InterlockedExchangePointer(k, &p, b))
		assert.Same(t, b, InterlockedCompareExchangePointer(k, &p, a, a))
		assert.Same(t, b, InterlockedCompareExchangePointer(k, &p, a, b))
		assert.Same(t, a, p)
	})
}

// count lets two threads add 2 each to a variable and returns the sums that some schedule ends with.
func count(t *testing.T, add func(k *K, v *Var[int32])) map[int32]bool {
	sums := map[int32]bool{}
	for run := range uint64(300) {
		var v Var[int32]
		body := func(k *K) {
			for range 2 {
				add(k, &v)
			}
		}
		play(t, ke.Config{Source: ke.NewRandom(0, run)}, body, body)
		sums[v.Peek()] = true
	}
	return sums
}

func TestVar_PlainUpdateLosesCounts(t *testing.T) {
	sums := count(t, func(k *K, v *Var[int32]) { v.Store(k, v.Load(k)+1) })
	assert.Equal(t, map[int32]bool{2: true, 3: true, 4: true}, sums)
}

func TestInterlockedIncrement_LosesNothing(t *testing.T) {
	sums := count(t, func(k *K, v *Var[int32]) { InterlockedIncrement(k, v) })
	assert.Equal(t, map[int32]bool{4: true}, sums)
}

func TestVar_SwapIsOneStep(t *testing.T) {
	clean(t, func(k *K) {
		var v Var[string]
		v.Store(k, "a")
		assert.Equal(t, "a", v.Swap(k, "b"))
		assert.Equal(t, "b", v.Load(k))
	})
}

package pool

import "calloutsim/internal/ke"

// Number is the address of a view as a number, which Pointed turns back: what casting a pointer to an integer
// and back is in C. The machine remembers what it has turned into numbers, so that a pointer to freed memory
// stays one.
func Number(v *Buffer) uint64 {
	if v == nil || v.blk == nil {
		return 0
	}
	h, at := v.blk.h, v.Address()
	h.numbers.Put(at, v)
	return at
}

// Pointed is the view whose address a number is; nil for a number that is none.
func Pointed(k *ke.K, n uint64) *Buffer { return state.Of(k).numbers.Get(n) }

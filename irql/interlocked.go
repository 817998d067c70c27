package irql

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/trace"
)

// Var is memory that several contexts share without a lock: a flag, a counter, a pointer. Every access is a
// scheduling point, so that the orders a plain field could be seen in are tried. The zero Var holds the
// zero T. Windows has no counterpart; in C it is a volatile variable, which orders nothing: a machine that
// looks for data races reports a Store that neither a lock nor anything else orders with another access.
type Var[T any] struct {
	v   T
	id  trace.ID
	run ke.Stamp
}

//go:norace
func (v *Var[T]) object(k *K) trace.ID {
	if !v.run.Of(k) {
		v.run, v.id = ke.StampOf(k), ke.Of(k).NewID(trace.Var)
		ke.Nameless(k, v.id)
	}
	return v.id
}

// Load reads the variable.
//
//go:norace
func (v *Var[T]) Load(k *K) T {
	ke.EnterAnyLevel(k, ddi.None)
	ke.Point(k, ke.Reads(v.object(k)))
	ke.Touch(k, v.id, 0, 1, ke.R)
	return v.v
}

// Store writes the variable.
//
//go:norace
func (v *Var[T]) Store(k *K, x T) {
	ke.EnterAnyLevel(k, ddi.None)
	ke.Point(k, ke.Writes(v.object(k)))
	ke.Touch(k, v.id, 0, 1, ke.W)
	ke.Note(k, "stores", v.id)
	v.v = x
}

// Swap writes the variable and returns what it held, in one step: InterlockedExchangePointer for any type.
//
//go:norace
func (v *Var[T]) Swap(k *K, x T) T {
	ke.EnterAnyLevel(k, ddi.None)
	ke.Point(k, ke.Swaps(v.object(k)))
	ke.Touch(k, v.id, 0, 1, ke.A)
	ke.Note(k, "swaps", v.id)
	old := v.v
	v.v = x
	return old
}

// Peek reads the variable outside of a run, for tests.
//
//go:norace
func (v *Var[T]) Peek() T { return v.v }

// Interlocked32 is what the 32-bit Interlocked routines take: a plain variable or a Var.
type Interlocked32 interface{ *int32 | *Var[int32] }

// Interlocked64 is what the 64-bit Interlocked routines take.
type Interlocked64 interface{ *int64 | *Var[int64] }

// cell is the place of an interlocked operation and its id, 0 for a plain variable.
//
//go:norace
func cell[T int32 | int64](k *K, p any) (*T, trace.ID) {
	switch x := p.(type) {
	case *T:
		return x, 0
	case *Var[T]:
		return &x.v, x.object(k)
	}
	panic("internal error: operand of an interlocked operation")
}

// interlocked makes one atomic step on p and returns the values before and after it.
//
//go:norace
func interlocked[T int32 | int64](k *K, d ddi.ID, p any, step func(T) T) (before, after T) {
	ke.EnterAnyLevel(k, d)
	v, id := cell[T](k, p)
	at := id
	if at == 0 {
		at = ke.AddrID(k, p)
	}
	ke.Point(k, ke.Swaps(at))
	if id != 0 {
		ke.Touch(k, id, 0, 1, ke.A)
	} else {
		ke.Ordered(k, p)
	}
	before = *v
	after = step(before)
	*v = after
	if before == after {
		ke.Idled(k)
	}
	ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: id, A: uint64(after), Flags: trace.HasA})
	return before, after
}

// InterlockedIncrement adds 1 and returns the new value.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedincrement.
func InterlockedIncrement[P Interlocked32](k *K, addend P) int32 {
	_, n := interlocked(k, ddi.InterlockedIncrement, addend, func(x int32) int32 { return x + 1 })
	return n
}

// InterlockedDecrement subtracts 1 and returns the new value.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockeddecrement.
func InterlockedDecrement[P Interlocked32](k *K, addend P) int32 {
	_, n := interlocked(k, ddi.InterlockedDecrement, addend, func(x int32) int32 { return x - 1 })
	return n
}

// InterlockedExchange stores a value and returns the one before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedexchange.
func InterlockedExchange[P Interlocked32](k *K, target P, value int32) int32 {
	old, _ := interlocked(k, ddi.InterlockedExchange, target, func(int32) int32 { return value })
	return old
}

// InterlockedExchangeAdd adds a value and returns the one before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedexchangeadd.
func InterlockedExchangeAdd[P Interlocked32](k *K, addend P, value int32) int32 {
	old, _ := interlocked(k, ddi.InterlockedExchangeAdd, addend, func(x int32) int32 { return x + value })
	return old
}

// InterlockedCompareExchange stores exchange if the variable equals comperand, and returns the value
// before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedcompareexchange.
func InterlockedCompareExchange[P Interlocked32](k *K, destination P, exchange, comperand int32) int32 {
	old, _ := interlocked(k, ddi.InterlockedCompareExchange, destination, func(x int32) int32 {
		if x == comperand {
			return exchange
		}
		return x
	})
	return old
}

// InterlockedAnd clears the bits that value lacks and returns the value before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedand.
func InterlockedAnd[P Interlocked32](k *K, destination P, value int32) int32 {
	old, _ := interlocked(k, ddi.InterlockedAnd, destination, func(x int32) int32 { return x & value })
	return old
}

// InterlockedOr sets the bits of value and returns the value before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedor.
func InterlockedOr[P Interlocked32](k *K, destination P, value int32) int32 {
	old, _ := interlocked(k, ddi.InterlockedOr, destination, func(x int32) int32 { return x | value })
	return old
}

// InterlockedXor flips the bits of value and returns the value before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedxor.
func InterlockedXor[P Interlocked32](k *K, destination P, value int32) int32 {
	old, _ := interlocked(k, ddi.InterlockedXor, destination, func(x int32) int32 { return x ^ value })
	return old
}

// InterlockedIncrement64 adds 1 and returns the new value.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm.h
func InterlockedIncrement64[P Interlocked64](k *K, addend P) int64 {
	_, n := interlocked(k, ddi.InterlockedIncrement, addend, func(x int64) int64 { return x + 1 })
	return n
}

// InterlockedDecrement64 subtracts 1 and returns the new value.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm.h
func InterlockedDecrement64[P Interlocked64](k *K, addend P) int64 {
	_, n := interlocked(k, ddi.InterlockedDecrement, addend, func(x int64) int64 { return x - 1 })
	return n
}

// InterlockedExchange64 stores a value and returns the one before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm.h
func InterlockedExchange64[P Interlocked64](k *K, target P, value int64) int64 {
	old, _ := interlocked(k, ddi.InterlockedExchange, target, func(int64) int64 { return value })
	return old
}

// InterlockedExchangeAdd64 adds a value and returns the one before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm.h
func InterlockedExchangeAdd64[P Interlocked64](k *K, addend P, value int64) int64 {
	old, _ := interlocked(k, ddi.InterlockedExchangeAdd, addend, func(x int64) int64 { return x + value })
	return old
}

// InterlockedCompareExchange64 stores exchange if the variable equals comperand, and returns the value
// before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm.h
func InterlockedCompareExchange64[P Interlocked64](k *K, destination P, exchange, comperand int64) int64 {
	old, _ := interlocked(k, ddi.InterlockedCompareExchange, destination, func(x int64) int64 {
		if x == comperand {
			return exchange
		}
		return x
	})
	return old
}

// InterlockedExchangePointer stores a pointer and returns the one before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedexchangepointer.
func InterlockedExchangePointer[T any](k *K, target **T, value *T) *T {
	return exchangePointer(k, target, value)
}

//go:norace
func exchangePointer[T any](k *K, target **T, value *T) *T {
	ke.EnterAnyLevel(k, ddi.InterlockedExchangePointer)
	ke.Point(k, ke.Swaps(ke.AddrID(k, target)))
	ke.Ordered(k, target)
	ke.Call(k, ddi.InterlockedExchangePointer, 0)
	old := *target
	*target = value
	if old == value {
		ke.Idled(k)
	}
	return old
}

// InterlockedCompareExchangePointer stores exchange if the variable equals comperand, and returns the
// pointer before.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: none.
// Reference: wdm/nf-wdm-interlockedcompareexchangepointer.
func InterlockedCompareExchangePointer[T any](k *K, destination **T, exchange, comperand *T) *T {
	return compareExchangePointer(k, destination, exchange, comperand)
}

//go:norace
func compareExchangePointer[T any](k *K, destination **T, exchange, comperand *T) *T {
	ke.EnterAnyLevel(k, ddi.InterlockedCompareExchangePointer)
	ke.Point(k, ke.Swaps(ke.AddrID(k, destination)))
	ke.Ordered(k, destination)
	ke.Call(k, ddi.InterlockedCompareExchangePointer, 0)
	old := *destination
	if old == comperand {
		*destination = exchange
	} else {
		ke.Idled(k)
	}
	return old
}

// KeMemoryBarrier keeps accesses before it from being seen after those behind it. Contexts here see each
// other's accesses in order in any case; it orders nothing for the detector of data races.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Not modelled: weak memory orders.
// Reference: wdm/nf-wdm-kememorybarrier.
func KeMemoryBarrier(k *K) {
	ke.Enter(k, ddi.KeMemoryBarrier)
	ke.Call(k, ddi.KeMemoryBarrier, 0)
}

package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/irql"
)

// Typed is a block of pool that holds one Go value: what C gets by casting the result of ExAllocatePool2 to
// a structure of the driver's own. Get checks that it may be touched.
type Typed[T any] = pool.Typed[T]

// New allocates a driver's own structure with the flags and tag of ExAllocatePool2; it starts as its zero
// value. It returns nil where ExAllocatePool2 does.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL for POOL_FLAG_PAGED. Ownership: the caller's until it calls Free.
// Rules: as ExAllocatePool2. Not modelled: uninitialised values. Reference: none; it is not a routine of
// Windows.
//
//go:norace
func New[T any](k *irql.K, flags uint64, tag uint32) *Typed[T] {
	ke.EnterAnyLevel(k, ddi.ExAllocatePool2)
	r := pool.Request{DDI: ddi.ExAllocatePool2, Size: 1, Tag: tag}
	if !pool2Request(k, &r, flags) {
		return nil
	}
	if raises := flags&POOL_FLAG_RAISE_ON_FAILURE != 0; poolFails(k, &siteAllocatePool2, raises) {
		noPool(k, &r, raises)
		return nil
	}
	return pool.New[T](k, &r)
}

// Free frees what New allocated. The value becomes useless to whoever kept a pointer to it.
//
// IRQL: <= DISPATCH_LEVEL; <= APC_LEVEL when the block is paged pool. Ownership: gone.
// Rules: as ExFreePoolWithTag. Reference: none; it is not a routine of Windows.
//
//go:norace
func Free[T any](k *irql.K, t *Typed[T], tag uint32) {
	ke.EnterAnyLevel(k, ddi.ExFreePoolWithTag)
	pool.Free(k, ddi.ExFreePoolWithTag, t.Handle(), tag)
}

// As gives memory the type of a structure, as a cast of its address does in C: what ExAllocatePool2, a
// lookaside list or IoAllocateDriverObjectExtension returned. The same structure comes back every time, for
// use at once; it starts as its zero value and ends with the memory. Whether it fits in is not looked at,
// except for an IRP (IoInitializeIrp).
//
// IRQL: that of the memory. Ownership: that of the memory. Rules: POOL-013, POOL-026, IRQL-008. Reference:
// none; it is not a routine of Windows.
//
//go:norace
func As[T any](b *Buffer) *T {
	v, fresh := pool.As[T](b)
	if p, ok := any(v).(*IRP); ok && fresh {
		p.mem = b
	}
	return v
}

// ToNumber is an address as a UINT64, as a flow context is one: the cast (UINT64)p of C. NULL is 0.
//
// IRQL: any. Ownership: unchanged. Rules: none. Reference: none; it is not a routine of Windows.
func ToNumber(b *Buffer) uint64 { return pool.Number(b) }

// FromNumber is the cast back, (PVOID)n: the memory whose address ToNumber gave, freed or not. Any other
// number is NULL here.
//
// IRQL: any. Ownership: unchanged. Rules: none; those of the memory when it is touched. Reference: none; it
// is not a routine of Windows.
func FromNumber(k *irql.K, n uint64) *Buffer { return pool.Pointed(k, n) }

// StackBuffer is a local array of n bytes of the function that calls StackBuffer, a callback or a helper; it
// is gone when that returns.
//
// IRQL: any. Ownership: the function's. Rules: POOL-026 when it is used or still lent after the return.
// Reference: none; it is not a routine of Windows.
//
//go:noinline
func StackBuffer(k *irql.K, n int) *Buffer { return pool.StackBuffer(k, n) }

// StackVar is a local variable of the function that calls StackVar, a callback or a helper, for what is
// handed to others by address: an event, an IO_STATUS_BLOCK, an address. It is gone when the function
// returns.
//
// IRQL: any. Ownership: the function's. Rules: POOL-026 when it is used or still lent after the return;
// OBJ-002. Reference: none; it is not a routine of Windows.
//
//go:norace
//go:noinline
func StackVar[T any](k *irql.K) *Typed[T] { return pool.StackVar[T](k) }

package irp

import (
	"fmt"

	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/verify"
	"calloutsim/irql"
)

// OverlappingCopy is the kind of a hazard: RtlCopyMemory on ranges that overlap. No catalogue has a number
// for it.
const OverlappingCopy = "overlapping copy"

// RtlCopyMemory copies length bytes between buffers that do not overlap. Bytes that nobody has written are
// copied as such.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013.
// Reference: wdm/nf-wdm-rtlcopymemory.
func RtlCopyMemory(k *irql.K, destination, source *Buffer, length uint64) {
	ke.Enter(k, ddi.RtlCopyMemory)
	n := blockSize(length)
	if n == 0 {
		return
	}
	if pool.Overlap(destination, source, n) {
		ke.Report(k, verify.Finding{Kind: OverlappingCopy, Warning: true, Obj: source.ID().String(),
			AllowedIRQL: verify.AnyIRQL,
			Headline:    fmt.Sprintf("RtlCopyMemory within %v, where the ranges overlap", source.ID()),
			Text:        "What the destination holds afterwards depends on how the copying is done.",
			Fix:         "use RtlMoveMemory."})
	}
	pool.Move(destination, source, n)
}

// RtlMoveMemory copies length bytes between buffers that may overlap.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013.
// Reference: wdm/nf-wdm-rtlmovememory.
func RtlMoveMemory(k *irql.K, destination, source *Buffer, length uint64) {
	ke.Enter(k, ddi.RtlMoveMemory)
	if n := blockSize(length); n > 0 {
		pool.Move(destination, source, n)
	}
}

// RtlZeroMemory fills length bytes with zeros.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013.
// Reference: wdm/nf-wdm-rtlzeromemory.
func RtlZeroMemory(k *irql.K, destination *Buffer, length uint64) {
	ke.Enter(k, ddi.RtlZeroMemory)
	fillBuffer(destination, length, 0)
}

// RtlSecureZeroMemory is RtlZeroMemory that no compiler leaves out; it returns the buffer.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013.
// Reference: wdm/nf-wdm-rtlsecurezeromemory.
func RtlSecureZeroMemory(k *irql.K, ptr *Buffer, cnt uint64) *Buffer {
	ke.Enter(k, ddi.RtlSecureZeroMemory)
	fillBuffer(ptr, cnt, 0)
	return ptr
}

// RtlFillMemory fills length bytes with one value.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013.
// Reference: wdm/nf-wdm-rtlfillmemory.
func RtlFillMemory(k *irql.K, destination *Buffer, length uint64, fill uint8) {
	ke.Enter(k, ddi.RtlFillMemory)
	fillBuffer(destination, length, fill)
}

func fillBuffer(b *Buffer, length uint64, v uint8) {
	if n := blockSize(length); n > 0 {
		b.Fill(0, n, v)
	}
}

// RtlEqualMemory says whether length bytes of two buffers are the same.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013, POOL-014.
// Reference: wdm/nf-wdm-rtlequalmemory.
func RtlEqualMemory(k *irql.K, destination, source *Buffer, length uint64) bool {
	ke.Enter(k, ddi.RtlEqualMemory)
	return sameBytes(destination, source, length) == length
}

// RtlCompareMemory counts the bytes that are the same in two buffers, up to the first that differ.
//
// IRQL: any; <= APC_LEVEL for pageable memory.
// Ownership: none.
// Rules: IRQL-008, POOL-011, POOL-013, POOL-014.
// Reference: wdm/nf-wdm-rtlcomparememory.
func RtlCompareMemory(k *irql.K, source1, source2 *Buffer, length uint64) uint64 {
	ke.Enter(k, ddi.RtlCompareMemory)
	return sameBytes(source1, source2, length)
}

func sameBytes(a, b *Buffer, length uint64) uint64 {
	n := blockSize(length)
	if n == 0 {
		return 0
	}
	x, y := pool.Loaded(a, n), pool.Loaded(b, n)
	for i := range x {
		if x[i] != y[i] {
			return uint64(i)
		}
	}
	return length
}

// RtlUshortByteSwap reverses the order of the bytes.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Reference: wdm/nf-wdm-rtlushortbyteswap.
func RtlUshortByteSwap(source uint16) uint16 { return source<<8 | source>>8 }

// RtlUlongByteSwap reverses the order of the bytes.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Reference: wdm/nf-wdm-rtlulongbyteswap.
func RtlUlongByteSwap(source uint32) uint32 {
	return uint32(RtlUshortByteSwap(uint16(source)))<<16 | uint32(RtlUshortByteSwap(uint16(source>>16)))
}

// RtlUlonglongByteSwap reverses the order of the bytes.
//
// IRQL: any.
// Ownership: none.
// Rules: none.
// Reference: wdm/nf-wdm-rtlulonglongbyteswap.
func RtlUlonglongByteSwap(source uint64) uint64 {
	return uint64(RtlUlongByteSwap(uint32(source)))<<32 | uint64(RtlUlongByteSwap(uint32(source>>32)))
}

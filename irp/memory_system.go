package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/irql"
)

var siteSystemBuffer = ke.Site{Name: "fault/SystemBuffer", Alts: faultAlts, Spec: "irp.md 8, 19.2"}

// tagIo is the tag of buffers the I/O manager allocates.
const tagIo = 0x20206f49 // "Io  "

// allocSystem allocates a buffer of the I/O manager's own, nil when there is no memory. It is not
// initialised: what a driver does not write, a program gets to see (windows-driver-docs:
// kernel/failure-to-initialize-output-buffers.md).
func allocSystem(k *irql.K, n int) *Buffer {
	if ke.Fails(k, &siteSystemBuffer) {
		return nil
	}
	return pool.Alloc(k, &pool.Request{Kind: pool.NonPaged, Size: n, Tag: tagIo, System: true,
		Uninitialized: true})
}

// freeSystem frees what allocSystem made.
func freeSystem(k *irql.K, b *Buffer) { pool.FreeFor(k, ddi.None, b) }

// copyBySystem copies n bytes on behalf of the I/O manager.
func copyBySystem(k *irql.K, dst, src *Buffer, n int) {
	pool.Put(k, dst, pool.Raw(k, src)[:n])
}

package irp

import (
	"calloutsim/internal/ddi"
	"calloutsim/internal/ke"
	"calloutsim/internal/pool"
	"calloutsim/internal/trace"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// siteProbeWrite is what the other threads of the program did to the protection of its pages meanwhile.
// ProbeForRead looks at the address only.
var siteProbeWrite = ke.Site{Name: "fault/ProbeForWrite",
	Alts: []string{"writable", "STATUS_ACCESS_VIOLATION"}, Spec: "irp.md 19.2"}

// ProbeForRead raises an exception unless the memory lies in the address space of programs:
// STATUS_ACCESS_VIOLATION, or STATUS_DATATYPE_MISALIGNMENT for an address that is no multiple of alignment.
// It does not touch the memory; every access later may raise, too. With length 0 it does nothing.
//
// IRQL: <= APC_LEVEL.
// Ownership: the program's, which may change or free the memory at any time.
// Rules: IRQL-001.
// Not modelled: that the address means something else in another process.
// Reference: wdm/nf-wdm-probeforread.
func ProbeForRead(k *irql.K, address *Buffer, length uint64, alignment uint32) {
	ke.Enter(k, ddi.ProbeForRead)
	probe(k, ddi.ProbeForRead, address, length, alignment)
}

// ProbeForWrite is ProbeForRead that also makes sure that the memory can be written, at this moment.
//
// IRQL: <= APC_LEVEL.
// Ownership: the program's, which may change or free the memory at any time.
// Rules: IRQL-001.
// Not modelled: that the address means something else in another process.
// Reference: wdm/nf-wdm-probeforwrite.
func ProbeForWrite(k *irql.K, address *Buffer, length uint64, alignment uint32) {
	ke.Enter(k, ddi.ProbeForWrite)
	if length == 0 {
		probe(k, ddi.ProbeForWrite, address, length, alignment)
		return
	}
	// NULL is an address of programs at which nothing ever is, and so are those behind a buffer.
	if address == nil || length > uint64(address.Len()) || ke.Fails(k, &siteProbeWrite) {
		probe(k, ddi.ProbeForWrite, address, length, alignment)
		raise(k, ddi.ProbeForWrite, ntstatus.STATUS_ACCESS_VIOLATION)
	}
	probe(k, ddi.ProbeForWrite, address, length, alignment)
}

// probe is what both have in common. The alignment is looked at first (HEADER: ProbeForRead was a macro).
func probe(k *irql.K, d ddi.ID, b *Buffer, length uint64, alignment uint32) {
	ke.Adds(k, ke.Reads(b.ID()))
	if length == 0 {
		ke.Call(k, d, b.ID())
		return
	}
	addr := uint64(0)
	if b != nil {
		addr = b.Address()
	}
	switch {
	case addr&uint64(alignment-1) != 0:
		raise(k, d, ntstatus.STATUS_DATATYPE_MISALIGNMENT)
	case b != nil && pool.KindOf(b) != pool.User, length > userSpace || addr+length > userSpace:
		raise(k, d, ntstatus.STATUS_ACCESS_VIOLATION)
	}
	ke.Log(k, trace.Event{What: trace.Call, Code: d, Obj: b.ID(), A: length, Flags: trace.HasA})
}

// userSpace is where the addresses of programs end on x64 (MmUserProbeAddress).
const userSpace = 0x7fff_ffff_0000

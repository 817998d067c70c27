package irp

import (
	"calloutsim/internal/ke"
	"calloutsim/irql"
)

// This file has the members of an IRP that C code reads and writes as fields. First those that are the I/O
// manager's: a driver may look at them at most.

// Bits of AllocationFlags (HEADER).
const (
	IRP_QUOTA_CHARGED          uint8 = 0x01
	IRP_ALLOCATED_MUST_SUCCEED uint8 = 0x02
	IRP_ALLOCATED_FIXED_SIZE   uint8 = 0x04
	IRP_LOOKASIDE_ALLOCATION   uint8 = 0x08
)

// smallIrp is the largest number of locations for which IRPs of one size are kept (IMPL, reactos:
// ntoskrnl/io/iomgr/irp.c, IoAllocateIrp).
const smallIrp = 8

// AllocationFlags says where the memory of the IRP comes from: a small one has the fixed size, and one that
// is to be charged to the caller's quota comes from a list set aside for that (observed: reactos, kmtests
// IoIrp); a large one is charged. Rules: IRP-005.
func (p *IRP) AllocationFlags() uint8 {
	p.touch()
	quota := p.allocFlags&IRP_QUOTA_CHARGED != 0
	switch {
	case p.origin == byInitialize:
		return 0
	case p.stackCount > smallIrp && quota:
		return IRP_QUOTA_CHARGED
	case p.stackCount > smallIrp:
		return 0
	case quota:
		return IRP_ALLOCATED_FIXED_SIZE | IRP_LOOKASIDE_ALLOCATION
	}
	return IRP_ALLOCATED_FIXED_SIZE
}

// UserIosb is the status block that stage 2 reports to, NULL for an IRP of IoAllocateIrp. Rules: IRP-005.
func (p *IRP) UserIosb() *IO_STATUS_BLOCK {
	p.touch()
	return p.userIosb
}

// UserEvent is the event that stage 2 sets, NULL where there is none. Rules: IRP-005.
func (p *IRP) UserEvent() *irql.KEVENT {
	p.touch()
	return p.userEvent
}

// ThreadListEntry is the link in the list of the thread that the IRP is bound to: what IsListEmpty calls
// empty is in no such list. It is a copy: the list is the I/O manager's. Rules: IRP-005.
func (p *IRP) ThreadListEntry() *LIST_ENTRY {
	p.touch()
	e := &LIST_ENTRY{Record: p, id: p.id, run: p.m.Stamp()}
	e.Flink, e.Blink = e, e
	if p.inThreadList {
		thread := &LIST_ENTRY{Flink: e, Blink: e, run: e.run}
		e.Flink, e.Blink = thread, thread
	}
	return e
}

// IoStatus is the status block of the request. The owner writes it before completing the IRP; a completion
// routine may change it. Rules: IRP-005.
func (p *IRP) IoStatus() *IO_STATUS_BLOCK {
	p.touchStatus()
	return &p.ioStatus
}

// PendingReturned tells a completion routine that the level below was marked pending. Rules: IRP-005.
func (p *IRP) PendingReturned() bool {
	p.look()
	if k := p.m.Current(); k != nil && ke.Acting(k) != nil {
		p.looked = true
	}
	return p.pendingReturned
}

// Cancel reports whether IoCancelIrp was called for the IRP. Rules: IRP-005.
func (p *IRP) Cancel() bool {
	p.lookCancel()
	return p.cancel
}

// CancelIrql is what a cancel routine passes to IoReleaseCancelSpinLock. Rules: IRP-005.
func (p *IRP) CancelIrql() irql.KIRQL {
	p.lookCancel()
	return p.cancelIrql
}

// CancelRoutine returns the current cancel routine; only IoSetCancelRoutine changes it. Rules: IRP-005.
func (p *IRP) CancelRoutine() DRIVER_CANCEL {
	p.lookCancel()
	return p.cancelRoutine
}

// MdlAddress is the head of the chain of MDLs of the caller's buffer. Rules: IRP-005.
func (p *IRP) MdlAddress() *MDL {
	p.look()
	return p.mdl
}

// SetMdlAddress sets the chain; a creator does that and cleans up. Rules: IRP-005.
func (p *IRP) SetMdlAddress(mdl *MDL) {
	p.touch()
	p.mdl = mdl
}

// AssociatedIrp holds SystemBuffer. Rules: IRP-005.
func (p *IRP) AssociatedIrp() *ASSOCIATED_IRP {
	p.touch()
	return &p.assoc
}

// UserBuffer is the output buffer of METHOD_NEITHER requests. Rules: IRP-005.
func (p *IRP) UserBuffer() *Buffer {
	p.look()
	return p.userBuffer
}

// SetUserBuffer sets UserBuffer, as a creator may. Rules: IRP-005.
func (p *IRP) SetUserBuffer(b *Buffer) {
	p.touch()
	p.userBuffer = b
}

// DriverContext is Tail.Overlay.DriverContext, scratch space of the current owner. Rules: IRP-005.
func (p *IRP) DriverContext() *[4]any {
	p.touch()
	return &p.driverContext
}

// Flags returns the IRP_* bits. Rules: IRP-005.
func (p *IRP) Flags() uint32 {
	p.look()
	return p.flags
}

// RequestorMode is irql.KernelMode or irql.UserMode. Rules: IRP-005.
func (p *IRP) RequestorMode() irql.KPROCESSOR_MODE {
	p.look()
	return p.requestorMode
}

// StackCount is the number of stack locations. Rules: IRP-005.
func (p *IRP) StackCount() int8 {
	p.look()
	return p.stackCount
}

// CurrentLocation is the number of the current location, StackCount+1 when there is none. Rules: IRP-005.
func (p *IRP) CurrentLocation() int8 {
	p.look()
	return p.cur
}

// ListEntry is Tail.Overlay.ListEntry, the link for the current owner's queue. Rules: IRP-005, IRP-076.
func (p *IRP) ListEntry() *LIST_ENTRY {
	p.touch()
	if p.entry == nil {
		p.entry = &LIST_ENTRY{Record: p, of: p}
	}
	return p.entry
}

// listed reports whether the IRP is linked into a list through ListEntry.
func (p *IRP) listed() bool { return p.entry != nil && p.entry.in != nil }

// DeviceQueueEntry is Tail.Overlay.DeviceQueueEntry, the link for a device queue. It lies where DriverContext
// does, of which an insertion overwrites all but the last. Rules: IRP-005, IRP-076, OBJ-014.
func (p *IRP) DeviceQueueEntry() *KDEVICE_QUEUE_ENTRY {
	p.touch()
	return p.queueEntry()
}

func (p *IRP) queueEntry() *KDEVICE_QUEUE_ENTRY {
	if p.devEntry == nil {
		p.devEntry = &KDEVICE_QUEUE_ENTRY{of: p}
		p.devEntry.DeviceListEntry.Record = p
	}
	return p.devEntry
}

// waitsFor is the device queue that the IRP is in.
func (p *IRP) waitsFor() *KDEVICE_QUEUE {
	if p.devEntry == nil {
		return nil
	}
	return p.devEntry.in
}

// queued reports whether the IRP is linked into a list or waits in a device queue.
func (p *IRP) queued() bool { return p.listed() || p.waitsFor() != nil }

package irp

import (
	"calloutsim/irql"
)

// This file has the members of an IRP that are the I/O manager's: a driver may look at them at most.

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
	quota := p.allocFlags&allocQuota != 0
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

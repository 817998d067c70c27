package irp_test

import (
	"calloutsim/internal/ke"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// fuzzShared are the locks that have readers, and the newer timers.
type fuzzShared struct {
	resource [2]irql.ERESOURCE
	push     [2]irql.EX_PUSH_LOCK
	spin     [2]irql.EX_SPIN_LOCK
	timer    [2]*irql.EX_TIMER
	csq      irp.IO_CSQ
	context  [2]irp.IO_CSQ_IRP_CONTEXT
	lock     irql.KSPIN_LOCK
	old      irql.KIRQL
	queue    []*irp.IRP
}

func (z *fuzz) initialiseShared(k *irql.K) {
	s := &z.shared
	irql.ExInitializeResourceLite(k, &s.resource[0])
	irql.ExInitializePushLock(k, &s.push[0])
	irql.KeInitializeSpinLock(k, &s.lock)
	irp.IoCsqInitialize(k, &s.csq,
		func(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { s.queue = append(s.queue, p) },
		func(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { s.remove(p) },
		func(_ *irql.K, _ *irp.IO_CSQ, p *irp.IRP, _ any) *irp.IRP { return s.after(p) },
		func(k *irql.K, _ *irp.IO_CSQ, old *irql.KIRQL) { irql.KeAcquireSpinLock(k, &s.lock, old) },
		func(k *irql.K, _ *irp.IO_CSQ, old irql.KIRQL) { irql.KeReleaseSpinLock(k, &s.lock, old) },
		func(k *irql.K, _ *irp.IO_CSQ, p *irp.IRP) { complete(k, p, ntstatus.STATUS_CANCELLED) })
}

func (s *fuzzShared) remove(p *irp.IRP) {
	for i, q := range s.queue {
		if q == p {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			return
		}
	}
}

func (s *fuzzShared) after(p *irp.IRP) *irp.IRP {
	found := p == nil
	for _, q := range s.queue {
		if found {
			return q
		}
		found = q == p
	}
	return nil
}

// sharedOp uses locks that have readers, and the newer timers.
func (z *fuzz) sharedOp(k *irql.K, _ *irp.IRP, op int) {
	s, i := &z.shared, z.pick(2)
	switch op % 19 {
	case 0:
		irql.ExAcquireResourceExclusiveLite(k, &s.resource[i], z.next()&1 != 0)
	case 1:
		irql.ExAcquireResourceSharedLite(k, &s.resource[i], z.next()&1 != 0)
	case 2:
		irql.ExReleaseResourceLite(k, &s.resource[i])
	case 3:
		irql.ExConvertExclusiveToSharedLite(k, &s.resource[i])
	case 4:
		irql.ExEnterCriticalRegionAndAcquireResourceExclusive(k, &s.resource[i])
	case 5:
		irql.ExReleaseResourceAndLeaveCriticalRegion(k, &s.resource[i])
	case 6:
		irql.ExDeleteResourceLite(k, &s.resource[i])
	case 7:
		irql.ExAcquirePushLockExclusive(k, &s.push[i])
	case 8:
		irql.ExAcquirePushLockShared(k, &s.push[i])
	case 9:
		irql.ExReleasePushLockExclusive(k, &s.push[i])
	case 10:
		irql.ExReleasePushLockShared(k, &s.push[i])
	case 11:
		s.old = irql.ExAcquireSpinLockShared(k, &s.spin[i])
	case 12:
		s.old = irql.ExAcquireSpinLockExclusive(k, &s.spin[i])
	case 13:
		irql.ExReleaseSpinLockShared(k, &s.spin[i], s.old)
	case 14:
		irql.ExReleaseSpinLockExclusive(k, &s.spin[i], s.old)
	case 15:
		irql.ExTryConvertSharedSpinLockExclusive(k, &s.spin[i])
	case 16:
		expired := func(k *irql.K, _ *irql.EX_TIMER, _ any) { z.some(k, z.p[0]) }
		s.timer[i] = irql.ExAllocateTimer(k, expired, nil, uint32(z.pick(3))<<2)
	case 17:
		if s.timer[i] != nil {
			irql.ExSetTimer(k, s.timer[i], -int64(z.next())*ke.Millisecond, int64(z.pick(3))*5*ke.Second, nil)
		}
	case 18:
		if s.timer[i] != nil {
			irql.ExDeleteTimer(k, s.timer[i], z.next()&1 != 0, z.next()&1 != 0, nil)
		}
	}
}

// queueOp is cancel-safe queues, associated IRPs and the rarer ways to send.
func (z *fuzz) queueOp(k *irql.K, p *irp.IRP, op int) {
	s, dev := &z.shared, z.dev[z.pick(registers)]
	var context *irp.IO_CSQ_IRP_CONTEXT
	if i := z.pick(3); i < 2 {
		context = &s.context[i]
	}
	switch op % 8 {
	case 0:
		irp.IoCsqInsertIrp(k, &s.csq, p, context)
	case 1:
		z.p[z.pick(registers)] = irp.IoCsqRemoveNextIrp(k, &s.csq, nil)
	case 2:
		if context != nil {
			z.p[z.pick(registers)] = irp.IoCsqRemoveIrp(k, &s.csq, context)
		}
	case 3:
		z.p[z.pick(registers)] = irp.IoMakeAssociatedIrp(k, p, int8(z.pick(4)))
		if p != nil {
			p.AssociatedIrp().IrpCount = int32(z.pick(3))
		}
	case 4:
		if dev != nil {
			irp.IoForwardIrpSynchronously(k, dev, p)
		}
	case 5:
		if dev != nil {
			irp.IoSetCompletionRoutineEx(k, dev, p, z.onCompletion, nil, true, z.next()&1 == 0, true)
		}
	case 6:
		irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(2), 2)
	case 7:
		if dev != nil {
			z.p[z.pick(registers)] = irp.IoAllocateIrpEx(k, dev, int8(z.pick(4)), false)
		}
	}
}

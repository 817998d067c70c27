package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// IRPs in memory of the driver's own, and the smaller routines that make or forward IRPs.

var tagOwn = irp.Tag("OIrp")

// onOwnMemory sends an IRP in the client's own memory to a driver, n times.
func onOwnMemory(n int, low dispatch, act func(k *irql.K, p *irp.IRP)) func(l *lab) {
	return func(l *lab) {
		st := l.stack(low)
		l.run(func(k *irql.K) {
			mem := irp.New[irp.IRP](k, irp.POOL_FLAG_NON_PAGED, tagOwn)
			p := mem.Get()
			for range n {
				event := irql.OnStack[irql.KEVENT](k)
				irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
				irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
				prepare(k, p, signalIfPended, event)
				if irp.IoCallDriver(k, st[0].dev, p) == pending {
					if act != nil {
						act(k, p)
						return
					}
					waitFor(k, event)
				}
			}
			irp.Free(k, mem, tagOwn)
		})
	}
}

func TestIoInitializeIrp_OnOwnMemory(t *testing.T) {
	passes(t, onOwnMemory(3, completes(ok), nil))
	passes(t, onOwnMemory(3, pends(failed), nil))
}

func TestIoInitializeIrp_FreedWhileInUse(t *testing.T) {
	l := newLab(t, ke.Config{})
	st := l.stack(keeps)
	l.run(func(k *irql.K) {
		mem := irp.New[irp.IRP](k, irp.POOL_FLAG_NON_PAGED, tagOwn)
		irp.IoInitializeIrp(k, mem.Get(), irp.IoSizeOfIrp(1), 1)
		prepare(k, mem.Get(), stopIt, nil)
		irp.IoCallDriver(k, st[0].dev, mem.Get())
		irp.Free(k, mem, tagOwn)
	})
	assert.Contains(t, l.expect(verify.POOL_018).Headline, "irp#1, which is an IRP in use")
}

func TestIoInitializeIrp_AgainWhileInUse(t *testing.T) {
	tripsAs(t, verify.IRP_038, 0xC9, "0x310", onOwnMemory(1, keeps, func(k *irql.K, p *irp.IRP) {
		irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
	}))
}

func TestIoReuseIrp_WhileItIsLinked(t *testing.T) {
	tripsAs(t, verify.IRP_038, 0xC9, "0x310", lists(func(k *irql.K, head *irp.LIST_ENTRY) {
		p := irp.IoAllocateIrp(k, 1, false)
		irp.InsertTailList(k, head, p.ListEntry())
		irp.IoReuseIrp(k, p, ok)
	}))
}

func TestIoFreeIrp_OnOwnMemory(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		p := new(irp.IRP)
		irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
		irp.IoFreeIrp(k, p)
	})
	l.expect(verify.IRP_033)
}

// TestIoInitializeIrp_MemoryGone: the driver's own memory is freed, then the IRP in it is touched.
func TestIoInitializeIrp_MemoryGone(t *testing.T) {
	l := newLab(t, ke.Config{})
	l.run(func(k *irql.K) {
		mem := irp.New[irp.IRP](k, irp.POOL_FLAG_NON_PAGED, tagOwn)
		p := mem.Get()
		irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
		irp.Free(k, mem, tagOwn)
		_ = p.IoStatus()
	})
	l.expect(verify.IRP_005)
}

// Rule: IRP-039
func TestIoInitializeIrp_OnAnAllocatedIrp(t *testing.T) {
	for _, c := range []named[bool]{{"0x238", false}, {"0x20d", true}} { // whether quota is charged
		tripsAs(t, verify.IRP_039, 0xC9, c.name, func(l *lab) {
			l.run(func(k *irql.K) {
				p := irp.IoAllocateIrp(k, 1, c.do)
				irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
			})
		})
	}
}

// Near miss: IRP-039
func TestIoInitializeIrp_OnAMemberOfAStructure(t *testing.T) {
	passes(t, func(l *lab) {
		var extension struct{ p irp.IRP }
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := &extension.p
			irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(1), 1)
			prepare(k, p, stopIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			irp.IoInitializeIrp(k, p, irp.IoSizeOfIrp(2), 2)
			assert.EqualValues(t, 2, p.StackCount())
		})
	})
}

func TestIoAllocateIrpEx(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(pends(ok))
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrpEx(k, st[0].dev, 1, true)
			prepare(k, p, freeIt, nil)
			irp.IoCallDriver(k, st[0].dev, p)
			assert.Nil(t, irp.IoAllocateIrpEx(k, st[0].dev, -1, false))
		})
	})
}

// forwardsAndWaits is pattern 2 by one call.
func forwardsAndWaits(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	if !irp.IoForwardIrpSynchronously(k, d.below, p) {
		return complete(k, p, ntstatus.STATUS_INVALID_PARAMETER)
	}
	return completeAgain(k, d, p)
}

func TestIoForwardIrpSynchronously(t *testing.T) { overLowers(t, forwardsAndWaits, same) }

func TestIoForwardIrpSynchronously_WithoutALocation(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(forwardsAndWaits, completes(ok))
		l.run(func(k *irql.K) {
			p := irp.IoAllocateIrp(k, 1, false)
			prepare(k, p, freeIt, nil)
			assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, irp.IoCallDriver(k, st[0].dev, p))
		})
	})
}

func TestIoGetRequestorProcessId(t *testing.T) {
	passes(t, func(l *lab) {
		st := l.stack(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			p.IoStatus().Information = uint64(irp.IoGetRequestorProcessId(k, p))
			return complete(k, p, ok)
		})
		l.run(func(k *irql.K) {
			event, iosb := irql.OnStack[irql.KEVENT](k), irp.StackVar[irp.IO_STATUS_BLOCK](k)
			irp.IoCallDriver(k, st[0].dev, ioctl(k, st[0].dev, event, iosb.Get()))
			assert.EqualValues(t, ke.SystemPID, iosb.Get().Information)
			irp.IoCallDriver(k, st[0].dev, request(k, st[0].dev, func(k *irql.K, dev *irp.DEVICE_OBJECT,
				p *irp.IRP, c any) ntstatus.NTSTATUS {
				assert.Zero(t, p.IoStatus().Information, "nobody's thread")
				return freeIt(k, dev, p, c)
			}, nil))
		})
	})
}

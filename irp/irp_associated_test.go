package irp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// Associated IRPs. wdk-ddi-src/content/ntddk/nf-ntddk-iomakeassociatedirp.md, "Remarks"

// splitter is the highest driver of a stack; it splits every request.
type splitter struct {
	count   int32 // IrpCount
	parts   int
	mark    bool
	late    bool // IrpCount is set after the first send
	routine irp.IO_COMPLETION_ROUTINE
}

func (s splitter) dispatch(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
	if s.mark {
		irp.IoMarkIrpPending(k, p)
	}
	if !s.late {
		p.AssociatedIrp().IrpCount = s.count
	}
	p.IoStatus().Information = 7
	for range s.parts {
		a := irp.IoMakeAssociatedIrp(k, p, d.below.StackSize)
		prepare(k, a, s.routine, p)
		irp.IoCallDriver(k, d.below, a)
	}
	return pending
}

// splits sends one request through a splitter over a lower driver and gives what its creator saw.
func splits(t *testing.T, s splitter, low dispatch) func(l *lab) {
	return func(l *lab) {
		st := l.stack(s.dispatch, low)
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, func(k *irql.K, dev *irp.DEVICE_OBJECT, p *irp.IRP,
				c any) ntstatus.NTSTATUS {
				assert.Equal(t, uint64(7), p.IoStatus().Information)
				return freeIt(k, dev, p, c)
			}, nil)
			assert.Equal(t, pending, irp.IoCallDriver(k, st[0].dev, p))
		})
	}
}

func TestIoMakeAssociatedIrp_LastPartCompletesTheMaster(t *testing.T) {
	for _, low := range lowers {
		t.Run(low.name, func(t *testing.T) {
			passes(t, splits(t, splitter{count: 3, parts: 3, mark: true}, low.do))
		})
	}
}

func TestIoMakeAssociatedIrp_RoutineLooksAtEachPart(t *testing.T) {
	seen := 0
	looks := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
		assert.NotZero(t, p.Flags()&irp.IRP_ASSOCIATED_IRP)
		seen++
		return resume
	}
	passes(t, splits(t, splitter{count: 2, parts: 2, mark: true, routine: looks}, pends(ok)))
	assert.NotZero(t, seen)
}

// TestIoMakeAssociatedIrp_StoppedPartIsTheDrivers: a routine that stops the climb takes the part out of the
// count; the driver frees it and completes the master itself.
func TestIoMakeAssociatedIrp_StoppedPartIsTheDrivers(t *testing.T) {
	own := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, context any) ntstatus.NTSTATUS {
		irp.IoFreeIrp(k, p)
		complete(k, context.(*irp.IRP), ok)
		return stop
	}
	passes(t, splits(t, splitter{count: 1, parts: 1, mark: true, routine: own}, pends(ok)))
}

// Rule: IRP-074
func TestIoMakeAssociatedIrp_Misused(t *testing.T) {
	for _, c := range []named[splitter]{
		{"IrpCount not set", splitter{count: 2, parts: 2, mark: true, late: true}},
		{"more than made", splitter{count: 3, parts: 2, mark: true}},
		{"not marked", splitter{count: 1, parts: 1}},
	} {
		t.Run(c.name, func(t *testing.T) { trips(t, verify.IRP_074, splits(t, c.do, pends(ok))) })
	}
	t.Run("fewer than made", func(t *testing.T) {
		done := race{reason: "the first part may have completed the master before the second is made",
			rules: []verify.RuleID{verify.IRP_005}}
		tripsMostly(t, verify.IRP_074, done, splits(t, splitter{count: 1, parts: 2, mark: true}, pends(ok)))
	})
	t.Run("of an associated IRP", func(t *testing.T) {
		inner := splitter{count: 1, parts: 1, mark: true}
		trips(t, verify.IRP_074, func(l *lab) {
			l.through(splitter{count: 1, parts: 1, mark: true}.dispatch, inner.dispatch, completes(ok))
		})
	})
	t.Run("buffered", func(t *testing.T) {
		trips(t, verify.IRP_074, func(l *lab) {
			l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
				p.AssociatedIrp().SystemBuffer = irp.StackBuffer(k, 4)
				irp.IoMakeAssociatedIrp(k, p, 1)
				return complete(k, p, ok)
			})
		})
	})
}

// Near miss: IRP-074
func TestIoMakeAssociatedIrp_CountMarkSend(t *testing.T) {
	passes(t, splits(t, splitter{count: 1, parts: 1, mark: true}, completes(ok)))
}

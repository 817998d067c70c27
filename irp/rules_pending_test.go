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

// The rules of the pending contract: what a dispatch routine returns, what a completion routine passes on,
// and in what state both leave the processor.

// markAndForward marks, forwards and returns what answer makes of IoCallDriver's result.
func markAndForward(answer func(s ntstatus.NTSTATUS) ntstatus.NTSTATUS) dispatch {
	return func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
		irp.IoMarkIrpPending(k, p)
		return answer(forward(k, d, p, nil))
	}
}

func same(s ntstatus.NTSTATUS) ntstatus.NTSTATUS     { return s }
func sayPending(ntstatus.NTSTATUS) ntstatus.NTSTATUS { return pending }
func sayOk(ntstatus.NTSTATUS) ntstatus.NTSTATUS      { return ok }
func returns(s ntstatus.NTSTATUS) (d dispatch) {
	return func(*irql.K, *driver, *irp.IRP) ntstatus.NTSTATUS { return s }
}
func answers(d dispatch, s ntstatus.NTSTATUS) dispatch {
	return func(k *irql.K, dr *driver, p *irp.IRP) ntstatus.NTSTATUS {
		d(k, dr, p)
		return s
	}
}

// Rule: IRP-006
func TestDispatch_MarkedButReturnsTheLowerStatus(t *testing.T) {
	trips(t, verify.IRP_006, func(l *lab) { l.through(markAndForward(same), completes(ok)) })
	trips(t, verify.IRP_006, func(l *lab) { l.through(markAndForward(sayOk), pends(ok)) })
	trips(t, verify.IRP_006, func(l *lab) { // completed inline after the mark
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			return complete(k, p, ok)
		})
	})
}

// Near miss: IRP-006
func TestDispatch_MarkedAndReturnsPendingWhateverHappens(t *testing.T) {
	passes(t, func(l *lab) { l.through(markAndForward(sayPending), completes(ok)) })
	passes(t, func(l *lab) { l.through(markAndForward(sayPending), completes(failed)) })
	passes(t, func(l *lab) { l.through(markAndForward(same), pends(ok)) })
}

// Rule: IRP-007
func TestDispatch_ReturnsPendingWithoutTheMark(t *testing.T) {
	trips(t, verify.IRP_007, func(l *lab) { // queued without a mark
		l.through(func(_ *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			d.kept = p
			return pending
		})
	})
	trips(t, verify.IRP_007, func(l *lab) { l.through(answers(completes(ok), pending)) })
	trips(t, verify.IRP_007, func(l *lab) { l.through(answers(forwards(propagate), pending), completes(ok)) })
}

// Near miss: IRP-007
func TestDispatch_ReturnsPendingBecauseTheLowerDriverDid(t *testing.T) {
	passes(t, func(l *lab) { l.through(forwards(propagate), pends(ok)) })
	passes(t, func(l *lab) { l.through(skips, pends(ok)) })
}

// Rule: IRP-008
func TestDispatch_NeitherCompletesForwardsNorPends(t *testing.T) {
	trips(t, verify.IRP_008, func(l *lab) { l.through(returns(ntstatus.STATUS_INVALID_DEVICE_REQUEST)) })
	trips(t, verify.IRP_008, func(l *lab) { l.through(returns(ok)) })
}

// Near miss: IRP-008
func TestDispatch_CompletesWhatItDoesNotKnow(t *testing.T) {
	passes(t, func(l *lab) {
		assert.Equal(t, ntstatus.STATUS_INVALID_DEVICE_REQUEST,
			l.through(completes(ntstatus.STATUS_INVALID_DEVICE_REQUEST)))
	})
}

// Rule: IRP-009
func TestDispatch_ReturnsAnotherStatusThanTheIrps(t *testing.T) {
	trips(t, verify.IRP_009, func(l *lab) {
		l.through(answers(completes(ntstatus.STATUS_BUFFER_TOO_SMALL), ok))
	})
	trips(t, verify.IRP_009, func(l *lab) { // only forwarded
		l.through(answers(skips, ok), completes(failed))
	})
	climbed := race{reason: "the routine may have marked the location by then",
		rules: []verify.RuleID{verify.IRP_006}}
	tripsMostly(t, verify.IRP_009, climbed, func(l *lab) { // the lower driver said STATUS_PENDING
		l.through(answers(forwards(propagate), ok), pends(ok))
	})
}

// Near miss: IRP-009
func TestDispatch_ReturnsTheStatusOfTheIrp(t *testing.T) {
	passes(t, func(l *lab) {
		assert.Equal(t, ntstatus.STATUS_BUFFER_TOO_SMALL,
			l.through(completes(ntstatus.STATUS_BUFFER_TOO_SMALL)))
	})
	passes(t, func(l *lab) { // own status after the wait, not the lower driver's
		own := func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS { return complete(k, p, failed) }
		assert.Equal(t, failed, l.through(forwardAndWait(own), completes(ok)))
	})
}

// Rule: IRP-010
func TestIoCompleteRequest_WithAnIllegalStatus(t *testing.T) {
	trips(t, verify.IRP_010, func(l *lab) { l.through(completes(pending)) })
	trips(t, verify.IRP_010, func(l *lab) { l.through(completes(0xFFFFFFFF)) })
	tripsAs(t, verify.IRP_010, 0xC9, "0x225", func(l *lab) { l.through(returns(0xFFFFFFFF)) })
	f := tripsAs(t, verify.IRP_010, 0, "", func(l *lab) { l.through(completes(stop)) })
	assert.Equal(t, verify.Warning, f.Severity())
}

// Near miss: IRP-010
func TestIoCompleteRequest_WithTheStatusAfterTheWait(t *testing.T) {
	passes(t, func(l *lab) { assert.Equal(t, ok, l.through(forwardAndWait(completeAgain), pends(ok))) })
	passes(t, func(l *lab) { l.through(completes(ntstatus.STATUS_BUFFER_OVERFLOW)) })
}

// Rule: IRP-011
func TestCompletionRoutine_DoesNotPropagatePendingReturned(t *testing.T) {
	logs := func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS { return resume }
	trips(t, verify.IRP_011, func(l *lab) { l.through(forwards(logs), pends(ok)) })
}

// Near miss: IRP-011
func TestCompletionRoutine_PropagatesOrHasNothingToPropagate(t *testing.T) {
	logs := func(*irql.K, *irp.DEVICE_OBJECT, *irp.IRP, any) ntstatus.NTSTATUS { return resume }
	passes(t, func(l *lab) { l.through(forwards(propagate), pends(ok)) })
	passes(t, func(l *lab) { l.through(forwards(logs), completes(ok)) })
	passes(t, func(l *lab) { // its dispatch routine has marked already
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			forward(k, d, p, logs)
			return pending
		}, pends(ok))
	})
}

// Rule: IRP-015
func TestIoSkipCurrentIrpStackLocation_AfterTheMark(t *testing.T) {
	trips(t, verify.IRP_015, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			skips(k, d, p)
			return pending
		}, completes(ok))
	})
}

// Near miss: IRP-015
func TestIoCopyCurrentIrpStackLocationToNext_AfterTheMarkIsSilent(t *testing.T) {
	passes(t, func(l *lab) { l.through(markAndForward(sayPending), completes(ok)) })
}

// throughRoutine runs one request whose middle driver has the given routine.
func throughRoutine(fn irp.IO_COMPLETION_ROUTINE) func(l *lab) {
	return func(l *lab) { l.through(forwards(fn), completes(ok)) }
}

// Rule: IRP-050
func TestCompletionRoutine_FreesAndContinues(t *testing.T) {
	for _, c := range []named[func(k *irql.K, p *irp.IRP)]{
		{"free", irp.IoFreeIrp},
		{"reuse", func(k *irql.K, p *irp.IRP) { irp.IoReuseIrp(k, p, ok) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			trips(t, verify.IRP_050, func(l *lab) {
				st := l.stack(completes(ok))
				l.run(func(k *irql.K) {
					p := request(k, st[0].dev, func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
						_ any) ntstatus.NTSTATUS {
						c.do(k, p)
						return resume
					}, nil)
					irp.IoCallDriver(k, st[0].dev, p)
				})
			})
		})
	}
}

// Near miss: IRP-050
func TestCompletionRoutine_FreesAndStops(t *testing.T) {
	passes(t, func(l *lab) { l.through(completes(ok)) })
}

// Rule: IRP-051
func TestCompletionRoutine_ResendsAndContinues(t *testing.T) {
	trips(t, verify.IRP_051, throughRoutine(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		context any) ntstatus.NTSTATUS {
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		return irp.IoCallDriver(k, context.(*driver).below, p)
	}))
	trips(t, verify.IRP_051, func(l *lab) { // completes to a driver above that keeps it, and continues
		again := func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
			irp.IoCompleteRequest(k, p, irp.IO_NO_INCREMENT)
			return resume
		}
		l.through(forwardAndWait(completeAgain), forwards(again), completes(ok))
	})
}

// Near miss: IRP-051
func TestCompletionRoutine_ResendsAndStops(t *testing.T) {
	passes(t, throughRoutine(func(k *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP,
		context any) ntstatus.NTSTATUS {
		irp.IoCopyCurrentIrpStackLocationToNext(k, p)
		irp.IoCallDriver(k, context.(*driver).below, p)
		return stop
	}))
}

// leaves is a routine that leaves the processor in another state than it found it in.
func leaves(act func(k *irql.K)) irp.IO_COMPLETION_ROUTINE {
	return func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, _ any) ntstatus.NTSTATUS {
		act(k)
		return resume
	}
}

func raises(k *irql.K) {
	var old irql.KIRQL
	irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
}

func raisesAndLowers(k *irql.K) {
	var old irql.KIRQL
	irql.KeRaiseIrql(k, irql.DISPATCH_LEVEL, &old)
	irql.KeLowerIrql(k, old)
}

// Rule: IRP-052
func TestCompletionRoutine_ChangesIrqlOrApcState(t *testing.T) {
	f := trips(t, verify.IRP_052, throughRoutine(leaves(raises)))
	assert.Equal(t, "irp#1", f.Obj)
	tripsAs(t, verify.IRP_052, 0xC4, "0xfb", throughRoutine(leaves(irql.KeEnterCriticalRegion)))
	tripsAs(t, verify.IRP_052, 0xC4, "0xfb", throughRoutine(leaves(irql.KeEnterGuardedRegion)))
}

// Near miss: IRP-052
func TestCompletionRoutine_RestoresIrqlAndApcState(t *testing.T) {
	passes(t, throughRoutine(leaves(func(k *irql.K) {
		raisesAndLowers(k)
		irql.KeEnterCriticalRegion(k)
		irql.KeLeaveCriticalRegion(k)
	})))
}

// throughDispatch runs one request whose driver does act before it completes.
func throughDispatch(act func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			s := complete(k, p, ok)
			act(k)
			return s
		})
	}
}

// Rule: IRP-057
func TestDispatch_ChangesIrql(t *testing.T) {
	f := trips(t, verify.IRP_057, throughDispatch(raises))
	assert.Equal(t, "drv0.sys", f.Driver)
}

// Near miss: IRP-057
func TestDispatch_RestoresIrql(t *testing.T) {
	passes(t, throughDispatch(raisesAndLowers))
}

// Rule: IRP-058
func TestDispatch_ChangesApcState(t *testing.T) {
	trips(t, verify.IRP_058, throughDispatch(irql.KeEnterCriticalRegion))
	trips(t, verify.IRP_058, throughDispatch(irql.KeEnterGuardedRegion))
}

// Near miss: IRP-058
func TestDispatch_RestoresApcState(t *testing.T) {
	passes(t, throughDispatch(func(k *irql.K) {
		irql.KeEnterCriticalRegion(k)
		irql.KeLeaveCriticalRegion(k)
	}))
}

// completesUnder is a driver that completes between two acts.
func completesUnder(before, after func(k *irql.K)) func(l *lab) {
	return func(l *lab) {
		l.through(func(k *irql.K, _ *driver, p *irp.IRP) ntstatus.NTSTATUS {
			before(k)
			s := complete(k, p, ok)
			after(k)
			return s
		})
	}
}

// Rule: IRP-053
func TestIoCompleteRequest_UnderASpinLock(t *testing.T) {
	var lock irql.KSPIN_LOCK
	var old irql.KIRQL
	f := trips(t, verify.IRP_053, completesUnder(func(k *irql.K) {
		irql.KeInitializeSpinLock(k, &lock)
		irql.KeAcquireSpinLock(k, &lock, &old)
	}, func(k *irql.K) { irql.KeReleaseSpinLock(k, &lock, old) }))
	assert.Equal(t, "ACQUIRED", f.Places[0].Label)
	trips(t, verify.IRP_053, completesUnder(func(k *irql.K) { irp.IoAcquireCancelSpinLock(k, &old) },
		func(k *irql.K) { irp.IoReleaseCancelSpinLock(k, old) }))
}

// Near miss: IRP-053
func TestIoCompleteRequest_AfterTheSpinLock(t *testing.T) {
	var lock irql.KSPIN_LOCK
	passes(t, completesUnder(func(k *irql.K) {
		var old irql.KIRQL
		irql.KeInitializeSpinLock(k, &lock)
		irql.KeAcquireSpinLock(k, &lock, &old)
		irql.KeReleaseSpinLock(k, &lock, old)
	}, func(*irql.K) {}))
}

func atLevel(level irql.KIRQL) func(l *lab) {
	var old irql.KIRQL
	return completesUnder(func(k *irql.K) {
		irql.KeRaiseIrql(k, level, &old)
	}, func(k *irql.K) { irql.KeLowerIrql(k, old) })
}

// Rule: IRP-054
func TestIoCompleteRequest_AboveDispatchLevel(t *testing.T) {
	f := trips(t, verify.IRP_054, atLevel(irql.CMCI_LEVEL))
	assert.Equal(t, "5", f.Args[1].Value)
}

// Near miss: IRP-054
func TestIoCompleteRequest_AtDispatchLevel(t *testing.T) {
	passes(t, atLevel(irql.DISPATCH_LEVEL))
}

// sendsAt sends a request with a major function at a level.
func sendsAt(level irql.KIRQL, major uint8) func(l *lab) {
	return func(l *lab) {
		st := l.stack(completes(ok))
		l.run(func(k *irql.K) {
			p := request(k, st[0].dev, freeIt, nil)
			irp.IoGetNextIrpStackLocation(k, p).SetMajorFunction(major)
			var old irql.KIRQL
			irql.KeRaiseIrql(k, level, &old)
			irp.IoCallDriver(k, st[0].dev, p)
			irql.KeLowerIrql(k, old)
		})
	}
}

// Rule: IRP-055
func TestIoCallDriver_AtABadIrql(t *testing.T) {
	f := trips(t, verify.IRP_055, sendsAt(irql.DISPATCH_LEVEL, irp.IRP_MJ_CREATE))
	assert.Equal(t, ke.LevelName(ke.APC), ke.LevelName(f.AllowedIRQL))
	f = trips(t, verify.IRP_055, sendsAt(irql.CMCI_LEVEL, irp.IRP_MJ_READ))
	assert.Equal(t, ke.LevelName(ke.Dispatch), ke.LevelName(f.AllowedIRQL))
	assert.Equal(t, []verify.RuleID{verify.IRQL_001}, f.Also)
}

// Near miss: IRP-055
func TestIoCallDriver_AtDispatchLevelWithAMajorThatAllowsIt(t *testing.T) {
	for _, major := range []uint8{irp.IRP_MJ_POWER, irp.IRP_MJ_READ, irp.IRP_MJ_WRITE,
		irp.IRP_MJ_DEVICE_CONTROL,
		irp.IRP_MJ_INTERNAL_DEVICE_CONTROL} {
		passes(t, sendsAt(irql.DISPATCH_LEVEL, major))
	}
	passes(t, sendsAt(irql.APC_LEVEL, irp.IRP_MJ_CREATE))
}

// Rule: IRP-068
func TestCompletionRoutine_StopsTheClimbForEver(t *testing.T) {
	trips(t, verify.IRP_068, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			forward(k, d, p, stopIt)
			return pending
		}, pends(ok))
	})
	trips(t, verify.IRP_068, func(l *lab) { // forwarded and waited for, then forgotten
		l.through(forwardAndWait(func(*irql.K, *driver, *irp.IRP) ntstatus.NTSTATUS {
			return ok
		}), completes(ok))
	})
}

// Near miss: IRP-068
func TestCompletionRoutine_StopsTheClimbAndSomebodyResumesIt(t *testing.T) {
	passes(t, func(l *lab) { l.through(forwardAndWait(completeAgain), pends(ok)) })
	passes(t, func(l *lab) {
		l.through(func(k *irql.K, d *driver, p *irp.IRP) ntstatus.NTSTATUS {
			irp.IoMarkIrpPending(k, p)
			forward(k, d, p, func(_ *irql.K, _ *irp.DEVICE_OBJECT, p *irp.IRP, _ any) ntstatus.NTSTATUS {
				d.completeLater(p, ok)
				return stop
			})
			return pending
		}, pends(ok))
	})
}

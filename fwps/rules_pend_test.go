package fwps_test

import (
	"testing"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
)

// acquire gets a handle of the current call.
func (a *args) acquire() (h uint64) {
	fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &h)
	return h
}

// later runs fn in a work item of the driver.
func (d *driver) later(k *irql.K, fn func(k *irql.K)) {
	item := irp.IoAllocateWorkItem(k, d.dev)
	irp.IoQueueWorkItem(k, item, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		irp.IoFreeWorkItem(k, item)
		fn(k)
	}, irp.DelayedWorkQueue, nil)
}

// handles are the cases about classify handles.
func handles() []ruleCase {
	holding := func(fn func(a *args, h uint64)) func(l *lab) {
		return func(l *lab) {
			d := l.single(atRedirect, func(a *args) {
				a.permit()
				fn(a, a.acquire())
			})
			l.connect()
			l.end(d)
		}
	}
	release := func(a *args, h uint64) { fwps.FwpsReleaseClassifyHandle0(a.k, h) }
	var data any
	return []ruleCase{
		{verify.WFP_009, nil, onRedirect(func(a *args) {
			h, filter, out := a.acquire(), a.filter.FilterId, *a.out
			a.d.later(a.k, func(k *irql.K) {
				fwps.FwpsPendClassify0(k, h, filter, 0, &out)
				fwps.FwpsReleaseClassifyHandle0(k, h)
			})
			a.permit()
		}), pending(func(k *irql.K, p *pended) { p.done(k) })},
		{verify.WFP_061, nil, holding(func(*args, uint64) {}), holding(release)},
		{verify.WFP_062, nil, holding(func(a *args, h uint64) {
			release(a, h)
			release(a, h)
		}), holding(release)},
		{verify.WFP_063, nil, holding(func(a *args, h uint64) {
			release(a, h)
			fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, nil)
		}), holding(func(a *args, h uint64) {
			fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, nil)
			fwps.FwpsApplyModifiedLayerData0(a.k, h, data, 0)
			release(a, h)
		})},
		{verify.WFP_082, nil, onRedirect(func(a *args) {
			a.permit()
			ctx := a.ctx
			a.d.later(a.k, func(k *irql.K) {
				var h uint64
				fwps.FwpsAcquireClassifyHandle0(k, ctx, 0, &h)
			})
		}), holding(release)},
	}
}

// Rule: WFP-009, WFP-061, WFP-062, WFP-063, WFP-082
func TestClassifyHandle_Misused(t *testing.T) { trip(t, handles()) }

// Near miss: WFP-009, WFP-061, WFP-062, WFP-063, WFP-082
func TestClassifyHandle_WellUsed(t *testing.T) { miss(t, handles()) }

// pend is a scenario with one callout that has a classify handle and a record for what it pends.
func pend(w where, fn func(a *args, h uint64, p *pended)) func(l *lab) {
	return func(l *lab) {
		l.single(w, func(a *args) {
			p := &pended{d: a.d, filter: a.filter.FilterId, handle: a.acquire()}
			fn(a, p.handle, p)
		})
		if w.layer == atAuth.layer {
			l.auth()
		} else {
			l.connect()
		}
		l.end()
	}
}

// pends are the cases about FwpsPendClassify0.
func pends() []ruleCase {
	completes := func(a *args, p *pended) {
		p.out = *a.out
		a.d.later(a.k, p.done)
	}
	try := func(a *args, h uint64, filter uint64, flags uint32) bool {
		return fwps.FwpsPendClassify0(a.k, h, filter, flags, a.out) == ok
	}
	good := pend(atRedirect, func(a *args, h uint64, p *pended) {
		try(a, h, p.filter, 0)
		a.block()
		completes(a, p)
	})
	failing := []ke.Pin{pin("fault/FwpsPendClassify0", 1)}
	return []ruleCase{
		{verify.WFP_064, nil, pend(atAuth, func(a *args, h uint64, p *pended) {
			try(a, h, p.filter, 0)
			a.permit()
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
		}), good},
		{verify.WFP_065, failing, pend(atRedirect, func(a *args, h uint64, p *pended) {
			try(a, h, p.filter, 0)
			a.block()
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
		}), pend(atRedirect, func(a *args, h uint64, p *pended) {
			a.permit()
			if try(a, h, p.filter, 0) {
				a.block()
			}
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
		})},
		{verify.WFP_066, nil, pend(atRedirect, func(a *args, h uint64, p *pended) {
			try(a, h, p.filter, 0)
			a.permit()
			completes(a, p)
		}), good},
		{verify.WFP_067, nil, pend(atRedirect, func(a *args, h uint64, p *pended) {
			try(a, h, p.filter, 0)
			a.block()
		}), good},
		{verify.WFP_073, nil, pend(atRedirect, func(a *args, h uint64, p *pended) {
			try(a, h, p.filter, 1)
			a.permit()
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
		}), good},
		{verify.WFP_074, nil, pend(atRedirect, func(a *args, h uint64, _ *pended) {
			try(a, h, uint64(a.filter.Action.CalloutId), 0)
			a.permit()
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
		}), good},
		{verify.WFP_075, nil, pend(atRedirect, func(a *args, h uint64, p *pended) {
			try(a, h, p.filter, 0)
			try(a, h, p.filter, 0)
			a.block()
			completes(a, p)
		}), good},
	}
}

// Rule: WFP-064, WFP-065, WFP-066, WFP-067, WFP-073, WFP-074, WFP-075
func TestFwpsPendClassify0_Misused(t *testing.T) { trip(t, pends()) }

// Near miss: WFP-064, WFP-065, WFP-066, WFP-067, WFP-073, WFP-074, WFP-075
func TestFwpsPendClassify0_WellUsed(t *testing.T) { miss(t, pends()) }

// completions are the cases about FwpsCompleteClassify0.
func completions() []ruleCase {
	once := pending(func(k *irql.K, p *pended) { p.done(k) })
	again := func(times int) func(l *lab) {
		return func(l *lab) {
			n := 0
			l.single(atRedirect, func(a *args) {
				if n++; n > times {
					a.permit()
					return
				}
				a.pend(func(k *irql.K, p *pended) {
					fwps.FwpsCompleteClassify0(k, p.handle, 0, nil)
					fwps.FwpsReleaseClassifyHandle0(k, p.handle)
				})
			})
			l.connect()
		}
	}
	waiting := func(ms int64) func(l *lab) {
		return pending(func(k *irql.K, p *pended) {
			delay(k, ms)
			p.done(k)
		})
	}
	inline := []ke.Pin{pin("doc/FwpsCompleteClassify0/resume", 1)}
	return []ruleCase{
		{verify.WFP_068, nil, pending(func(k *irql.K, p *pended) {
			p.complete(k)
			p.done(k)
		}), once},
		{verify.WFP_069, nil, onRedirect(func(a *args) {
			p := &pended{handle: a.acquire(), out: *a.out}
			p.done(a.k)
			a.permit()
		}), once},
		{verify.WFP_070, nil, pending(func(k *irql.K, p *pended) {
			fwps.FwpsCompleteClassify0(k, p.handle, 0, p.original)
		}), once},
		{verify.WFP_071, nil, pending(func(k *irql.K, p *pended) {
			p.out = fwps.FWPS_CLASSIFY_OUT0{}
			p.done(k)
		}), once},
		{verify.WFP_072, nil, pending(func(k *irql.K, p *pended) {
			p.out.ActionType = permit
			fwps.FwpsCompleteClassify0(k, p.handle, 0, &p.out)
			fwps.FwpsReleaseClassifyHandle0(k, p.handle)
		}), once},
		{verify.WFP_076, nil, again(5), again(1)},
		{verify.WFP_079, nil, waiting(61_000), waiting(10_000)},
		{verify.WFP_080, inline, underLock(true), underLock(false)},
		{verify.WFP_081, nil, filterGoes(true), filterGoes(false)},
	}
}

// underLock completes with NULL, holding the lock that classifyFn takes or not.
func underLock(held bool) func(l *lab) {
	return func(l *lab) {
		lock := new(irql.KSPIN_LOCK)
		l.load("redir.sys", func(k *irql.K, d *driver) {
			irql.KeInitializeSpinLock(k, lock)
			d.hook(k, atRedirect, func(a *args) {
				var old irql.KIRQL
				irql.KeAcquireSpinLock(a.k, lock, &old)
				again := a.again()
				irql.KeReleaseSpinLock(a.k, lock, old)
				if again {
					a.permit()
					return
				}
				a.pend(func(k *irql.K, p *pended) {
					if held {
						irql.KeAcquireSpinLock(k, lock, &old)
					}
					fwps.FwpsCompleteClassify0(k, p.handle, 0, nil)
					if held {
						irql.KeReleaseSpinLock(k, lock, old)
					}
					fwps.FwpsReleaseClassifyHandle0(k, p.handle)
				})
			})
		})
		l.connect()
	}
}

// filterGoes deletes the filter before or after the classification it pended is completed with NULL.
func filterGoes(early bool) func(l *lab) {
	return func(l *lab) {
		d := l.single(atRedirect, nil)
		d.hooks[0].fn = func(a *args) {
			if a.again() {
				a.permit()
				return
			}
			a.pend(func(k *irql.K, p *pended) {
				if early {
					fwpm.FwpmFilterDeleteById0(k, d.engine, d.hooks[0].filter)
				}
				fwps.FwpsCompleteClassify0(k, p.handle, 0, nil)
				fwps.FwpsReleaseClassifyHandle0(k, p.handle)
				if !early {
					fwpm.FwpmFilterDeleteById0(k, d.engine, d.hooks[0].filter)
				}
			})
		}
		l.connect()
	}
}

// Rule: WFP-068, WFP-069, WFP-070, WFP-071, WFP-072, WFP-076, WFP-079, WFP-080, WFP-081
func TestFwpsCompleteClassify0_Misused(t *testing.T) { trip(t, completions()) }

// Near miss: WFP-068, WFP-069, WFP-070, WFP-071, WFP-072, WFP-076, WFP-079, WFP-080, WFP-081
func TestFwpsCompleteClassify0_WellUsed(t *testing.T) { miss(t, completions()) }

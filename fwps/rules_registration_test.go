package fwps_test

import (
	"testing"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// raised runs fn at a level.
func raised(k *irql.K, level irql.KIRQL, fn func()) {
	var old irql.KIRQL
	irql.KeRaiseIrql(k, level, &old)
	fn()
	irql.KeLowerIrql(k, old)
}

// inThread is a scenario in a thread of a driver with one callout.
func inThread(fn func(k *irql.K, d *driver)) func(l *lab) {
	return func(l *lab) {
		d := l.single(atRedirect, permits)
		d.as(func(k *irql.K) { fn(k, d) })
		l.m.Run(nil)
	}
}

// stalling is a scenario whose classifyFn keeps the processor busy.
func stalling(times int) func(l *lab) {
	return onRedirect(func(a *args) {
		a.permit()
		for range times {
			irql.KeStallExecutionProcessor(a.k, 50)
		}
	})
}

// notified is a scenario whose notifyFn answers types it does not know with s.
func notified(s ntstatus.NTSTATUS) func(l *lab) {
	return func(l *lab) {
		l.load("redir.sys", func(k *irql.K, d *driver) {
			h := &hook{key: fwps.GUID{Data1: 0xca}, fn: permits}
			c := d.describe(h)
			c.NotifyFn = func(_ *irql.K, t fwps.FWPS_CALLOUT_NOTIFY_TYPE, _ *fwps.GUID,
				_ *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
				if t > fwps.FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT {
					return s
				}
				return ok
			}
			fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id)
			d.addObjects(k, atRedirect, h)
			d.addFilter(k, atRedirect, h, nil)
		})
	}
}

// levels are the cases about IRQL.
func levels() []ruleCase {
	atLevel := func(level irql.KIRQL, fn func(k *irql.K, d *driver)) func(l *lab) {
		return inThread(func(k *irql.K, d *driver) { raised(k, level, func() { fn(k, d) }) })
	}
	register := func(k *irql.K, d *driver) {
		h := &hook{key: fwps.GUID{Data1: 0xfeed}, fn: permits}
		fwps.FwpsCalloutRegister1(k, d.dev, d.describe(h), nil)
	}
	destroy := func(k *irql.K, d *driver) { fwps.FwpsRedirectHandleDestroy0(k, d.handle) }
	deleteFilter := func(k *irql.K, d *driver) { fwpm.FwpmFilterDeleteById0(k, d.engine, d.hooks[0].filter) }
	release := func(level irql.KIRQL) func(l *lab) {
		return onRedirect(func(a *args) {
			h := a.acquire()
			raised(a.k, level, func() { fwps.FwpsReleaseClassifyHandle0(a.k, h) })
			a.permit()
		})
	}
	waits := onRedirect(func(a *args) {
		a.permit()
		delay(a.k, 1)
	})
	return []ruleCase{
		{verify.WFP_001, nil, release(5), release(ke.Dispatch)},
		{verify.WFP_002, nil, atLevel(ke.Dispatch, register), atLevel(ke.Passive, register)},
		{verify.WFP_003, nil, atLevel(ke.Dispatch, destroy), atLevel(ke.Passive, destroy)},
		{verify.WFP_004, nil, atLevel(ke.Dispatch, deleteFilter), atLevel(ke.Passive, deleteFilter)},
		{verify.WFP_005, []ke.Pin{passive}, onRedirect(func(a *args) {
			a.permit()
			irql.KeRaiseIrqlToDpcLevel(a.k)
		}), onRedirect(func(a *args) {
			a.permit()
			irql.KeLowerIrql(a.k, irql.KeRaiseIrqlToDpcLevel(a.k))
		})},
		{verify.WFP_006, nil, waits, waits},
		{verify.WFP_008, nil, stalling(40), stalling(1)},
	}
}

// Rule: WFP-001, WFP-002, WFP-003, WFP-004, WFP-005, WFP-006, WFP-008
func TestLevels_Wrong(t *testing.T) { trip(t, levels()) }

// Near miss: WFP-001, WFP-002, WFP-003, WFP-004, WFP-005, WFP-006, WFP-008
func TestLevels_Right(t *testing.T) { miss(t, levels()) }

// registrations are the cases about registering callouts.
func registrations() []ruleCase {
	registering := func(change func(d *driver, c *fwps.FWPS_CALLOUT1) *irp.DEVICE_OBJECT) func(l *lab) {
		return func(l *lab) {
			d := l.load("redir.sys", func(k *irql.K, d *driver) {
				h := &hook{key: fwps.GUID{Data1: 0xca}, fn: permits}
				d.hooks = append(d.hooks, h)
				c := d.describe(h)
				dev := change(d, c)
				fwps.FwpsCalloutRegister1(k, dev, c, &h.id)
			})
			l.end(d)
		}
	}
	usual := registering(func(d *driver, _ *fwps.FWPS_CALLOUT1) *irp.DEVICE_OBJECT { return d.dev })
	flags := func(f uint32) func(l *lab) {
		return registering(func(d *driver, c *fwps.FWPS_CALLOUT1) *irp.DEVICE_OBJECT {
			c.Flags = f
			return d.dev
		})
	}
	twice := func(second fwps.GUID) func(l *lab) {
		return inThread(func(k *irql.K, d *driver) {
			fwps.FwpsCalloutRegister1(k, d.dev, d.describe(&hook{key: second, fn: permits}), nil)
		})
	}
	return []ruleCase{
		{verify.WFP_010, nil, registering(func(*driver,
			*fwps.FWPS_CALLOUT1) *irp.DEVICE_OBJECT {
			return nil
		}), usual},
		{verify.WFP_011, nil, inThread(func(k *irql.K, d *driver) {
			fwps.FwpsCalloutRegister1(k, d.dev, d.describe(d.hooks[0]), nil)
		}), twice(fwps.GUID{Data1: 0xbeef})},
		{verify.WFP_018, nil, func(l *lab) {
			d := l.single(atRedirect, permits)
			d.obj.DriverUnload = nil
			l.end()
		}, usual},
		{verify.WFP_022, nil, registering(func(d *driver, c *fwps.FWPS_CALLOUT1) *irp.DEVICE_OBJECT {
			c.NotifyFn = nil
			return d.dev
		}), usual},
		{verify.WFP_023, nil, flags(fwps.FWP_CALLOUT_FLAG_RESERVED1),
			flags(fwps.FWP_CALLOUT_FLAG_ALLOW_RECLASSIFY)},
		{verify.WFP_024, []ke.Pin{passive}, onRedirect(func(a *args) {
			a.permit()
			fwps.FwpsCalloutUnregisterById0(a.k, a.d.hooks[0].id)
		}), inThread(func(k *irql.K, d *driver) { fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id) })},
	}
}

// Rule: WFP-010, WFP-011, WFP-018, WFP-022, WFP-023, WFP-024
func TestFwpsCalloutRegister1_Misused(t *testing.T) { trip(t, registrations()) }

// Near miss: WFP-010, WFP-011, WFP-018, WFP-022, WFP-023, WFP-024
func TestFwpsCalloutRegister1_WellUsed(t *testing.T) { miss(t, registrations()) }

// unloads are the cases about unregistering and unloading.
func unloads() []ruleCase {
	unloading := func(stop func(k *irql.K, d *driver)) func(l *lab) {
		return func(l *lab) {
			d := l.single(atRedirect, permits)
			d.unload = func(k *irql.K) { stop(k, d) }
			l.connect()
			l.end(d)
		}
	}
	usual := unloading(func(k *irql.K, d *driver) { d.tidy(k) })
	busy := []ke.Pin{passive, pin("doc/FwpsCalloutUnregister/running", 1)}
	return []ruleCase{
		{verify.WFP_013, nil, unloading(func(k *irql.K, d *driver) {
			d.hooks = nil
			d.tidy(k)
		}), usual},
		{verify.WFP_014, busy, whileClassifying(unregisterOnce), whileClassifying(unregisterUntilDone)},
		{verify.WFP_015, []ke.Pin{passive}, whileClassifying(secondUnregister),
			whileClassifying(unregisterUntilDone)},
		{verify.WFP_016, nil, unloading(func(k *irql.K, d *driver) {
			irp.IoDeleteDevice(k, d.dev)
			fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id)
			fwps.FwpsRedirectHandleDestroy0(k, d.handle)
			fwpm.FwpmEngineClose0(k, d.engine)
		}), usual},
		{verify.WFP_019, nil, unloadsPended(false), unloadsPended(true)},
		{verify.WFP_020, nil, unregistersPended(false), unregistersPended(true)},
		{verify.WFP_037, nil, unloading(func(k *irql.K, d *driver) {
			fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id)
			irp.IoDeleteDevice(k, d.dev)
			fwps.FwpsRedirectHandleDestroy0(k, d.handle)
		}), usual},
	}
}

// unregistersPended unregisters a callout before or after what it pended is completed.
func unregistersPended(completesFirst bool) func(l *lab) {
	return func(l *lab) {
		var p *pended
		d := l.single(atRedirect, func(a *args) { p = a.pend(nil) })
		l.connect()
		d.as(func(k *irql.K) {
			if completesFirst {
				p.done(k)
				delay(k, 1)
			}
			fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id)
			if !completesFirst {
				p.done(k)
			}
		})
		l.m.Run(nil)
	}
}

// unloadsPended unloads a driver with a pended classification, completed in time or not.
func unloadsPended(completes bool) func(l *lab) {
	return func(l *lab) {
		var p *pended
		d := l.single(atRedirect, func(a *args) { p = a.pend(nil) })
		d.unload = func(k *irql.K) {
			if completes {
				p.done(k)
				delay(k, 1)
			}
			d.tidy(k)
		}
		l.connect()
		l.end(d)
	}
}

// whileClassifying unloads a driver while its classifyFn waits for an event, which is legal at PASSIVE_LEVEL.
func whileClassifying(unregister func(k *irql.K, d *driver, free func(k *irql.K))) func(l *lab) {
	return func(l *lab) {
		event := new(irql.KEVENT)
		d := l.load("redir.sys", func(k *irql.K, d *driver) {
			irql.KeInitializeEvent(k, event, irql.NotificationEvent, false)
			d.hook(k, atRedirect, func(a *args) {
				a.permit()
				irql.KeWaitForSingleObject(a.k, event, irql.Executive, irql.KernelMode, false, nil)
			})
		})
		d.unload = func(k *irql.K) {
			unregister(k, d, func(k *irql.K) { irql.KeSetEvent(k, event, 0, false) })
			irp.IoDeleteDevice(k, d.dev)
			fwps.FwpsRedirectHandleDestroy0(k, d.handle)
			fwpm.FwpmEngineClose0(k, d.engine)
		}
		l.connect()
		l.end(d)
	}
}

func unregisterOnce(k *irql.K, d *driver, _ func(k *irql.K)) {
	fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id)
}

func unregisterUntilDone(k *irql.K, d *driver, free func(k *irql.K)) {
	d.l.m.NewThread("lets go", nil, free)
	for fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id) != ok {
		delay(k, 1)
	}
}

// secondUnregister takes STATUS_FWP_IN_USE, which another thread's unregister causes, for an end.
func secondUnregister(k *irql.K, d *driver, _ func(k *irql.K)) {
	d.as(func(k *irql.K) { fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id) })
	delay(k, 1)
	if s := fwps.FwpsCalloutUnregisterById0(k, d.hooks[0].id); s != ntstatus.STATUS_FWP_IN_USE {
		panic(s)
	}
}

// Rule: WFP-013, WFP-014, WFP-015, WFP-016, WFP-019, WFP-020, WFP-037
func TestUnload_LeavesSomething(t *testing.T) { trip(t, unloads()) }

// Near miss: WFP-013, WFP-014, WFP-015, WFP-016, WFP-019, WFP-020, WFP-037
func TestUnload_LeavesNothing(t *testing.T) { miss(t, unloads()) }

// objects are the cases about filters and other management objects.
func objects() []ruleCase {
	sublayers := func(second uint16) func(l *lab) {
		return func(l *lab) {
			l.load("redir.sys", func(k *irql.K, d *driver) {
				d.hook(k, atRedirect, permits)
				d.hook(k, atRedirect.weighing(second), permits)
			})
		}
	}
	missing := func(flags uint32) func(l *lab) {
		return func(l *lab) {
			l.load("redir.sys", func(k *irql.K, d *driver) {
				h := d.hook(k, atAuth.doing(fwps.FWP_ACTION_CALLOUT_TERMINATING, flags), permits)
				fwps.FwpsCalloutUnregisterById0(k, h.id)
			})
			l.auth()
		}
	}
	names := func(known bool) func(l *lab) {
		return inThread(func(k *irql.K, d *driver) {
			h := &hook{key: fwps.GUID{Data1: 0xbad}}
			if known {
				h = d.hooks[0]
			}
			d.addFilter(k, atRedirect, h, nil)
		})
	}
	removes := func(filterFirst bool) func(l *lab) {
		return inThread(func(k *irql.K, d *driver) {
			if filterFirst {
				fwpm.FwpmFilterDeleteById0(k, d.engine, d.hooks[0].filter)
			}
			fwpm.FwpmCalloutDeleteByKey0(k, d.engine, &d.hooks[0].key)
		})
	}
	probed := []ke.Pin{pin("env/FWPS_CALLOUT_NOTIFY_FN1/type", 1)}
	return []ruleCase{
		{verify.WFP_025, probed, notified(ntstatus.STATUS_INVALID_PARAMETER), notified(ok)},
		{verify.WFP_030, nil, sublayers(atRedirect.weight), sublayers(0x99)},
		{verify.WFP_032, nil, names(false), names(true)},
		{verify.WFP_033, nil, missing(0), missing(fwpm.FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED)},
		{verify.WFP_035, nil, removes(false), removes(true)},
		{verify.WFP_036, nil, inThread(func(k *irql.K, d *driver) {
			fwpm.FwpmTransactionBegin0(k, d.engine, 0)
			fwpm.FwpmTransactionBegin0(k, d.engine, 0)
		}), inThread(func(k *irql.K, d *driver) {
			fwpm.FwpmTransactionBegin0(k, d.engine, 0)
			fwpm.FwpmTransactionCommit0(k, d.engine)
			fwpm.FwpmTransactionBegin0(k, d.engine, fwpm.FWPM_TXN_READ_ONLY)
			fwpm.FwpmTransactionAbort0(k, d.engine)
		})},
	}
}

// Rule: WFP-025, WFP-030, WFP-032, WFP-033, WFP-035, WFP-036
func TestManagement_Misused(t *testing.T) { trip(t, objects()) }

// Near miss: WFP-025, WFP-030, WFP-032, WFP-033, WFP-035, WFP-036
func TestManagement_WellUsed(t *testing.T) { miss(t, objects()) }

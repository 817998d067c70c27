package fwps_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// softPermit answers with a permit as a careful callout does.
func (a *args) softPermit() {
	a.permit()
	a.out.Rights |= write
}

// filtersFirst is a driver that stops as the example connect-redirect does: its filters go, what is pended is
// applied and completed, and only then the callouts go.
func filtersFirst(l *lab) {
	var open []*pended
	d := l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth, permits)
		d.hook(k, atRedirect, func(a *args) {
			if a.again() {
				a.permit()
				return
			}
			a.state()
			open = append(open, a.pend(nil))
		})
	})
	d.unload = func(k *irql.K) {
		fwpm.FwpmEngineClose0(k, d.engine)
		for _, p := range open {
			d.change(k, p.handle, p.filter, nil, toProxy())
			p.done(k)
		}
		for _, h := range d.hooks {
			fwps.FwpsCalloutUnregisterById0(k, h.id)
		}
		irp.IoDeleteDevice(k, d.dev)
		fwps.FwpsRedirectHandleDestroy0(k, d.handle)
	}
	l.connect()
	l.end(d)
}

// filtersOneByOne redirects a connection while the driver has no filter at AUTH_CONNECT yet.
func filtersOneByOne(l *lab) {
	d := l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atRedirect, func(a *args) { a.redirect(toProxy()) })
	})
	l.connect()
	d.as(func(k *irql.K) {
		h := &hook{fn: permits, key: fwps.GUID{Data1: 0xcb}}
		d.addObjects(k, atAuth, h)
		require.Equal(l.t, ok, d.addFilter(k, atAuth, h, nil)) // before its code is registered
		d.hooks = append(d.hooks, h)
		require.Equal(l.t, ok, fwps.FwpsCalloutRegister1(k, d.dev, d.describe(h), &h.id))
	})
	l.m.Run(nil)
	l.end(d)
}

// failsToStart redirects a connection before DriverEntry fails for want of the second filter.
func failsToStart(l *lab) {
	d := &driver{l: l, name: "redir.sys"}
	d.obj = irp.Sim.LoadDriver(l.m, d.name, func(k *irql.K, drv *irp.DRIVER_OBJECT,
		_ string) ntstatus.NTSTATUS {
		d.obj = drv
		require.Equal(l.t, ok, irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_NETWORK, 0, false, &d.dev))
		require.Equal(l.t, ok, fwps.FwpsRedirectHandleCreate0(k, &fwps.GUID{}, 0, &d.handle))
		require.Equal(l.t, ok, fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil,
			&fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC}, &d.engine))
		d.hook(k, atRedirect, func(a *args) { a.redirect(toProxy()) })
		l.asks(tcpip.ConnectRedirect, l.m.NewProcess("browser.exe", false), web).start(nil)
		delay(k, 1)
		d.tidy(k)
		return ntstatus.STATUS_UNSUCCESSFUL
	})
	l.m.Run(nil)
	require.Equal(l.t, 1, l.conns[0].answers)
	l.end()
}

// completesUnder is a driver whose classifyFn takes one lock and whose worker holds one while it completes.
func completesUnder(same bool) func(l *lab) {
	return func(l *lab) {
		taken, held := new(irql.KSPIN_LOCK), new(irql.KSPIN_LOCK)
		d := l.load("redir.sys", func(k *irql.K, d *driver) {
			irql.KeInitializeSpinLock(k, taken)
			irql.KeInitializeSpinLock(k, held)
			d.hook(k, atRedirect, func(a *args) {
				var old irql.KIRQL
				irql.KeAcquireSpinLock(a.k, taken, &old)
				irql.KeReleaseSpinLock(a.k, taken, old)
				if a.again() {
					a.permit()
					return
				}
				a.pend(func(k *irql.K, p *pended) {
					lock := held
					if same {
						lock = taken
					}
					irql.KeAcquireSpinLock(k, lock, &old)
					p.complete(k)
					irql.KeReleaseSpinLock(k, lock, old)
					fwps.FwpsReleaseClassifyHandle0(k, p.handle)
				})
			})
		})
		l.connect()
		_ = d
	}
}

// alarms are correct drivers that come near a rule.
func alarms() []ruleCase {
	acquires := func(answer func(a *args)) func(l *lab) {
		return onRedirect(func(a *args) {
			a.softPermit()
			h := a.acquire()
			a.d.change(a.k, h, a.filter.FilterId, a.out, &plan{})
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
			answer(a)
		})
	}
	const site = "doc/FwpsAcquireWritableLayerDataPointer0/classifyOut"
	return []ruleCase{
		{verify.WFP_094, nil, nil, acquires((*args).softPermit)},
		{verify.WFP_094, []ke.Pin{pin(site, 1)}, nil, acquires((*args).softPermit)},
		{verify.WFP_094, []ke.Pin{pin(site, 1)}, nil, acquires(func(*args) {})}, // the answer stands
		{verify.WFP_119, nil, nil, filtersFirst},
		{verify.WFP_119, nil, nil, filtersOneByOne},
		{verify.WFP_119, nil, nil, failsToStart},
		{verify.WFP_081, nil, nil, filtersFirst},
		{verify.WFP_100, nil, nil, filtersFirst},
		{verify.WFP_080, nil, nil, completesUnder(false)},
	}
}

// Near miss: WFP-080, WFP-081, WFP-094, WFP-100, WFP-119
func TestCorrectDrivers_NearARule(t *testing.T) { miss(t, alarms()) }

// Rule: WFP-080
func TestFwpsCompleteClassify0_UnderALockOfClassifyFn(t *testing.T) {
	trip(t, []ruleCase{{verify.WFP_080, nil, completesUnder(true), nil}})
}

// TestWritableLayerData_LeftAsTheEngineWroteIt: the engine's own block is found whatever the callout had
// answered before.
func TestWritableLayerData_LeftAsTheEngineWroteIt(t *testing.T) {
	l := newLab(t)
	onRedirect(func(a *args) {
		a.softPermit()
		h := a.acquire()
		a.d.change(a.k, h, a.filter.FilterId, a.out, &plan{})
		fwps.FwpsReleaseClassifyHandle0(a.k, h)
	})(l)
	assert.True(t, l.has(verify.WFP_094), l.story())
}

// TestAnswers_HaveAPlace: what is found when classifyFn has returned lies in classifyFn.
func TestAnswers_HaveAPlace(t *testing.T) {
	l := newLab(t)
	l.load("redir.sys", func(k *irql.K, d *driver) {
		h := &hook{key: fwps.GUID{Data1: 0xca, Data3: 7}}
		c := d.describe(h)
		c.ClassifyFn = (&answering{}).classifyFn
		require.Equal(t, ok, fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id))
		d.addObjects(k, atAuth, h)
		require.Equal(t, ok, d.addFilter(k, atAuth, h, nil))
	})
	l.auth()
	require.True(t, l.has(verify.WFP_038), l.story())
	at := l.m.Findings()[0].Place()
	assert.Equal(t, "(*answering).classifyFn", at.Func)
	assert.Equal(t, "alarms_test.go", at.File)
	assert.Positive(t, at.Line)
	assert.Equal(t, "redir.sys", at.Driver)
}

type answering struct{ calls int }

func (c *answering) classifyFn(_ *irql.K, _ *fwps.FWPS_INCOMING_VALUES0,
	_ *fwps.FWPS_INCOMING_METADATA_VALUES0, _, _ any, _ *fwps.FWPS_FILTER1, _ uint64,
	out *fwps.FWPS_CLASSIFY_OUT0) {
	c.calls++
	out.ActionType = cont
}

// TestDump_SaysWhereACallIs: a callout that runs, or whose pend failed, has pended nothing.
func TestDump_SaysWhereACallIs(t *testing.T) {
	var seen []string
	l := newLab(t, pin("fault/FwpsPendClassify0", 1))
	look := func(a *args) {
		for _, line := range fwps.Sim.Dump(a.d.l.m, 1) {
			if strings.Contains(line, "CALLOUT redir.sys") {
				_, line, _ = strings.Cut(line, "CALLOUT redir.sys ")
				seen = append(seen, strings.TrimSpace(line[:strings.Index(line, "WRITE")]))
			}
		}
	}
	onRedirect(func(a *args) {
		look(a)
		h := a.acquire()
		fwps.FwpsPendClassify0(a.k, h, a.filter.FilterId, 0, a.out)
		look(a)
		fwps.FwpsReleaseClassifyHandle0(a.k, h)
		a.permit()
	})(l)
	assert.Equal(t, []string{"runs", "runs, pend failed"}, seen)
	dump := strings.Join(fwps.Sim.Dump(l.m, 1), "\n")
	assert.Contains(t, dump, "redir.sys -> PERMIT, pend failed")

	l = newLab(t)
	seen = nil
	onRedirect(func(a *args) {
		a.pend(nil)
		look(a)
	})(l)
	assert.Equal(t, []string{"runs, pended"}, seen)
	assert.Contains(t, strings.Join(fwps.Sim.Dump(l.m, 1), "\n"), "CALLOUT redir.sys pended")
}

// TestTime_MeansNothingWhereTimersRace: the clock is the adversary there.
func TestTime_MeansNothingWhereTimersRace(t *testing.T) {
	for _, race := range []bool{false, true} {
		l := newLab(t)
		l.m.Reset(ke.Config{Events: -1, Continue: true, TimersRace: race})
		l.e = fwps.Sim.EngineOf(l.m)
		pending(func(k *irql.K, p *pended) {
			delay(k, 61_000)
			p.done(k)
		})(l)
		l.load("slow.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth.weighing(0x80), func(a *args) {
				irql.KeStallExecutionProcessor(a.k, 2000)
				a.permit()
			})
		})
		old := len(l.m.Findings())
		l.auth()
		assert.Equal(t, !race, old == 1 && l.has(verify.WFP_079), l.story())
		assert.Equal(t, !race, l.has(verify.WFP_008), l.story())
	}
}

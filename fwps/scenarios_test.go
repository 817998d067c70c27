package fwps_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// The scenarios of wfp.md 24. They run with *continue*, since several results lie behind a finding.

const (
	permit = fwps.FWP_ACTION_PERMIT
	block  = fwps.FWP_ACTION_BLOCK
)

// arbitrate puts a question at AUTH_CONNECT to two filters in sublayers of weight 10 and 5.
func arbitrate(t *testing.T, heavy, light func(k *irql.K, d *driver)) (*lab, *conn) {
	l := newLab(t)
	l.load("filters.sys", func(k *irql.K, d *driver) {
		heavy(k, d)
		light(k, d)
	})
	c := l.asks(tcpip.AuthConnect, l.m.NewProcess("browser.exe", false), web).start(nil)
	l.m.Run(nil)
	require.Equal(t, 1, c.answers)
	return l, c
}

func plainAt(weight uint16, a fwps.FWP_ACTION_TYPE, flags uint32) func(k *irql.K, d *driver) {
	return func(k *irql.K, d *driver) { d.plain(k, atAuth.weighing(weight).doing(a, flags)) }
}

func calloutAt(weight uint16, fn func(a *args)) func(k *irql.K, d *driver) {
	return func(k *irql.K, d *driver) { d.hook(k, atAuth.weighing(weight), fn) }
}

func TestScenario_S1_SoftPermitThenBlock(t *testing.T) {
	l, c := arbitrate(t, plainAt(10, permit, 0), plainAt(5, block, 0))
	assert.False(t, c.answer.Permit)
	assert.Equal(t, ntstatus.STATUS_ACCESS_DENIED, c.answer.Status)
	l.silent()
}

func TestScenario_S2_HardPermitThenBlock(t *testing.T) {
	l, c := arbitrate(t, plainAt(10, permit, fwpm.FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT), plainAt(5, block, 0))
	assert.True(t, c.answer.Permit)
	l.silent()
}

func TestScenario_S3_CalloutVetoesHardPermit(t *testing.T) {
	l, c := arbitrate(t, plainAt(10, permit, fwpm.FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT),
		calloutAt(5, func(a *args) {
			assert.Zero(t, a.out.Rights&fwps.FWPS_RIGHT_ACTION_WRITE)
			a.block()
		}))
	assert.False(t, c.answer.Permit)
	assert.Equal(t, 1, countNotes(l, "veto: a callout blocked what a filter had permitted for good"))
	assert.Equal(t, []string{"WFP-060"}, l.found())
}

func countNotes(l *lab, text string) int {
	n := 0
	log := l.m.Log()
	for seq := uint64(1); seq <= log.Len(); seq++ {
		if e := log.At(seq); e != nil && e.What == trace.Note && e.Text == text {
			n++
		}
	}
	return n
}

func TestScenario_S4_SoftBlockThenPermit(t *testing.T) {
	l, c := arbitrate(t, calloutAt(10, func(a *args) { a.out.ActionType = block }), plainAt(5, permit, 0))
	assert.True(t, c.answer.Permit)
	assert.Equal(t, []string{"WFP-042"}, l.found())
}

func TestScenario_S5_HardBlockThenCalloutPermits(t *testing.T) {
	l, c := arbitrate(t, plainAt(10, block, 0), calloutAt(5, permits))
	assert.False(t, c.answer.Permit)
	assert.Equal(t, []string{"WFP-041"}, l.found())
}

func TestScenario_S6_LighterFilterOfTheSublayerIsNotCalled(t *testing.T) {
	l := newLab(t)
	var h *hook
	l.load("filters.sys", func(k *irql.K, d *driver) {
		heavy := atAuth.doing(permit, 0)
		heavy.fweigh = 9
		d.plain(k, heavy)
		h = d.hook(k, atAuth, permits)
	})
	c := l.asks(tcpip.AuthConnect, l.m.NewProcess("browser.exe", false), web).start(nil)
	l.m.Run(nil)
	assert.True(t, c.answer.Permit)
	assert.Zero(t, h.calls)
	l.silent()
}

func TestScenario_S7S8_CalloutNotRegistered(t *testing.T) {
	for _, c := range []struct {
		action fwps.FWP_ACTION_TYPE
		flags  uint32
		permit bool
	}{
		{fwps.FWP_ACTION_CALLOUT_TERMINATING, 0, false},
		{fwps.FWP_ACTION_CALLOUT_TERMINATING, fwpm.FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED, true},
		{fwps.FWP_ACTION_CALLOUT_UNKNOWN, 0, false},
		{fwps.FWP_ACTION_CALLOUT_INSPECTION, 0, true},
	} {
		_, got := arbitrate(t, func(k *irql.K, d *driver) {
			h := d.hook(k, atAuth.doing(c.action, c.flags), permits)
			require.Equal(t, ok, fwps.FwpsCalloutUnregisterById0(k, h.id))
		}, func(*irql.K, *driver) {})
		assert.Equal(t, c.permit, got.answer.Permit, "%v %x", c.action, c.flags)
	}
}

func TestScenario_S9_InlineRedirectToLoopback(t *testing.T) {
	l := newLab(t)
	p := toProxy()
	var seen []uint32
	var pid uint32
	d := l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atRedirect, func(a *args) { a.redirect(p) })
		d.hook(k, atAuth, func(a *args) {
			a.permit()
			seen = append(seen, a.flags()&fwps.FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED)
			pid = a.meta.LocalRedirectTargetPID()
			assert.Equal(t, web, addrPort(a.meta.OriginalDestination()))
		})
	})
	c := l.connect()
	require.True(t, c.answer.Permit)
	assert.Equal(t, proxy, c.answer.Target.Remote)
	assert.True(t, c.answer.Target.Redirected)
	assert.Equal(t, uint32(1234), c.answer.Target.TargetPID)
	assert.True(t, c.authorise().answer.Permit)
	assert.Equal(t, []uint32{fwps.FWP_CONDITION_FLAG_IS_CONNECTION_REDIRECTED}, seen)
	assert.Equal(t, uint32(1234), pid)

	x, s := l.e.ContextOf(c.records)
	require.Equal(t, ok, s)
	b := make([]byte, x.Size())
	x.CopyTo(b)
	assert.Equal(t, []byte{0x44, 0x33, 0x22, 0x11}, b[:4])
	assert.Equal(t, uint32(1234), l.e.RedirectTarget(c.records))
	assert.Equal(t, 1, c.records.Len())
	c.gone()
	_, s = l.e.ContextOf(c.records)
	assert.Equal(t, ntstatus.STATUS_NOT_FOUND, s)
	assert.Equal(t, byte(0xDE), p.context.Load8(0), "the engine has freed it")
	l.end(d)
	l.silent()
}

func TestScenario_S10_WithoutPIDTheChangeIsNotAccepted(t *testing.T) {
	l := newLab(t)
	p := toProxy()
	p.pid = 0
	l.redirector("redir.sys", p)
	c := l.connect()
	assert.True(t, c.answer.Permit)
	assert.Equal(t, web, c.answer.Target.Remote)
	assert.False(t, c.answer.Target.Redirected)
	assert.Zero(t, c.records.Len())
	assert.Equal(t, []string{"WFP-105"}, l.found())
	c.gone()
	assert.Equal(t, byte(0xDE), p.context.Load8(0), "the engine owns the context all the same")
}

func TestScenario_S10_OrTheConnectFails(t *testing.T) {
	l := newLab(t, pin("doc/AleConnectRedirect/unaccepted", 1))
	p := toProxy()
	p.noHandle = true
	l.redirector("redir.sys", p)
	assert.False(t, l.connect().answer.Permit)
	assert.Equal(t, []string{"WFP-106"}, l.found())
}

func TestScenario_S11_DriverFreesTheContext(t *testing.T) {
	l := strict(t)
	l.single(atRedirect, func(a *args) {
		p := toProxy()
		a.redirect(p)
		irp.ExFreePoolWithTag(a.k, p.context, tag)
	})
	l.connect()
	require.True(t, l.has(verify.WFP_108), "%q", l.story())
	f := l.m.Findings()[len(l.m.Findings())-1]
	assert.Contains(t, f.Also, verify.POOL_006)
}

func TestScenario_S12_ApplySkipped(t *testing.T) {
	l := newLab(t)
	p := toProxy()
	p.noApply, p.noContext = true, true
	l.redirector("redir.sys", p)
	c := l.connect()
	assert.Equal(t, web, c.answer.Target.Remote)
	assert.Contains(t, l.found(), "WFP-083")
}

func TestScenario_S13_ProxySetsTheRecords(t *testing.T) {
	l := newLab(t)
	server := l.m.NewProcess("proxy.exe", true)
	var states []fwps.FWPS_CONNECTION_REDIRECT_STATE
	var flags []uint32
	l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atRedirect, func(a *args) {
			states = append(states, a.state())
			flags = append(flags, a.flags()&fwps.FWP_CONDITION_FLAG_IS_PROXY_CONNECTION)
			p := toProxy()
			p.pid = server.PID
			a.redirect(p)
		})
		d.hook(k, atAuth, permits)
	})
	app := l.connect()
	inherited, found := l.e.ParseRecords(l.e.FormatRecords(app.records))
	require.True(t, found)
	out := l.asks(tcpip.ConnectRedirect, server, web).start(inherited)
	l.m.Run(nil)
	assert.Equal(t, web, out.answer.Target.Remote)
	assert.Equal(t, []fwps.FWPS_CONNECTION_REDIRECT_STATE{fwps.FWPS_CONNECTION_NOT_REDIRECTED,
		fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF}, states)
	assert.Equal(t, []uint32{0, fwps.FWP_CONDITION_FLAG_IS_PROXY_CONNECTION}, flags)
	l.silent()
}

func TestScenario_S14_ProxyForgetsTheRecords(t *testing.T) {
	l := newLab(t)
	server := l.m.NewProcess("proxy.exe", true)
	p := toProxy()
	p.pid = server.PID
	l.redirector("redir.sys", p)
	l.connect()
	l.silent()
	out := l.asks(tcpip.ConnectRedirect, server, web).start(nil)
	l.m.Run(nil)
	assert.Equal(t, proxy, out.answer.Target.Remote, "redirected again")
	assert.Equal(t, []string{"WFP-120"}, l.found())
	assert.Equal(t, "proxy.exe", l.m.Findings()[0].Driver)
}

func TestScenario_S15_TwoRedirectors(t *testing.T) {
	l := newLab(t)
	proxyB := l.m.NewProcess("proxyB.exe", true)
	var inHistory irql.HANDLE
	a := l.redirector("a.sys", toProxy())
	l.load("b.sys", func(k *irql.K, d *driver) {
		d.hook(k, atRedirect.weighing(0x80), func(x *args) {
			p := toProxy()
			p.pid = proxyB.PID
			p.change = func(_ *irql.K, r *fwps.FWPS_CONNECT_REQUEST0) {
				if r.PreviousVersion != nil {
					inHistory = r.PreviousVersion.LocalRedirectHandle
				}
			}
			x.redirect(p)
		})
		d.hook(k, atAuth.weighing(0x80), permits)
	})
	app := l.connect()
	assert.Equal(t, a.handle, inHistory)
	assert.Equal(t, proxyB.PID, app.answer.Target.TargetPID)
	assert.Equal(t, 2, app.records.Len())
	assert.Equal(t, []string{"WFP-104"}, l.found(), "B redirects what A sends to its proxy")

	var got fwps.FWPS_CONNECTION_REDIRECT_STATE
	a.hooks[0].fn = func(x *args) {
		got = x.state()
		x.permit()
	}
	l.asks(tcpip.ConnectRedirect, proxyB, web).start(app.records)
	l.m.Run(nil)
	assert.Equal(t, fwps.FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF, got)
}

func TestScenario_S16S17_PendAndCompleteFromAWorkItem(t *testing.T) {
	for _, releaseFirst := range []bool{false, true} {
		l := newLab(t)
		d := l.single(atRedirect, func(a *args) {
			a.pend(func(k *irql.K, p *pended) {
				assert.Zero(t, l.conns[0].answers, "the connect waits")
				if releaseFirst {
					fwps.FwpsReleaseClassifyHandle0(k, p.handle)
					p.complete(k)
					return
				}
				p.done(k)
			})
		})
		c := l.connect()
		require.Equal(t, 1, c.answers)
		assert.True(t, c.answer.Permit)
		assert.Equal(t, web, c.answer.Target.Remote)
		l.end(d)
		l.silent()
	}
}

func TestScenario_S18_CompleteWithNullClassifiesAgain(t *testing.T) {
	for _, inline := range []int{0, 1} {
		l := newLab(t, pin("doc/FwpsCompleteClassify0/resume", inline))
		var inside, nested bool
		var again []bool
		l.single(atRedirect, func(a *args) {
			again = append(again, a.again())
			if a.again() {
				nested = inside
				a.permit()
				return
			}
			a.pend(func(k *irql.K, p *pended) {
				inside = true
				fwps.FwpsCompleteClassify0(k, p.handle, 0, nil)
				inside = false
				fwps.FwpsReleaseClassifyHandle0(k, p.handle)
			})
		})
		c := l.connect()
		assert.True(t, c.answer.Permit)
		assert.Equal(t, []bool{false, true}, again)
		assert.Equal(t, inline == 1, nested, "on the completing stack")
		l.end()
		l.silent()
	}
}

func TestScenario_S19_PendAtAuthConnect(t *testing.T) {
	l := newLab(t)
	d := l.single(atAuth, func(a *args) {
		var h uint64
		require.Equal(t, ok, fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &h))
		s := fwps.FwpsPendClassify0(a.k, h, a.filter.FilterId, 0, a.out)
		assert.Equal(t, ntstatus.STATUS_FWP_CANNOT_PEND, s)
		fwps.FwpsReleaseClassifyHandle0(a.k, h)
		a.permit()
	})
	c := l.asks(tcpip.AuthConnect, l.m.NewProcess("browser.exe", false), web).start(nil)
	l.m.Run(nil)
	assert.True(t, c.answer.Permit)
	l.end(d)
	assert.Equal(t, []string{"WFP-064"}, l.found())
}

func TestScenario_S28_BlockAtConnectRedirectDoesNotBlock(t *testing.T) {
	l := newLab(t)
	l.single(atRedirect, func(a *args) { a.block() })
	c := l.connect()
	assert.True(t, c.answer.Permit)
	assert.Equal(t, []string{"WFP-052"}, l.found())

	l = newLab(t, pin("doc/AleRedirect/block", 1))
	l.single(atRedirect, func(a *args) { a.block() })
	assert.False(t, l.connect().answer.Permit, "the other reading of wfp.md 21 #21")
}

func TestScenario_S29_ReauthorizeFlagInline(t *testing.T) {
	l := newLab(t)
	p := toProxy()
	p.flags = fwps.FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS
	d := l.redirector("redir.sys", p)
	c := l.connect()
	assert.Equal(t, proxy, c.answer.Target.Remote)
	assert.Equal(t, 1, d.hooks[0].calls, "the flag is ignored inline")
	assert.Equal(t, []string{"WFP-087"}, l.found())
}

func TestScenario_S30S31_SioFormat(t *testing.T) {
	l := newLab(t)
	d := l.single(atRedirect, func(a *args) {
		records := a.meta.RedirectRecords()
		var n, written uint64
		s := fwps.FwpsQueryConnectionSioFormatRedirectRecords0(a.k, records, nil, 0, &n)
		assert.Equal(t, ntstatus.STATUS_BUFFER_TOO_SMALL, s)
		assert.NotZero(t, n)
		b := irp.ExAllocatePool2(a.k, irp.POOL_FLAG_NON_PAGED, n, tag)
		s = fwps.FwpsQueryConnectionSioFormatRedirectRecords0(a.k, records, b, n, &written)
		assert.Equal(t, ok, s)
		assert.Equal(t, n, written)
		found, valid := l.e.ParseRecords(b.Bytes())
		assert.True(t, valid)
		assert.Equal(t, l.conns[0].records.ID(), found.ID())
		irp.ExFreePoolWithTag(a.k, b, tag)
		s = fwps.FwpsQueryConnectionSioFormatRedirectRecords0(a.k, 0, nil, 0, &n)
		assert.Equal(t, ntstatus.STATUS_NOT_FOUND, s)
		a.permit()
	})
	l.connect()
	assert.Equal(t, 1, d.hooks[0].calls)
	l.end(d)
	l.silent()
}

func TestScenario_S33S34_Notifications(t *testing.T) {
	l := newLab(t)
	type note struct {
		what fwps.FWPS_CALLOUT_NOTIFY_TYPE
		key  bool
	}
	var notes []note
	veto := false
	l.load("redir.sys", func(k *irql.K, d *driver) {
		h := &hook{key: fwps.GUID{Data1: 1}, fn: permits}
		d.hooks = append(d.hooks, h)
		d.addObjects(k, atRedirect, h)
		var early, late uint64
		require.Equal(t, ok, d.addFilter(k, atRedirect, h, &early))
		c := d.describe(h)
		c.NotifyFn = func(_ *irql.K, what fwps.FWPS_CALLOUT_NOTIFY_TYPE, key *fwps.GUID,
			f *fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
			notes = append(notes, note{what, key != nil})
			if veto {
				return ntstatus.STATUS_INSUFFICIENT_RESOURCES
			}
			f.Context = 77
			return ok
		}
		require.Equal(t, ok, fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id))
		require.Empty(t, notes, "filters from before the registration are not announced")
		require.Equal(t, ok, d.addFilter(k, atRedirect, h, &late))
		require.Equal(t, ok, fwpm.FwpmFilterDeleteById0(k, d.engine, early))
		veto = true
		require.Equal(t, ntstatus.STATUS_FWP_CALLOUT_NOTIFICATION_FAILED, d.addFilter(k, atRedirect, h, nil))
		assert.Equal(t, uint64(77), fwps.Sim.Policy(k).Filter(late).Context)
		assert.Len(t, fwps.Sim.Policy(k).Filters(), 1, "the vetoed filter is absent")
	})
	assert.Equal(t, []note{{fwps.FWPS_CALLOUT_NOTIFY_ADD_FILTER, true},
		{fwps.FWPS_CALLOUT_NOTIFY_DELETE_FILTER, false},
		{fwps.FWPS_CALLOUT_NOTIFY_ADD_FILTER, true}}, notes)
	l.silent()
}

func TestScenario_S35_BindRedirectIsAlwaysPassive(t *testing.T) {
	for _, inline := range []int{0, 1} {
		l := newLab(t, pin("doc/FwpsCompleteClassify0/resume", inline))
		d := l.single(atBind, func(a *args) {
			if a.in.IncomingValue(fwps.FWPS_FIELD_ALE_BIND_REDIRECT_V4_FLAGS).Value().Uint32()&
				fwps.FWP_CONDITION_FLAG_IS_REAUTHORIZE != 0 {
				a.permit()
				return
			}
			a.pend(func(k *irql.K, p *pended) {
				old := irql.KeRaiseIrqlToDpcLevel(k)
				fwps.FwpsCompleteClassify0(k, p.handle, 0, nil)
				irql.KeLowerIrql(k, old)
				fwps.FwpsReleaseClassifyHandle0(k, p.handle)
			})
		})
		c := l.asks(tcpip.BindRedirect, l.m.NewProcess("server.exe", false), web).start(nil)
		l.m.Run(nil)
		assert.Equal(t, 1, c.answers)
		assert.Equal(t, []irql.KIRQL{ke.Passive, ke.Passive}, d.hooks[0].irqls)
		l.end(d)
		l.silent()
	}
}

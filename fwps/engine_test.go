package fwps_test

import (
	"net/netip"
	"os"
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

func TestClassify_LevelOfEachLayer(t *testing.T) {
	for _, c := range []struct {
		layer tcpip.Layer
		w     where
		pins  []ke.Pin
		want  irql.KIRQL
	}{
		{tcpip.ConnectRedirect, atRedirect, nil, ke.Dispatch},
		{tcpip.ConnectRedirect, atRedirect, []ke.Pin{passive}, ke.Passive},
		{tcpip.AuthConnect, atAuth, nil, ke.Dispatch},
		{tcpip.AuthConnect, atAuth, []ke.Pin{pin("env/AleAuthConnect/irql", 1)}, ke.Passive},
		{tcpip.BindRedirect, atBind, nil, ke.Passive},
		{tcpip.FlowEstablished, atFlow, nil, ke.Dispatch},
	} {
		l := newLab(t, c.pins...)
		d := l.single(c.w, permits)
		l.at(c.layer)
		assert.Equal(t, []irql.KIRQL{c.want}, d.hooks[0].irqls, "%v %v", c.layer, c.pins)
		l.silent()
	}
}

func TestClassify_BindAtDispatchMovesToAWorker(t *testing.T) {
	l := newLab(t)
	d := l.single(atBind, permits)
	c := l.asks(tcpip.BindRedirect, l.m.NewProcess("server.exe", false), web)
	l.m.NewThread("kernel client", nil, func(k *irql.K) {
		old := irql.KeRaiseIrqlToDpcLevel(k)
		c.ask(k, nil)
		assert.Zero(t, c.answers)
		irql.KeLowerIrql(k, old)
	})
	l.m.Run(nil)
	assert.Equal(t, 1, c.answers)
	assert.Equal(t, []irql.KIRQL{ke.Passive}, d.hooks[0].irqls)
	l.silent()
}

func TestClassify_WithoutFiltersPermitsAtOnce(t *testing.T) {
	l := newLab(t)
	c := l.connect()
	assert.True(t, c.answer.Permit)
	assert.Equal(t, web, c.answer.Target.Remote)
	assert.Empty(t, fwps.Sim.Dump(l.m, 0))
}

func TestClassify_ValuesAndMetadata(t *testing.T) {
	l := newLab(t)
	l.single(atRedirect, func(a *args) {
		a.permit()
		assert.Equal(t, uint32(14), a.in.ValueCount())
		get := func(f fwps.Field) fwps.FWP_VALUE0 { return a.in.IncomingValue(f).Value() }
		assert.Equal(t, uint8(6), get(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_IP_PROTOCOL).Uint8())
		assert.Equal(t, uint16(443), get(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_IP_REMOTE_PORT).Uint16())
		assert.Equal(t, uint32(0x5DB8D822),
			get(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_IP_REMOTE_ADDRESS).Uint32())
		app := get(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_ALE_APP_ID).ByteBlob()
		assert.Equal(t, fwps.Sim.AppID("browser.exe"), app.Data)
		assert.Equal(t, uint64(l.conns[0].process.PID), a.meta.ProcessId())
		assert.False(t, fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta,
			fwps.FWPS_METADATA_FIELD_ORIGINAL_DESTINATION))
		assert.False(t, fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta, fwps.FWPS_METADATA_FIELD_PROCESS_PATH))
		r := a.data.(*fwps.FWPS_CONNECT_REQUEST0)
		assert.Equal(t, web, addrPort(&r.RemoteAddressAndPort))
		assert.Nil(t, r.PreviousVersion)
	})
	l.connect()
	l.silent()
}

func TestClassify_V6(t *testing.T) {
	l := newLab(t)
	v6 := netip.MustParseAddrPort("[2001:db8::1]:443")
	w := atRedirect
	w.layer = fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V6
	d := l.single(w, func(a *args) {
		a.permit()
		v := a.in.IncomingValue(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V6_IP_REMOTE_ADDRESS).Value()
		assert.Equal(t, v6.Addr().As16(), v.ByteArray16().ByteArray16)
	})
	c := l.asks(tcpip.ConnectRedirect, l.m.NewProcess("browser.exe", false), v6)
	c.q.V6 = true
	c.start(nil)
	l.m.Run(nil)
	assert.Equal(t, 1, d.hooks[0].calls)
	l.silent()
}

func TestClassify_WhatWasLentIsPoisonedAfterwards(t *testing.T) {
	l := newLab(t)
	var data *fwps.FWPS_CONNECT_REQUEST0
	var blob *fwps.FWP_BYTE_BLOB
	var filter *fwps.FWPS_FILTER1
	var out *fwps.FWPS_CLASSIFY_OUT0
	l.single(atRedirect, func(a *args) {
		a.permit()
		data, filter, out = a.data.(*fwps.FWPS_CONNECT_REQUEST0), a.filter, a.out
		blob = a.in.IncomingValue(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_ALE_APP_ID).Value().ByteBlob()
	})
	c := l.connect()
	assert.True(t, c.answer.Permit, "the answer was taken before")
	assert.Equal(t, uint64(0xDEDEDEDEDEDEDEDE), data.ModifierFilterId)
	assert.Equal(t, uint64(0xDEDEDEDEDEDEDEDE), filter.FilterId)
	assert.Equal(t, uint64(0xDEDEDEDEDEDEDEDE), out.FilterId)
	assert.Equal(t, byte(0xDE), blob.Data[0])
	l.silent()
}

func TestParseRecords_RefusesWhatIsNoRecord(t *testing.T) {
	l := newLab(t)
	l.redirector("redir.sys", toProxy())
	c := l.connect()
	b := l.e.FormatRecords(c.records)
	assert.GreaterOrEqual(t, len(b), 64)
	assert.Zero(t, len(b)%8)
	_, found := l.e.ParseRecords(b)
	assert.True(t, found)
	for _, bad := range [][]byte{nil, b[:len(b)-8], append([]byte(nil), make([]byte, 64)...), flipped(b, 0),
		flipped(b, 40)} {
		_, found = l.e.ParseRecords(bad)
		assert.False(t, found)
	}
	c.gone()
	_, found = l.e.ParseRecords(b)
	assert.False(t, found, "the connection is gone")
}

func flipped(b []byte, i int) []byte {
	c := append([]byte(nil), b...)
	c[i] ^= 1
	return c
}

func TestSioFormat_RefusesBadBuffers(t *testing.T) {
	for _, c := range []struct {
		off, n int
		length uint64
	}{{4, 512, 512}, {8, 256, 512}} {
		l := newLab(t)
		l.single(atRedirect, func(a *args) {
			a.permit()
			b := irp.ExAllocatePool2(a.k, irp.POOL_FLAG_NON_PAGED, 1024, tag)
			var n uint64
			s := fwps.FwpsQueryConnectionSioFormatRedirectRecords0(a.k, a.meta.RedirectRecords(),
				b.Slice(c.off, c.n),
				c.length, &n)
			assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, s)
			irp.ExFreePoolWithTag(a.k, b, tag)
		})
		l.connect()
		assert.Equal(t, []string{"WFP-115"}, l.found(), "%+v", c)
	}
}

// TestFormatRecords_TakenBeforeTheChangeIsApplied is the order wfp.md 10.5 describes: the driver hands the
// records to its proxy while the connect is pended, the proxy connects out, and only then is the change
// applied.
func TestFormatRecords_TakenBeforeTheChangeIsApplied(t *testing.T) {
	l := newLab(t)
	server := l.m.NewProcess("proxy.exe", true)
	var states []fwps.FWPS_CONNECTION_REDIRECT_STATE
	var out *conn
	l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth, permits)
		d.hook(k, atRedirect, func(a *args) {
			states = append(states, a.state())
			if states[len(states)-1] == fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF {
				a.permit()
				return
			}
			a.pend(func(k *irql.K, p *pended) {
				b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 512, tag)
				var n uint64
				require.Equal(t, ok, fwps.FwpsQueryConnectionSioFormatRedirectRecords0(k, p.records, b, 512,
					&n))
				inherited, found := l.e.ParseRecords(b.Bytes()[:n])
				require.True(t, found)
				irp.ExFreePoolWithTag(k, b, tag)
				out = l.asks(tcpip.ConnectRedirect, server, web)
				out.ask(k, inherited)
				to := toProxy()
				to.pid = server.PID
				copied := p.out
				d.change(k, p.handle, p.filter, &copied, to)
				p.done(k)
			})
		})
	})
	app := l.connect()
	assert.Equal(t, []fwps.FWPS_CONNECTION_REDIRECT_STATE{fwps.FWPS_CONNECTION_NOT_REDIRECTED,
		fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF}, states)
	assert.Equal(t, web, out.answer.Target.Remote)
	assert.Equal(t, proxy, app.answer.Target.Remote)
	l.silent()
}

func TestQueryState_LendsTheContextForReading(t *testing.T) {
	for _, frees := range []bool{false, true} {
		l := newLab(t)
		l.load("redir.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, permits)
			d.hook(k, atRedirect, func(a *args) {
				var ctx *irp.Buffer
				s := fwps.FwpsQueryConnectionRedirectState0(a.k, a.meta.RedirectRecords(), d.handle, &ctx)
				if s == fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF {
					assert.Equal(t, uint32(0x11223344), ctx.Load32(0))
					if frees {
						irp.ExFreePoolWithTag(a.k, ctx, tag)
					}
				}
				a.redirect(toProxy())
			})
		})
		app := l.connect()
		l.asks(tcpip.ConnectRedirect, l.m.NewProcess("proxy.exe", true), web).start(app.records)
		l.m.Run(nil)
		assert.Equal(t, frees, l.has(verify.WFP_108), "%q", l.story())
	}
}

func TestApply_ReauthorizeIfModifiedByOthers(t *testing.T) {
	l := newLab(t)
	a := l.load("a.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth, permits)
		d.hook(k, atRedirect, func(x *args) {
			if x.again() {
				x.permit()
				return
			}
			x.state()
			x.pend(func(k *irql.K, p *pended) {
				to := toProxy()
				to.flags = fwps.FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS
				out := p.out
				d.change(k, p.handle, p.filter, &out, to)
				p.done(k)
			})
		})
	})
	b := l.load("b.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth.weighing(0x80), permits)
		d.hook(k, atRedirect.weighing(0x80), func(x *args) {
			assert.True(t, x.again(), "a callout before this one has completed a pended classification")
			to := toProxy()
			to.pid = 99
			x.redirect(to)
		})
	})
	c := l.connect()
	assert.Equal(t, 2, a.hooks[1].calls)
	assert.Equal(t, 2, b.hooks[1].calls)
	assert.Equal(t, uint32(99), c.answer.Target.TargetPID)
}

func TestPend_SeveralCalloutsOneAfterTheOther(t *testing.T) {
	l := newLab(t)
	var order []string
	for i, name := range []string{"a.sys", "b.sys"} {
		l.load(name, func(k *irql.K, d *driver) {
			d.hook(k, atRedirect.weighing(uint16(0x100-i)), func(x *args) {
				order = append(order, name)
				x.pend(func(k *irql.K, p *pended) { p.done(k) })
			})
		})
	}
	c := l.connect()
	assert.Equal(t, []string{"a.sys", "b.sys"}, order)
	assert.Equal(t, 1, c.answers)
	l.silent()
}

func TestDump_SaysWhyTheConnectionWasNotRedirected(t *testing.T) {
	l := newLab(t)
	p := toProxy()
	p.pid, p.noHandle = 0, true
	l.redirector("redir.sys", p)
	l.connect()
	want, err := os.ReadFile("testdata/classify.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), strings.Join(fwps.Sim.Dump(l.m, 1), "\n")+"\n")
	assert.Contains(t, l.m.Findings()[0].Dump[0], "!wfp classify classify#1")
}

func TestApply_AfterTheConnectionIsGoneFreesTheContext(t *testing.T) {
	l := newLab(t)
	to := toProxy()
	l.load("redir.sys", func(k *irql.K, d *driver) {
		d.hook(k, atAuth, permits)
		d.hook(k, atRedirect, func(a *args) {
			a.state()
			a.pend(func(k *irql.K, p *pended) {
				l.e.FlowGone(k, &tcpip.Flow{}, l.conns[0].records)
				out := p.out
				d.change(k, p.handle, p.filter, &out, to)
				p.done(k)
			})
		})
	})
	l.connect()
	assert.Equal(t, byte(0xDE), to.context.Load8(0))
	l.silent()
}

// TestRun_IsRepeatable compares two plays of the same random schedule.
func TestRun_IsRepeatable(t *testing.T) {
	play := func(run uint64) uint64 {
		l := newLab(t)
		l.m.Reset(ke.Config{Events: -1, Source: ke.NewRandom(3, run)})
		l.e = fwps.Sim.EngineOf(l.m)
		d := l.tolerant("a.sys", 0x100)
		l.connect()
		l.end(d)
		return l.m.Log().Hash()
	}
	for run := uint64(1); run <= 20; run++ {
		require.Equal(t, play(run), play(run), "run %d", run)
	}
}

// TestPend_EverySchedule plays a pended redirection with two drivers and an unload under many schedules: it
// always ends, answers once and breaks no rule.
func TestPend_EverySchedule(t *testing.T) {
	runs := uint64(400)
	if os.Getenv("SIM_THOROUGH") != "" { // .ci/run sets it
		runs = 4000
	}
	for run := uint64(1); run <= runs; run++ {
		l := newLab(t)
		l.m.Reset(ke.Config{Events: -1, Source: ke.NewRandom(7, run)})
		l.e = fwps.Sim.EngineOf(l.m)
		a := l.tolerant("a.sys", 0x100)
		b := l.tolerant("b.sys", 0x80)
		for range 3 {
			l.asks(tcpip.ConnectRedirect, l.m.NewProcess("browser.exe", false), web).start(nil)
		}
		l.m.Run(nil)
		for _, c := range l.conns {
			require.Equal(t, 1, c.answers, "run %d", run)
			c.gone()
		}
		l.end(a, b)
		for _, f := range l.m.Findings() {
			require.NotEqual(t, verify.Error, f.Severity(), "run %d: %q", run, l.story())
		}
	}
}

// tolerant is a redirector that pends and lives with every failure.
func (l *lab) tolerant(name string, weight uint16) *driver {
	d := &driver{l: l, name: name}
	d.obj = irp.Sim.LoadDriver(l.m, name, d.tolerantEntry(weight))
	l.m.Run(nil)
	return d
}

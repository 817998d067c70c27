package fwps_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/wsk/ws2def"
)

type request = *fwps.FWPS_CONNECT_REQUEST0

// changes makes a plan that also changes the request in some way.
func changes(fn func(k *irql.K, r request)) func() *plan {
	return with(func(p *plan) { p.change = fn })
}

// acquired is a scenario in which the callout does as it likes with the copy it acquired.
func acquired(fn func(a *args, h uint64, data any, r request)) func(l *lab) {
	return onRedirect(func(a *args) {
		h := a.acquire()
		var data any
		fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, a.out)
		fn(a, h, data, data.(request))
		a.permit()
		a.out.Rights |= write
		fwps.FwpsReleaseClassifyHandle0(a.k, h)
	})
}

func apply(a *args, h uint64, data any) { fwps.FwpsApplyModifiedLayerData0(a.k, h, data, 0) }

func appliesOnce(l *lab) {
	acquired(func(a *args, h uint64, data any, _ request) { apply(a, h, data) })(l)
}

// completing acquires a copy, and applies it, after or before it completes.
func completing(first bool) func(l *lab) {
	return pending(func(k *irql.K, p *pended) {
		var data any
		out := p.out
		if first {
			p.complete(k)
		}
		s := fwps.FwpsAcquireWritableLayerDataPointer0(k, p.handle, p.filter, 0, &data, &out)
		if s == ok {
			fwps.FwpsApplyModifiedLayerData0(k, p.handle, data, 0)
		}
		if !first {
			p.complete(k)
		}
		fwps.FwpsReleaseClassifyHandle0(k, p.handle)
	})
}

// TestFwpsApplyModifiedLayerData0_AfterCompletion: what was acquired before and is applied after breaks two
// rules, of which the first ends the run by default.
func TestFwpsApplyModifiedLayerData0_AfterCompletion(t *testing.T) {
	l := newLab(t)
	pending(func(k *irql.K, p *pended) {
		var data any
		fwps.FwpsAcquireWritableLayerDataPointer0(k, p.handle, p.filter, 0, &data, &p.out)
		p.complete(k)
		fwps.FwpsApplyModifiedLayerData0(k, p.handle, data, 0)
		fwps.FwpsReleaseClassifyHandle0(k, p.handle)
	})(l)
	assert.Equal(t, []string{"WFP-083", "WFP-086"}, l.found(), l.story())
}

// layerData are the cases about acquiring and applying.
func layerData() []ruleCase {
	const flag = fwps.FWPS_CLASSIFY_FLAG_REAUTHORIZE_IF_MODIFIED_BY_OTHERS
	return []ruleCase{
		{verify.WFP_083, nil, acquired(func(*args, uint64, any, request) {}), appliesOnce},
		{verify.WFP_084, nil, acquired(func(a *args, h uint64, data any, _ request) {
			apply(a, h, data)
			apply(a, h, data)
		}), appliesOnce},
		{verify.WFP_085, nil, acquired(func(a *args, h uint64, data any, _ request) { apply(a, h, &data) }),
			appliesOnce},
		{verify.WFP_086, nil, completing(true), completing(false)},
		{verify.WFP_087, nil, redirects(with(func(p *plan) { p.flags = flag })), func(l *lab) {
			l.load("redir.sys", func(k *irql.K, d *driver) {
				d.hook(k, atAuth, permits)
				d.hook(k, atRedirect, func(a *args) {
					a.state()
					a.pend(func(k *irql.K, p *pended) {
						to := toProxy()
						to.flags = flag
						out := p.out
						d.change(k, p.handle, p.filter, &out, to)
						p.done(k)
					})
				})
			})
			l.connect()
		}},
		{verify.WFP_093, nil, onAuth(func(a *args) {
			h := a.acquire()
			var data any
			fwps.FwpsAcquireWritableLayerDataPointer0(a.k, h, a.filter.FilterId, 0, &data, nil)
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
			a.permit()
		}), appliesOnce},
		{verify.WFP_094, nil, onRedirect(func(a *args) {
			h := a.acquire()
			a.d.change(a.k, h, a.filter.FilterId, a.out, &plan{})
			fwps.FwpsReleaseClassifyHandle0(a.k, h)
		}), appliesOnce},
	}
}

// requests are the cases about what is written where.
func requests() []ruleCase {
	usual := redirects(toProxy)
	return []ruleCase{
		{verify.WFP_088, nil, onRedirect(func(a *args) {
			a.permit()
			a.data.(request).RemoteAddressAndPort = ws2def.Storage(proxy)
		}), onRedirect(func(a *args) {
			a.permit()
			r := *a.data.(request)
			r.RemoteAddressAndPort = ws2def.Storage(proxy)
		})},
		{verify.WFP_089, nil, redirects(changes(func(_ *irql.K, r request) { r.ModifierFilterId = 1 })),
			usual},
		{verify.WFP_090, nil, redirects(changes(func(_ *irql.K, r request) {
			r.LocalAddressAndPort = ws2def.Storage(netip.MustParseAddrPort("127.0.0.1:50000"))
		})), usual},
		{verify.WFP_091, nil, redirects(changes(func(_ *irql.K, r request) {
			r.RemoteAddressAndPort = ws2def.Storage(netip.MustParseAddrPort("[::1]:8866"))
		})), usual},
		{verify.WFP_095, nil, acquired(func(a *args, h uint64, data any, r request) {
			apply(a, h, data)
			r.LocalRedirectTargetPID = 7
		}), appliesOnce},
	}
}

// Rule: WFP-083, WFP-084, WFP-085, WFP-086, WFP-087, WFP-093, WFP-094
func TestWritableLayerData_Misused(t *testing.T) { trip(t, layerData()) }

// Near miss: WFP-083, WFP-084, WFP-085, WFP-086, WFP-087, WFP-093, WFP-094
func TestWritableLayerData_WellUsed(t *testing.T) { miss(t, layerData()) }

// Rule: WFP-088, WFP-089, WFP-090, WFP-091, WFP-095
func TestConnectRequest_Miswritten(t *testing.T) { trip(t, requests()) }

// Near miss: WFP-088, WFP-089, WFP-090, WFP-091, WFP-095
func TestConnectRequest_WellWritten(t *testing.T) { miss(t, requests()) }

// redirections are the cases about what is applied.
func redirections() []ruleCase {
	usual := redirects(toProxy)
	context := func(make func(k *irql.K) *irp.Buffer, size uint64) func(l *lab) {
		return redirects(with(func(p *plan) {
			p.noContext = true
			p.change = func(k *irql.K, r request) {
				r.LocalRedirectContext,
					r.LocalRedirectContextSize = make(k), size
			}
		}))
	}
	nonPaged := func(k *irql.K) *irp.Buffer {
		return irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16,
			tag)
	}
	paged := func(k *irql.K) *irp.Buffer { return irp.ExAllocatePool2(k, irp.POOL_FLAG_PAGED, 16, tag) }
	asking := func(change func(q *tcpip.Question)) func(l *lab) {
		return func(l *lab) {
			l.redirector("redir.sys", toProxy())
			c := l.asks(tcpip.ConnectRedirect, l.m.NewProcess("browser.exe", false), web)
			change(c.q)
			c.start(nil)
			l.m.Run(nil)
		}
	}
	return []ruleCase{
		{verify.WFP_096, nil, redirectsTwice(2), redirectsTwice(1)},
		{verify.WFP_101, nil, redirects(with(func(p *plan) { p.noQuery = true })),
			redirects(with(func(p *plan) {
				p.noQuery, p.remote = true, netip.AddrPort{}
				p.change = func(_ *irql.K, r request) {
					r.LocalAddressAndPort = ws2def.Storage(netip.MustParseAddrPort("192.0.2.10:50000"))
				}
			}))},
		{verify.WFP_102, nil, proxyComesBy(true), proxyComesBy(false)},
		{verify.WFP_103, nil, otherProxyComesBy(true), otherProxyComesBy(false)},
		{verify.WFP_104, nil, secondRedirector(true), secondRedirector(false)},
		{verify.WFP_105, nil, redirects(with(func(p *plan) { p.pid = 0 })), redirects(with(func(p *plan) {
			p.pid, p.remote = 0, netip.MustParseAddrPort("198.51.100.7:443") // not on this machine
		}))},
		{verify.WFP_106, nil, redirects(with(func(p *plan) { p.noHandle = true })),
			redirects(with(func(p *plan) {
				p.noHandle, p.remote = true, netip.MustParseAddrPort("198.51.100.7:443")
			}))},
		{verify.WFP_107, nil, context(func(k *irql.K) *irp.Buffer { return irp.StackBuffer(k, 16) }, 16),
			context(nonPaged, 16)},
		{verify.WFP_108, nil, touches(true), touches(false)},
		{verify.WFP_110, nil, context(nonPaged, 99), context(nonPaged, 16)},
		{verify.WFP_111, nil, twoConnections(true), twoConnections(false)},
		{verify.WFP_112, []ke.Pin{passive}, context(paged, 16), context(nonPaged, 16)},
		{verify.WFP_113, nil,
			asking(func(q *tcpip.Question) { q.Local = netip.MustParseAddrPort("192.0.2.10:50000") }), usual},
		{verify.WFP_114, nil, asking(func(q *tcpip.Question) { q.Proto = 47 }),
			asking(func(q *tcpip.Question) { q.Proto = 17 })},
		{verify.WFP_119, nil, func(l *lab) {
			onRedirect(func(a *args) { a.redirect(toProxy()) })(l)
			l.end()
		}, func(l *lab) {
			usual(l)
			l.end()
		}},
		{verify.WFP_120, nil, proxyConnects(false), proxyConnects(true)},
	}
}

// redirectsTwice changes the request n times in one call.
func redirectsTwice(n int) func(l *lab) {
	return func(l *lab) {
		l.load("redir.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, permits)
			d.hook(k, atRedirect, func(a *args) {
				a.state()
				h := a.acquire()
				for i := range n {
					p := toProxy()
					p.pid += uint32(i)
					d.change(a.k, h, a.filter.FilterId, a.out, p)
				}
				fwps.FwpsReleaseClassifyHandle0(a.k, h)
				a.permit()
				a.out.Rights |= write
			})
		})
		l.connect()
	}
}

// stubborn redirects whatever the state is; obedient is the usual form.
func (a *args) stubborn(p *plan, on bool) {
	if on {
		a.state()
		p.noQuery = true
	}
	a.redirect(p)
}

// proxyComesBy lets the proxy connect out with the records.
func proxyComesBy(redirectsAgain bool) func(l *lab) {
	return func(l *lab) {
		l.load("redir.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, permits)
			d.hook(k, atRedirect, func(a *args) { a.stubborn(toProxy(), redirectsAgain) })
		})
		app := l.connect()
		l.asks(tcpip.ConnectRedirect, l.m.NewProcess("proxy.exe", true), web).start(app.records)
		l.m.Run(nil)
	}
}

// otherProxyComesBy has a second driver redirect what the first one did, and its proxy connect out with the
// records.
func otherProxyComesBy(redirectsAgain bool) func(l *lab) {
	return func(l *lab) {
		l.load("a.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, permits)
			d.hook(k, atRedirect, func(a *args) { a.stubborn(toProxy(), redirectsAgain) })
		})
		b := l.load("b.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth.weighing(0x80), permits)
			d.hook(k, atRedirect.weighing(0x80), func(a *args) {
				p := toProxy()
				p.pid = 99
				a.redirect(p)
			})
		})
		app := l.connect()
		b.hooks[1].fn = permits
		l.asks(tcpip.ConnectRedirect, l.m.NewProcess("proxyB.exe", true), web).start(app.records)
		l.m.Run(nil)
	}
}

// secondRedirector is a lighter driver that redirects, or lets pass, what a heavier one sends to its proxy.
func secondRedirector(redirects bool) func(l *lab) {
	return func(l *lab) {
		l.redirector("a.sys", toProxy())
		l.load("b.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth.weighing(0x80), permits)
			d.hook(k, atRedirect.weighing(0x80), func(a *args) {
				if !redirects && a.state() == fwps.FWPS_CONNECTION_REDIRECTED_BY_OTHER {
					a.permit()
					return
				}
				p := toProxy()
				p.pid = 99
				a.redirect(p)
			})
		})
		l.connect()
	}
}

// touches looks at the context after or before it is applied.
func touches(after bool) func(l *lab) {
	return func(l *lab) {
		l.load("redir.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, permits)
			d.hook(k, atRedirect, func(a *args) {
				p := toProxy()
				p.change = func(_ *irql.K, r request) { r.LocalRedirectContext.Store32(4, 1) }
				a.redirect(p)
				if after {
					p.context.Store32(4, 2)
				}
			})
		})
		l.connect().gone()
	}
}

// twoConnections gives two connections one context or one each.
func twoConnections(shared bool) func(l *lab) {
	return func(l *lab) {
		var one *irp.Buffer
		l.load("redir.sys", func(k *irql.K, d *driver) {
			d.hook(k, atAuth, permits)
			d.hook(k, atRedirect, func(a *args) {
				p := toProxy()
				p.noContext = true
				if one == nil || !shared {
					one = irp.ExAllocatePool2(a.k, irp.POOL_FLAG_NON_PAGED, 16, tag)
				}
				p.change = func(_ *irql.K, r request) {
					r.LocalRedirectContext,
						r.LocalRedirectContextSize = one, 16
				}
				a.redirect(p)
			})
		})
		l.connect()
		l.connect()
	}
}

// proxyConnects lets the proxy connect out with or without the records.
func proxyConnects(records bool) func(l *lab) {
	return func(l *lab) {
		server := l.m.NewProcess("proxy.exe", true)
		l.redirector("redir.sys", with(func(p *plan) { p.pid = server.PID })())
		app := l.connect()
		inherited := tcpip.Records(nil)
		if records {
			inherited = app.records
		}
		l.asks(tcpip.ConnectRedirect, server, web).start(inherited)
		l.m.Run(nil)
	}
}

// Rule: WFP-096, WFP-101, WFP-102, WFP-103, WFP-104, WFP-105, WFP-106, WFP-107, WFP-108, WFP-110, WFP-111
// Rule: WFP-112
// Rule: WFP-113, WFP-114, WFP-119, WFP-120
func TestRedirection_Wrong(t *testing.T) { trip(t, redirections()) }

// Near miss: WFP-096, WFP-101, WFP-102, WFP-103, WFP-104, WFP-105, WFP-106, WFP-107, WFP-108, WFP-110
// Near miss: WFP-111, WFP-112
// Near miss: WFP-113, WFP-114, WFP-119, WFP-120
func TestRedirection_Right(t *testing.T) { miss(t, redirections()) }

// formatShort asks for the records with n bytes.
func formatShort(k *irql.K, records irql.HANDLE, n uint64) {
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, n, tag)
	fwps.FwpsQueryConnectionSioFormatRedirectRecords0(k, records, b, n, &n)
	irp.ExFreePoolWithTag(k, b, tag)
}

// newHandle replaces the redirect handle while a connection lives that was redirected with it.
func newHandle(l *lab) {
	d := l.redirector("redir.sys", toProxy())
	l.connect()
	d.as(func(k *irql.K) {
		fwps.FwpsRedirectHandleDestroy0(k, d.handle)
		fwps.FwpsRedirectHandleCreate0(k, &fwps.GUID{Data1: 1}, 0, &d.handle)
	})
	l.m.Run(nil)
	l.end(d)
}

// redirectHandles are the cases about redirect handles and the opaque form of records.
func redirectHandles() []ruleCase {
	usual := func(l *lab) {
		d := l.redirector("redir.sys", toProxy())
		l.connect().gone()
		l.end(d)
	}
	sio := func(fn func(k *irql.K, records irql.HANDLE)) func(l *lab) {
		return onRedirect(func(a *args) {
			fn(a.k, a.meta.RedirectRecords())
			a.permit()
		})
	}
	format := fwps.FwpsQueryConnectionSioFormatRedirectRecords0
	probe := func(k *irql.K, records irql.HANDLE) {
		var n uint64
		format(k, records, nil, 0, &n)
	}
	return []ruleCase{
		{verify.WFP_097, []ke.Pin{passive}, onRedirect(func(a *args) {
			a.permit()
			var h irql.HANDLE
			fwps.FwpsRedirectHandleCreate0(a.k, &fwps.GUID{}, 0, &h)
		}), usual},
		{verify.WFP_098, nil, func(l *lab) {
			d := l.redirector("redir.sys", toProxy())
			d.unload = func(k *irql.K) {
				for _, h := range d.hooks {
					fwps.FwpsCalloutUnregisterById0(k, h.id)
				}
				irp.IoDeleteDevice(k, d.dev)
				fwpm.FwpmEngineClose0(k, d.engine)
			}
			l.end(d)
		}, usual},
		{verify.WFP_099, nil, func(l *lab) {
			d := l.redirector("redir.sys", toProxy())
			d.as(func(k *irql.K) { fwps.FwpsRedirectHandleDestroy0(k, d.handle) })
			l.m.Run(nil)
			l.connect()
		}, usual},
		{verify.WFP_100, nil, newHandle, usual},
		{verify.WFP_115, nil, sio(func(k *irql.K, records irql.HANDLE) {
			var n uint64
			format(k, records, nil, 2048, &n)
		}), sio(probe)},
		{verify.WFP_116, nil, pending(func(k *irql.K, p *pended) {
			p.done(k)
			delay(k, 1)
			probe(k, p.records)
		}), pending(func(k *irql.K, p *pended) {
			probe(k, p.records)
			p.done(k)
		})},
		{verify.WFP_117, nil, sio(func(k *irql.K, records irql.HANDLE) {
			formatShort(k, records, 16)
			formatShort(k, records, 16)
		}), sio(func(k *irql.K, records irql.HANDLE) {
			formatShort(k, records, 16)
			formatShort(k, records, 1024)
		})},
	}
}

// Rule: WFP-097, WFP-098, WFP-099, WFP-100, WFP-115, WFP-116, WFP-117
func TestRedirectHandle_Misused(t *testing.T) { trip(t, redirectHandles()) }

// Near miss: WFP-097, WFP-098, WFP-099, WFP-100, WFP-115, WFP-116, WFP-117
func TestRedirectHandle_WellUsed(t *testing.T) { miss(t, redirectHandles()) }

package fwps_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

const transport = fwps.FWPS_INJECTION_TYPE_TRANSPORT

// outgoing is a scenario with a callout that sees the one datagram of a program.
func outgoing(fn func(i *injector, a *args)) func(l *lab) {
	return func(l *lab) {
		l.far("")
		i := l.injects("inject.sys", atDatagram, transport, atOut(fn))
		l.asksDNS("who?")
		l.end(i.driver)
	}
}

// incoming is a scenario with a callout that sees the one answer to it.
func incoming(w where, fn func(i *injector, a *args)) func(l *lab) {
	return func(l *lab) {
		l.far("I am")
		i := l.injects("inject.sys", w, transport, fn)
		l.asksDNS("who?")
		l.end(i.driver)
	}
}

// unasked is a scenario with a callout that sees a datagram of a peer nobody has sent to.
func unasked(w where, fn func(i *injector, a *args)) func(l *lab) {
	return func(l *lab) {
		f := l.far("")
		i := l.injects("inject.sys", w, transport, fn)
		var e *tcpip.Endpoint
		l.program("server.exe", func(k *irql.K, p *ke.Process) {
			e = tcpip.Of(k).NewDatagram(p, false)
			e.Bind(k, netip.MustParseAddrPort("192.0.2.10:7000"), ke.ThreadOf(k),
				func(*ke.K, ntstatus.NTSTATUS) {})
			f.host.SendTo(k, dns, netip.MustParseAddrPort("192.0.2.10:7000"), []byte("hello"))
		})
		l.m.Run(nil)
		l.program("server.exe, again", func(k *irql.K, _ *ke.Process) { e.Close(k, true, func(*ke.K) {}) })
		l.m.Run(nil)
		l.end(i.driver)
	}
}

// taking takes each datagram that is not the driver's own; put puts it back in a work item.
func taking(put func(k *irql.K, i *injector, t *taken)) func(i *injector, a *args) {
	return func(i *injector, a *args) {
		if i.own(a) {
			return
		}
		if !fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta, fwps.FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE) {
			a.permit() // an answer of the stack's own
			return
		}
		t := a.takeOut(dns.Addr())
		i.later(a.k, func(k *irql.K) { put(k, i, t) })
	}
}

// finishing puts each datagram back with a completionFn of its own.
func finishing(fn func(k *irql.K, i *injector, t *taken, nbl *ndis.NET_BUFFER_LIST)) func(i *injector,
	a *args) {
	return taking(func(k *irql.K, i *injector, t *taken) {
		i.refused(k, i.send(k, t, 1, func(k *irql.K, _ any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
			fn(k, i, t, nbl)
			irp.ExFreePool(k, t.remote)
		}), t)
	})
}

func (i *injector) send(k *irql.K, t *taken, compartment uint32,
	fn fwps.FWPS_INJECT_COMPLETE0) ntstatus.NTSTATUS {
	return fwps.FwpsInjectTransportSendAsync0(k, i.handle, 0, t.endpoint, 0,
		&fwps.FWPS_TRANSPORT_SEND_PARAMS0{RemoteAddress: t.remote}, ws2def.AF_INET, compartment, t.nbl,
		fn, nil)
}

func free(k *irql.K, _ *injector, _ *taken, nbl *ndis.NET_BUFFER_LIST) {
	fwps.FwpsFreeCloneNetBufferList0(k, nbl, 0)
}

func right(k *irql.K, i *injector, t *taken) { i.putOut(k, t) }

// pair injects two clones of one datagram as a chain; the completionFn of the first does something while the
// second cannot be over.
func pair(about func(k *irql.K, first, second *taken)) func(i *injector, a *args) {
	return func(i *injector, a *args) {
		if i.own(a) {
			return
		}
		x, y := a.takeOut(dns.Addr()), &taken{nbl: a.clone(0)}
		i.later(a.k, func(k *irql.K) {
			x.nbl.SetNext(y.nbl)
			calls := 0
			s := i.send(k, x, 1, func(k *irql.K, _ any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
				if calls++; calls == 1 {
					about(k, x, y)
				} else if x.remote != nil {
					irp.ExFreePool(k, x.remote)
				}
				free(k, i, x, nbl)
			})
			if s != ok {
				i.refused(k, s, y)
				i.refused(k, s, x)
			}
		})
	}
}

// connecting is a scenario with a callout that sees the packets of a connection.
func connecting(fn func(i *injector, a *args)) func(l *lab) {
	return func(l *lab) {
		l.far("")
		i := l.injects("inject.sys", atTransportOut, transport, fn)
		l.program("browser.exe", func(k *irql.K, p *ke.Process) {
			s := l.socket(k, p)
			s.Connect(k, dns)
			s.Abort(k)
		})
		l.m.Run(nil)
		l.end(i.driver)
	}
}

// sending is a scenario with a callout at OUTBOUND_IPPACKET and a handle of some types.
func sending(types uint32) func(l *lab) {
	return func(l *lab) {
		l.far("")
		i := l.injects("inject.sys", atIPOut, types, func(i *injector, a *args) {
			if i.own(a) {
				return
			}
			t := &taken{nbl: a.clone(0)}
			a.absorb()
			i.later(a.k, func(k *irql.K) {
				i.refused(k, fwps.FwpsInjectNetworkSendAsync0(k, i.handle, 0, 0, 1, t.nbl, i.freed, nil), t)
			})
		})
		l.asksDNS("who?")
		l.end(i.driver)
	}
}

// flagged is a scenario with a callout of some flags that clones.
func flagged(flags uint32) func(l *lab) {
	return func(l *lab) {
		l.far("")
		d := l.load("inject.sys", func(k *irql.K, d *driver) {
			h := &hook{key: fwps.GUID{Data1: 0xca, Data2: 99}}
			h.fn = atOutArgs(func(a *args) {
				var nbl *ndis.NET_BUFFER_LIST
				if fwps.FwpsAllocateCloneNetBufferList0(a.k, a.list(), 0, 0, 0, &nbl) == ok {
					a.d.later(a.k, func(k *irql.K) { fwps.FwpsFreeCloneNetBufferList0(k, nbl, 0) })
				}
				a.permit()
			})
			d.hooks = append(d.hooks, h)
			c := d.describe(h)
			c.Flags = flags
			require.Equal(l.t, ok, fwps.FwpsCalloutRegister1(k, d.dev, c, &h.id))
			d.addObjects(k, atDatagram, h)
			require.Equal(l.t, ok, d.addFilter(k, atDatagram, h, &h.filter))
		})
		l.asksDNS("who?")
		l.end(d)
	}
}

func atOutArgs(fn func(a *args)) func(a *args) {
	return func(a *args) { atOut(func(_ *injector, a *args) { fn(a) })(nil, a) }
}

// requires reports whether the packet is to be authorised.
func (a *args) requires() bool {
	flags := a.in.IncomingValue(fwps.FWPS_FIELD_INBOUND_TRANSPORT_V4_FLAGS).Value().Uint32()
	return flags&fwps.FWP_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY != 0
}

// keeping clones, and frees the clone after a while; 0 is never.
func keeping(ms int64) func(l *lab) {
	return outgoing(func(i *injector, a *args) {
		nbl := a.clone(0)
		a.permit()
		if ms > 0 {
			i.later(a.k, func(k *irql.K) {
				delay(k, ms)
				fwps.FwpsFreeCloneNetBufferList0(k, nbl, 0)
			})
		}
	})
}

// referencing references to modify, and answers.
func referencing(answer func(a *args)) func(l *lab) {
	return outgoing(func(i *injector, a *args) {
		nbl := a.list()
		fwps.FwpsReferenceNetBufferList0(a.k, nbl, true)
		answer(a)
		i.later(a.k, func(k *irql.K) { fwps.FwpsDereferenceNetBufferList0(k, nbl, false) })
	})
}

// duplicating lets what is to be authorised pass, or what is not, and injects a clone of it besides.
func duplicating(required bool) func(i *injector, a *args) {
	return func(i *injector, a *args) {
		if i.own(a) {
			return
		}
		a.permit()
		if a.requires() == required {
			t := &taken{nbl: a.clone(a.headers())}
			i.later(a.k, func(k *irql.K) { i.putIn(k, t) })
		}
	}
}

// scribbling puts answers back, after writing to the first n bytes of their data.
func scribbling(n int) func(i *injector, a *args) {
	return func(i *injector, a *args) {
		if i.own(a) {
			return
		}
		t := a.takeIn()
		i.later(a.k, func(k *irql.K) {
			nb := t.nbl.FirstNetBuffer()
			b := ndis.NdisGetDataBuffer(k, nb, nb.DataLength(), nil, 1, 0)
			for at := range n {
				b.Store8(28+at, 'X')
			}
			i.putIn(k, t)
		})
	}
}

// packets are the cases about packets.
func packets() []ruleCase {
	deferred := []ke.Pin{pin("env/Inject/when", 0)}
	good := outgoing(taking(right))
	return []ruleCase{
		{verify.WFP_017, nil, func(l *lab) {
			i := l.injects("inject.sys", atDatagram, transport, atOut(taking(right)))
			i.unload = func(k *irql.K) { i.tidy(k) }
			l.end(i.driver)
		}, good},
		{verify.WFP_051, nil, unasked(atTransportIn, func(_ *injector, a *args) { a.absorb() }),
			unasked(atTransportIn, func(_ *injector, a *args) { a.permit() })},
		{verify.WFP_058, nil, outgoing(func(_ *injector, a *args) {
			ndis.NdisAdvanceNetBufferListDataStart(a.k, a.list(), 8, false, nil)
			a.permit()
		}), outgoing(func(_ *injector, a *args) {
			ndis.NdisAdvanceNetBufferListDataStart(a.k, a.list(), 8, false, nil)
			ndis.NdisRetreatNetBufferListDataStart(a.k, a.list(), 8, 0, nil, nil)
			a.permit()
		})},
		{verify.WFP_163, deferred, connecting(func(i *injector, a *args) {
			if i.own(a) {
				return
			}
			if i.limit--; i.limit < 99 {
				a.permit()
				return
			}
			t := a.takeOut(dns.Addr())
			i.putOut(a.k, t)
		}), connecting(taking(right))},
		{verify.WFP_164, deferred, outgoing(func(i *injector, a *args) {
			if i.limit--; i.limit < 98 {
				a.permit()
				return
			}
			t := a.takeOut(dns.Addr())
			i.later(a.k, func(k *irql.K) { i.putOut(k, t) })
		}), good},
		{verify.WFP_165, []ke.Pin{pin("fault/FwpsInject", 1)},
			outgoing(taking(func(k *irql.K, i *injector, t *taken) {
				i.send(k, t, 1, i.freed)
				irp.ExFreePool(k, t.remote)
			})), good},
		{verify.WFP_166, deferred, outgoing(pair(func(_ *irql.K, _, second *taken) { second.nbl.Status() })),
			outgoing(pair(func(_ *irql.K, first, _ *taken) { first.nbl.Status() }))},
	}
}

// injected are the cases about what is injected.
func injected() []ruleCase {
	passively := []ke.Pin{pin("env/Inject/when", 0), pin("env/Inject/complete", 1)}
	deferred := []ke.Pin{pin("env/Inject/when", 0)}
	good := outgoing(taking(right))
	return []ruleCase{
		{verify.WFP_167, nil, outgoing(finishing(func(k *irql.K, i *injector, t *taken,
			nbl *ndis.NET_BUFFER_LIST) {
			free(k, i, t, nbl)
			free(k, i, t, nbl)
		})), outgoing(finishing(free))},
		{verify.WFP_168, nil, sending(transport), sending(fwps.FWPS_INJECTION_TYPE_NETWORK)},
		{verify.WFP_169, nil, func(l *lab) {
			l.far("")
			i := l.injects("inject.sys", atDatagram, transport, atOut(func(i *injector, a *args) {
				a.injection(i.handle)
				a.permit()
			}))
			i.unload = func(k *irql.K) { i.tidy(k) }
			i.as(func(k *irql.K) { fwps.FwpsInjectionHandleDestroy0(k, i.handle) })
			l.m.Run(nil)
			l.asksDNS("who?")
			l.end(i.driver)
		}, good},
		{verify.WFP_170, passively, outgoing(finishing(func(k *irql.K, i *injector, t *taken,
			nbl *ndis.NET_BUFFER_LIST) {
			free(k, i, t, nbl)
			fwps.FwpsInjectionHandleDestroy0(k, i.handle)
		})), outgoing(finishing(free))},
		{verify.WFP_171, nil, outgoing(finishing(func(k *irql.K, i *injector, t *taken,
			nbl *ndis.NET_BUFFER_LIST) {
			ndis.NdisRetreatNetBufferListDataStart(k, nbl, 64, 0, nil, nil)
			free(k, i, t, nbl)
		})), outgoing(finishing(func(k *irql.K, i *injector, t *taken, nbl *ndis.NET_BUFFER_LIST) {
			ndis.NdisRetreatNetBufferListDataStart(k, nbl, 64, 0, nil, nil)
			ndis.NdisAdvanceNetBufferListDataStart(k, nbl, 64, true, nil)
			free(k, i, t, nbl)
		}))},
		{verify.WFP_172, nil, keeping(0), keeping(1)},
		{verify.WFP_173, nil, keeping(61_000), keeping(1000)},
		{verify.WFP_174, nil, referencing((*args).permit), referencing((*args).absorb)},
		{verify.WFP_175, nil, flagged(fwps.FWP_CALLOUT_FLAG_ALLOW_L2_BATCH_CLASSIFY), flagged(0)},
		{verify.WFP_177, deferred, outgoing(pair(func(k *irql.K, first, _ *taken) {
			irp.ExFreePool(k, first.remote)
			first.remote = nil
		})), outgoing(pair(func(*irql.K, *taken, *taken) {}))},
		{verify.WFP_178, nil, unasked(atTransportIn, duplicating(true)),
			incoming(atTransportIn, duplicating(false))},
		{verify.WFP_182, nil, tagging(nil), tagging(told1(new(int)))},
		{verify.WFP_180, nil, incoming(atTransportIn, scribbling(1)), incoming(atTransportIn, scribbling(0))},
		{verify.WFP_181, nil, outgoing(taking(func(k *irql.K, i *injector, t *taken) {
			i.refused(k, i.send(k, t, fwps.UNSPECIFIED_COMPARTMENT_ID,
				func(k *irql.K, _ any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
					free(k, i, t, nbl)
					irp.ExFreePool(k, t.remote)
				}), t)
		})), good},
	}
}

// Rule: WFP-017, WFP-051, WFP-058, WFP-163, WFP-164, WFP-165, WFP-166, WFP-167, WFP-168, WFP-169, WFP-170
// Rule: WFP-171, WFP-172, WFP-173, WFP-174, WFP-175, WFP-177, WFP-178, WFP-180, WFP-181, WFP-182
func TestPackets_Wrongly(t *testing.T) { trip(t, slices.Concat(packets(), injected())) }

// Near miss: WFP-017, WFP-051, WFP-058, WFP-163, WFP-164, WFP-165, WFP-166, WFP-167, WFP-168, WFP-169
// Near miss: WFP-170, WFP-171, WFP-172, WFP-173, WFP-174, WFP-175, WFP-177, WFP-178, WFP-180, WFP-181
// Near miss: WFP-182
func TestPackets_AlmostWrongly(t *testing.T) { miss(t, slices.Concat(packets(), injected())) }

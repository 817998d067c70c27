package fwps_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trial"
	"calloutsim/irql"
	"calloutsim/ntstatus"
)

// holdsAccepts pends what wants in, and lets it in from a work item: the clone is injected behind the
// completion, and permitted when it comes back.
func holdsAccepts(inject bool) func(i *injector, a *args) {
	return func(i *injector, a *args) {
		if i.own(a) {
			i.calls = append(i.calls, "own")
			return
		}
		i.calls = append(i.calls, "held")
		nbl := a.clone(a.headers())
		ctx := a.hold()
		i.later(a.k, func(k *irql.K) {
			fwps.FwpsCompleteOperation0(k, ctx, nbl)
			if !inject {
				fwps.FwpsFreeCloneNetBufferList0(k, nbl, 0)
				return
			}
			i.putIn(k, &taken{nbl: nbl})
		})
	}
}

// TestScenario_S22: wfp.md 24. A connection is held at AUTH_RECV_ACCEPT and let in by the injected clone.
func TestScenario_S22_AcceptHeldAndReinjected(t *testing.T) {
	for _, inject := range []bool{true, false} {
		name := fmt.Sprintf("injected %t", inject)
		everySchedule(t, name, func(l *lab) {
			i := l.injects("inject.sys", atAccept, transport, holdsAccepts(inject))
			accepted := false
			l.program("server.exe", func(k *irql.K, p *ke.Process) {
				s := l.listener(k, p)
				defer s.Close(k)
				c, st := s.Accept(k)
				if accepted = st == ok; accepted {
					c.Close(k)
				}
			})
			var st ntstatus.NTSTATUS
			l.program("client.exe", func(k *irql.K, p *ke.Process) {
				delay(k, 1) // the server listens by then
				s := l.socket(k, p)
				st = s.Connect(k, server)
				s.Close(k)
			})
			l.m.Run(nil)
			if inject {
				assert.Equal(t, []string{"held", "own"}, i.calls)
				assert.Equal(t, ok, st)
				assert.True(t, accepted)
				l.end(i.driver)
				l.silent()
				return
			}
			assert.False(t, accepted)
			assert.NotEqual(t, ok, st, "it is given up in the end")
		})
	}
}

// TestDatagram_HeldAtRecvAcceptAndReinjected: network.md 10 (b).
func TestDatagram_HeldAtRecvAcceptAndReinjected(t *testing.T) {
	everySchedule(t, "held", func(l *lab) {
		f := l.far("")
		i := l.injects("inject.sys", atAccept, transport, holdsAccepts(true))
		ip := 0
		b := l.load("looks.sys", func(k *irql.K, d *driver) {
			d.hook(k, atIPIn.weighing(0x80), func(a *args) { ip++; a.permit() })
		})
		got := l.receivesFrom(f, "hello")
		assert.Equal(t, []string{"held", "own"}, i.calls)
		assert.Equal(t, []string{"hello"}, got)
		assert.Equal(t, 2, ip, "from the bottom again")
		l.end(i.driver, b)
		l.silent()
	})
}

// everySchedule plays a scenario under the schedules of package trial.
func everySchedule(t *testing.T, name string, play func(l *lab)) {
	t.Run(name, func(t *testing.T) {
		lab := labs(t, nil)
		trial.Keeps(t, func(number int) { play(lab(number)) })
	})
}

// receivesFrom is a program whose socket gets a datagram of a peer it has not sent to.
func (l *lab) receivesFrom(f *far, text string) (got []string) {
	var e *tcpip.Endpoint
	at := netip.MustParseAddrPort("192.0.2.10:7000")
	l.program("server.exe", func(k *irql.K, p *ke.Process) {
		e = tcpip.Of(k).NewDatagram(p, false)
		e.Bind(k, at, ke.ThreadOf(k), func(*ke.K, ntstatus.NTSTATUS) {})
		f.host.SendTo(k, dns, at, []byte(text))
	})
	l.m.Run(nil)
	l.program("server.exe, again", func(k *irql.K, _ *ke.Process) {
		for d := e.TakeFrom(k); d != nil; d = e.TakeFrom(k) {
			got = append(got, string(d.Data))
		}
		e.Close(k, true, func(*ke.K) {})
	})
	l.m.Run(nil)
	return got
}

// TestScenario_S45: wfp.md 24. The handle is destroyed while a packet is under way.
func TestScenario_S45_DestroyWaitsForTheCompletion(t *testing.T) {
	l := newLab(t, pin("env/Inject/complete", 1))
	l.far("")
	var second ntstatus.NTSTATUS
	var order []string
	i := l.injects("inject.sys", atDatagram, transport, atOut(func(i *injector, a *args) {
		if i.own(a) {
			return
		}
		x, y := a.takeOut(dns.Addr()), a.takeOut(dns.Addr())
		i.later(a.k, func(k *irql.K) {
			require.Equal(t, ok, i.send(k, x, 1, func(k *irql.K, _ any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
				delay(k, 1) // the destroyer waits by now
				second = i.send(k, y, 1, nil2)
				i.refused(k, second, y)
				order = append(order, "completed")
				i.freed(k, x.remote, nbl, false)
			}))
			i.as(func(k *irql.K) {
				fwps.FwpsInjectionHandleDestroy0(k, i.handle)
				order = append(order, "destroyed")
			})
		})
	}))
	i.driver.unload = func(k *irql.K) { i.tidy(k) }
	l.asksDNS("who?")
	assert.Equal(t, ntstatus.STATUS_FWP_INJECT_HANDLE_CLOSING, second)
	assert.Equal(t, []string{"completed", "destroyed"}, order)
	l.end(i.driver)
	l.silent()
}

func nil2(*irql.K, any, *ndis.NET_BUFFER_LIST, bool) {}

// TestIPIn_BytesThatAreChangedMakeAnotherPacket: an address translation in place (network.md 7).
func TestIPIn_BytesThatAreChangedMakeAnotherPacket(t *testing.T) {
	l := newLab(t)
	l.far("I am")
	d := l.single(atIPIn, func(a *args) {
		a.permit()
		nbl, header := a.list(), a.meta.IpHeaderSize()
		require.Equal(t, uint32(20), header)
		nb := nbl.FirstNetBuffer()
		b := ndis.NdisGetDataBuffer(a.k, nb, nb.DataLength(), nil, 1, 0)
		require.Equal(t, "I am", string(b.Bytes()[8:]))
		b.Store8(8, 'i') // 'I' is 0x20 less, in the high byte of a word
		sum := uint32(b.Load8(6))<<8 | uint32(b.Load8(7))
		sum -= 0x2000
		b.Store8(6, uint8(sum>>8))
		b.Store8(7, uint8(sum))
	})
	assert.Equal(t, []string{"i am"}, l.asksDNS("who?"))
	l.end(d)
	l.silent()
}

// TestForward: packets for another machine, seen at IPFORWARD, taken and put back; nobody is asked again
// (wfp.md 21 #47). One for this machine is refused.
func TestForward_TakenAndInjected(t *testing.T) {
	l := newLab(t)
	f := l.far("")
	tcpip.On(l.m).Forwards = true
	there := netip.MustParseAddrPort("198.51.100.7:9")
	g := &far{}
	tcpip.On(l.m).AddHost(there.Addr(), g)
	i := l.injects("inject.sys", atForward, fwps.FWPS_INJECTION_TYPE_FORWARD, func(i *injector, a *args) {
		i.calls = append(i.calls, "taken")
		x := &taken{nbl: a.clone(0)}
		a.block()
		i.later(a.k, func(k *irql.K) {
			i.refused(k, fwps.FwpsInjectForwardAsync0(k, i.handle, 0, 0, 2, 1, 0, x.nbl, i.freed, nil), x)
		})
	})
	l.program("elsewhere", func(k *irql.K, _ *ke.Process) { f.host.SendTo(k, dns, there, []byte("through")) })
	l.m.Run(nil)
	assert.Equal(t, []string{"taken"}, i.calls)
	assert.Equal(t, []string{"through"}, g.got)
	assert.Equal(t, ok, i.status)
	l.end(i.driver)
	l.silent()
}

// TestFragments: wfp.md 3.6. A datagram in n pieces is indicated 2n+1 times.
func TestFragments_AreIndicatedTwiceAndThenTheWhole(t *testing.T) {
	l := newLab(t)
	f := l.far("")
	f.host.PieceSize = 24
	var seen []uint32
	d := l.single(atIPIn, func(a *args) {
		flags := a.in.IncomingValue(fwps.FWPS_FIELD_INBOUND_IPPACKET_V4_FLAGS).Value().Uint32()
		seen = append(seen, flags)
		if flags&fwps.FWP_CONDITION_FLAG_IS_FRAGMENT != 0 {
			assert.NotZero(t, a.meta.FragmentMetadata().FragmentLength)
		}
		a.permit()
	})
	text := "a datagram that does not fit into one piece"
	assert.Equal(t, []string{text}, l.receivesFrom(f, text))
	const piece, whole = fwps.FWP_CONDITION_FLAG_IS_FRAGMENT, fwps.FWP_CONDITION_FLAG_IS_REASSEMBLED
	assert.Equal(t, []uint32{0, piece, 0, piece, 0, piece, whole}, seen)
	l.end(d)
	l.silent()
}

// TestIcmpErrors: what an error quotes, from both sides (wfp.md 7, 16.2).
func TestIcmpErrors_QuoteWhatWasSent(t *testing.T) {
	l := newLab(t)
	f := l.far("")
	f.refuses = true
	at := netip.MustParseAddrPort("192.0.2.10:7000")
	var in, out, dropped int
	d := l.load("looks.sys", func(k *irql.K, d *driver) {
		value := func(a *args, f fwps.Field) fwps.FWP_VALUE0 { return a.in.IncomingValue(f).Value() }
		d.hook(k, atAuth.at(fwpm.FWPM_LAYER_INBOUND_ICMP_ERROR_V4), func(a *args) {
			in++
			a.permit()
			const proto, remote = fwps.FWPS_FIELD_INBOUND_ICMP_ERROR_V4_EMBEDDED_PROTOCOL,
				fwps.FWPS_FIELD_INBOUND_ICMP_ERROR_V4_EMBEDDED_REMOTE_PORT
			const typ, code, index = fwps.FWPS_FIELD_INBOUND_ICMP_ERROR_V4_ICMP_TYPE,
				fwps.FWPS_FIELD_INBOUND_ICMP_ERROR_V4_ICMP_CODE,
				fwps.FWPS_FIELD_INBOUND_ICMP_ERROR_V4_INTERFACE_INDEX
			assert.Equal(t, uint8(17), value(a, proto).Uint8())
			assert.Equal(t, uint16(53), value(a, remote).Uint16())
			assert.Equal(t, uint16(3), value(a, typ).Uint16())
			assert.Equal(t, uint16(3), value(a, code).Uint16())
			assert.Equal(t, uint32(2), value(a, index).Uint32())
			assert.Equal(t, uint32(8), a.meta.TransportHeaderSize())
			nb := a.list().FirstNetBuffer()
			inner := ndis.NdisGetDataBuffer(a.k, nb, nb.DataLength(), nil, 1, 0)
			assert.Equal(t, uint8(0x45), inner.Load8(0), "it begins with the inner IP header")
		})
		d.hook(k, atAuth.at(fwpm.FWPM_LAYER_OUTBOUND_ICMP_ERROR_V4), func(a *args) {
			out++
			a.permit()
			nb := a.list().FirstNetBuffer()
			icmp := ndis.NdisGetDataBuffer(a.k, nb, nb.DataLength(), nil, 1, 0)
			assert.Equal(t, uint8(3), icmp.Load8(0), "it begins with the ICMP header")
		})
		d.hook(k, atAuth.at(fwpm.FWPM_LAYER_INBOUND_IPPACKET_V4_DISCARD), func(a *args) {
			dropped++
			a.permit()
		})
	})
	l.asksDNS("who?")
	l.program("elsewhere", func(k *irql.K, _ *ke.Process) { f.host.SendTo(k, dns, at, []byte("hello?")) })
	l.m.Run(nil)
	assert.Equal(t, []int{1, 1, 1}, []int{in, out, dropped})
	l.end(d)
	l.silent()
}

// TestTransport_WhereTheDataBegins: wfp.md 16.2 for a connection, and what the metadata say about it.
func TestTransport_WhereTheDataBegins(t *testing.T) {
	l := newLab(t)
	l.far("")
	var seen []string
	look := func(layer string, header func(a *args) string) func(a *args) {
		return func(a *args) {
			a.permit()
			nb := a.list().FirstNetBuffer()
			seen = append(seen, fmt.Sprintf("%s at %d, %s", layer, nb.DataOffset(), header(a)))
		}
	}
	both := func(a *args) string {
		return fmt.Sprintf("ip %d transport %d", a.meta.IpHeaderSize(), a.meta.TransportHeaderSize())
	}
	d := l.load("looks.sys", func(k *irql.K, d *driver) {
		d.hook(k, atTransportOut, look("TransportOut", func(a *args) string {
			const size = fwps.FWPS_METADATA_FIELD_IP_HEADER_SIZE
			assert.False(t, fwps.FWPS_IS_METADATA_FIELD_PRESENT(a.meta, size), "it is not built yet")
			return fmt.Sprintf("transport %d", a.meta.TransportHeaderSize())
		}))
		d.hook(k, atIPOut, look("IPOut", both))
		d.hook(k, atIPIn, look("IPIn", func(a *args) string {
			return fmt.Sprintf("ip %d", a.meta.IpHeaderSize())
		}))
		d.hook(k, atTransportIn, look("TransportIn", both))
	})
	l.program("browser.exe", func(k *irql.K, p *ke.Process) {
		s := l.socket(k, p)
		s.Connect(k, dns)
		seen = append(seen, "connected")
		s.Abort(k)
	})
	l.m.Run(nil)
	syn := []string{"TransportOut at 20, transport 28", "IPOut at 0, ip 20 transport 28",
		"IPIn at 20, ip 20", "TransportIn at 48, ip 20 transport 28"}
	require.GreaterOrEqual(t, len(seen), len(syn))
	assert.Equal(t, syn, seen[:len(syn)])
	l.end(d)
	l.silent()
}

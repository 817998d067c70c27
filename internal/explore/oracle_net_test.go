package explore

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var (
	echoes  = netip.MustParseAddrPort("192.0.2.99:80")
	refuses = netip.MustParseAddrPort("192.0.2.98:80")
	here    = netip.MustParseAddrPort("127.0.0.1:80")
	there   = netip.MustParseAddrPort("127.0.0.1:53")
	nobody  = netip.MustParseAddrPort("127.0.0.1:54")
	pends   = fwps.GUID{Data1: 77}
	named   = fwpm.FWPM_DISPLAY_DATA0{Name: "pends"}
)

// network is what the threads of a random program over sockets share.
type network struct {
	m        *ke.Machine
	p        *ke.Process
	listener *tcpip.Socket
	dev      *irp.DEVICE_OBJECT
	image    *ke.Image
	reg      wsk.WSK_REGISTRATION
	npi      wsk.WSK_PROVIDER_NPI
	disp     wsk.WSK_CLIENT_DISPATCH
	session  irql.HANDLE
	callout  uint32
	filter   irql.Var[uint64] // what threads share in Go has no footprint
	filtered bool
	shared   *wsk.WSK_SOCKET
	sharedTo *wsk.WSK_SOCKET // of datagrams
}

func (n *network) saw(k *irql.K, s ntstatus.NTSTATUS) bool {
	ke.Sees(k, uint64(s))
	return s == ntstatus.STATUS_SUCCESS
}

func (n *network) socket(k *irql.K) *tcpip.Socket {
	s, _ := tcpip.NewSocket(k, n.p, ws2def.AF_INET, ws2def.SOCK_STREAM)
	return s
}

func (n *network) datagrams(k *irql.K) *tcpip.Socket {
	s, _ := tcpip.NewSocket(k, n.p, ws2def.AF_INET, ws2def.SOCK_DGRAM)
	return s
}

func (n *network) dial(k *irql.K, to netip.AddrPort) {
	s := n.socket(k)
	n.saw(k, s.Connect(k, to))
	s.Abort(k)
}

// classify permits what it is asked about, after it has pended it.
func (n *network) classify(k *irql.K, _ *fwps.FWPS_INCOMING_VALUES0, _ *fwps.FWPS_INCOMING_METADATA_VALUES0,
	_, context any, filter *fwps.FWPS_FILTER1, _ uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
	var handle uint64
	fwps.FwpsAcquireClassifyHandle0(k, context, 0, &handle)
	if fwps.FwpsPendClassify0(k, handle, filter.FilterId, 0, out) != ntstatus.STATUS_SUCCESS {
		fwps.FwpsReleaseClassifyHandle0(k, handle)
		out.ActionType = fwps.FWP_ACTION_PERMIT
		return
	}
	out.ActionType = fwps.FWP_ACTION_BLOCK
	out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
	answer := *out
	w := irp.IoAllocateWorkItem(k, n.dev)
	irp.IoQueueWorkItem(k, w, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) {
		answer.ActionType = fwps.FWP_ACTION_PERMIT
		answer.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
		fwps.FwpsCompleteClassify0(k, handle, 0, &answer)
		fwps.FwpsReleaseClassifyHandle0(k, handle)
		irp.IoFreeWorkItem(k, w)
	}, irp.DelayedWorkQueue, nil)
}

func (n *network) entry(k *irql.K, drv *irp.DRIVER_OBJECT, _ string) ntstatus.NTSTATUS {
	n.image = drv.Image()
	drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
	irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_NETWORK, 0, false, &n.dev)
	n.disp.Version = wsk.MAKE_WSK_VERSION(1, 0)
	wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: &n.disp}, &n.reg)
	wsk.WskCaptureProviderNPI(k, &n.reg, wsk.WSK_NO_WAIT, &n.npi)
	if n.filtered {
		c := fwps.FWPS_CALLOUT1{CalloutKey: pends, ClassifyFn: n.classify,
			NotifyFn: func(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID, *fwps.FWPS_FILTER1,
			) ntstatus.NTSTATUS {
				return 0
			}}
		fwps.FwpsCalloutRegister1(k, n.dev, &c, &n.callout)
		fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil, nil, &n.session)
		fwpm.FwpmCalloutAdd0(k, n.session, &fwpm.FWPM_CALLOUT0{CalloutKey: pends, DisplayData: named,
			ApplicableLayer: fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V4}, nil, nil)
		return n.add(k)
	}
	return ntstatus.STATUS_SUCCESS
}

func (n *network) add(k *irql.K) ntstatus.NTSTATUS {
	var id uint64
	s := fwpm.FwpmFilterAdd0(k, n.session, &fwpm.FWPM_FILTER0{DisplayData: named,
		LayerKey: fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V4, SubLayerKey: fwpm.FWPM_SUBLAYER_UNIVERSAL,
		Action: fwpm.FWPM_ACTION0{Type: fwps.FWP_ACTION_CALLOUT_UNKNOWN, CalloutKey: pends}}, nil, &id)
	if ntstatus.NT_SUCCESS(s) {
		n.filter.Store(k, id)
	}
	return s
}

// call makes one call of WSK and waits for it.
func (n *network) call(k *irql.K, fn func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	e := new(irql.KEVENT)
	irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
	p := irp.IoAllocateIrp(k, 1, false)
	irp.IoSetCompletionRoutine(k, p, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, _ any,
	) ntstatus.NTSTATUS {
		irql.KeSetEvent(k, e, 0, false)
		return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
	}, e, true, true, true)
	fn(p)
	irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
	s := *p.IoStatus()
	irp.IoFreeIrp(k, p)
	n.saw(k, s.Status)
	return s
}

func (n *network) open(k *irql.K) *wsk.WSK_SOCKET {
	local := ws2def.Storage(netip.MustParseAddrPort("0.0.0.0:0"))
	s := n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return n.npi.Dispatch.WskSocket(k, n.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM,
			ws2def.IPPROTO_TCP, wsk.WSK_FLAG_CONNECTION_SOCKET, nil, nil, nil, nil, nil, p)
	}).Pointer.(*wsk.WSK_SOCKET)
	n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return of(s).WskBind(k, s, &local, 0, p) })
	return s
}

func of(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_CONNECTION_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
}

func (n *network) connect(k *irql.K, s *wsk.WSK_SOCKET) irp.IO_STATUS_BLOCK {
	to := ws2def.Storage(echoes)
	return n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return of(s).WskConnect(k, s, &to, 0, p) })
}

// openTo makes a bound datagram socket.
func (n *network) openTo(k *irql.K) *wsk.WSK_SOCKET {
	local := ws2def.Storage(netip.MustParseAddrPort("0.0.0.0:0"))
	s := n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return n.npi.Dispatch.WskSocket(k, n.npi.Client, ws2def.AF_INET, ws2def.SOCK_DGRAM,
			ws2def.IPPROTO_UDP, wsk.WSK_FLAG_DATAGRAM_SOCKET, nil, nil, nil, nil, nil, p)
	}).Pointer.(*wsk.WSK_SOCKET)
	n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return s.Dispatch.(*wsk.WSK_PROVIDER_DATAGRAM_DISPATCH).WskBind(k, s, &local, 0, p)
	})
	return s
}

// transfer sends or receives a byte.
func (n *network) transfer(k *irql.K, s *wsk.WSK_SOCKET, out bool) {
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 1, irp.Tag("Test"))
	mdl := irp.IoAllocateMdl(k, b, 1, false, false, nil)
	irp.MmBuildMdlForNonPagedPool(k, mdl)
	n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		if d, ok := s.Dispatch.(*wsk.WSK_PROVIDER_DATAGRAM_DISPATCH); ok {
			to := ws2def.Storage(echoes)
			if out {
				return d.WskSendTo(k, s, &wsk.WSK_BUF{Mdl: mdl, Length: 1}, 0, &to, 0, nil, p)
			}
			return d.WskReceiveFrom(k, s, &wsk.WSK_BUF{Mdl: mdl, Length: 1}, 0, nil, nil, nil, nil, p)
		}
		if out {
			return of(s).WskSend(k, s, &wsk.WSK_BUF{Mdl: mdl, Length: 1}, 0, p)
		}
		return of(s).WskReceive(k, s, &wsk.WSK_BUF{Mdl: mdl, Length: 1}, 0, p)
	})
	irp.IoFreeMdl(k, mdl)
	irp.ExFreePoolWithTag(k, b, irp.Tag("Test"))
}

func (n *network) shut(k *irql.K, s *wsk.WSK_SOCKET) {
	n.call(k, func(p *irp.IRP) ntstatus.NTSTATUS { return of(s).WskCloseSocket(k, s, p) })
}

// calls are what a thread of such a program can do.
var calls = []act[network]{
	{"dial", func(k *irql.K, n *network) { n.dial(k, here) }},
	{"echo", func(k *irql.K, n *network) { n.dial(k, echoes) }},
	{"refused", func(k *irql.K, n *network) { n.dial(k, refuses) }},
	{"talk", func(k *irql.K, n *network) {
		s, b := n.socket(k), []byte{1}
		if n.saw(k, s.Connect(k, echoes)) {
			s.Send(k, b)
			_, st := s.Recv(k, b)
			n.saw(k, st)
		}
		s.Close(k)
	}},
	{"accept", func(k *irql.K, n *network) {
		s, st := n.listener.Accept(k)
		n.saw(k, st)
		if s != nil {
			s.Close(k)
		}
	}},
	{"unlisten", func(k *irql.K, n *network) { n.saw(k, n.listener.Close(k)) }},
	{"bind", func(k *irql.K, n *network) {
		s := n.socket(k)
		n.saw(k, s.Bind(k, netip.MustParseAddrPort("127.0.0.1:5000")))
		s.Close(k)
	}},
	{"any", func(k *irql.K, n *network) {
		s := n.socket(k)
		n.saw(k, s.Bind(k, netip.MustParseAddrPort("127.0.0.1:0")))
		ke.Sees(k, uint64(s.LocalAddr().Port()))
		s.Close(k)
	}},
	{"filter", func(k *irql.K, n *network) {
		if n.filtered {
			n.saw(k, n.add(k))
		}
	}},
	{"unfilter", func(k *irql.K, n *network) {
		if n.filtered {
			n.saw(k, fwpm.FwpmFilterDeleteById0(k, n.session, n.filter.Load(k)))
		}
	}},
	{"wsk", func(k *irql.K, n *network) {
		s := n.open(k)
		if n.connect(k, s).Status == 0 {
			n.transfer(k, s, true)
		}
		n.shut(k, s)
	}},
	{"wskopen", func(k *irql.K, n *network) { n.shut(k, n.open(k)) }},
	{"sharedsend", func(k *irql.K, n *network) { n.transfer(k, n.shared, true) }},
	{"sharedrecv", func(k *irql.K, n *network) { n.transfer(k, n.shared, false) }},
	{"item", func(k *irql.K, n *network) {
		i := irp.IoAllocateWorkItem(k, n.dev)
		irp.IoQueueWorkItem(k, i, func(k *irql.K, _ *irp.DEVICE_OBJECT, _ any) { irp.IoFreeWorkItem(k, i) },
			irp.DelayedWorkQueue, nil)
	}},
}

// datagramCalls are what a thread can do with datagrams.
var datagramCalls = []act[network]{
	{"datagram", func(k *irql.K, n *network) {
		s := n.datagrams(k)
		_, st := s.SendTo(k, []byte{1}, there)
		n.saw(k, st)
		s.Close(k)
	}},
	{"question", func(k *irql.K, n *network) {
		s := n.datagrams(k)
		s.SendTo(k, []byte{1}, echoes)
		m, st := s.RecvMsg(k, 1, 0)
		n.saw(k, st)
		ke.Sees(k, uint64(m.From.Port()))
		s.Close(k)
	}},
	{"unheard", func(k *irql.K, n *network) {
		s := n.datagrams(k)
		s.SendTo(k, []byte{1}, nobody)
		_, st := s.RecvMsg(k, 1, 0)
		n.saw(k, st)
		s.Close(k)
	}},
	{"serve", func(k *irql.K, n *network) {
		s := n.datagrams(k)
		if n.saw(k, s.Bind(k, there)) {
			fds := []tcpip.Poll{{Socket: s, Events: tcpip.PollIn}}
			until := int64(1)
			got, _ := tcpip.PollAll(k, fds, &until)
			ke.Sees(k, uint64(got))
		}
		s.Close(k)
	}},
	{"wskdatagram", func(k *irql.K, n *network) {
		n.transfer(k, n.sharedTo, true)
		n.transfer(k, n.sharedTo, false)
	}},
	{"bind", func(k *irql.K, n *network) {
		s := n.datagrams(k)
		n.saw(k, s.Bind(k, netip.MustParseAddrPort("127.0.0.1:0")))
		ke.Sees(k, uint64(s.LocalAddr().Port()))
		s.Close(k)
	}},
}

// allCalls are both.
var allCalls = append(append([]act[network](nil), calls...), datagramCalls...)

func sockets(p program, filtered bool, setup *bool) scene {
	return func(m *ke.Machine) {
		*setup = true
		n := &network{m: m, filtered: filtered}
		stack := tcpip.On(m)
		stack.AddHost(echoes.Addr(), tcpip.Echo())
		stack.AddHost(refuses.Addr(), tcpip.Shut())
		drv := irp.Sim.LoadDriver(m, "net.sys", n.entry)
		m.Run(nil)
		if s, _ := drv.EntryStatus(); s != ntstatus.STATUS_SUCCESS {
			panic(s)
		}
		n.p = m.NewProcess("a.exe", true)
		m.NewThread("main", n.p, func(k *irql.K) {
			as(k, n.image, func(k *irql.K) {
				n.shared = n.open(k)
				n.connect(k, n.shared)
				n.sharedTo = n.openTo(k)
			})
			n.listener = n.socket(k)
			n.listener.Bind(k, here)
			n.listener.Listen(k, 1)
		})
		m.Run(nil)
		*setup = false
		for _, list := range p {
			m.NewThread("t", n.p, func(k *irql.K) {
				as(k, n.image, func(k *irql.K) {
					for _, a := range list {
						allCalls[a].do(k, n)
					}
				})
			})
		}
	}
}

// TestSearch_RandomCallsOfTheNetworkLoseNoOutcome is TestSearch_RandomProgramsLoseNoOutcome for programs and
// drivers that use the network, with and without a callout that pends every connection.
//
// Reference: scheduling.md 17 (reduction oracle).
func TestSearch_RandomCallsOfTheNetworkLoseNoOutcome(t *testing.T) {
	setup := false
	o := oracle{setup: &setup, names: names(allCalls), limit: 800, samples: 150, size: 3, quiet: true}
	o.run(t, 31, 20, func(p program, r *ke.Random) scene { return sockets(p, r.Next()%2 == 0, &setup) })
	require.Greater(t, o.compared+o.sampled, 5)
}

// TestSearch_RandomDatagramsLoseNoOutcome is the same for datagrams alone.
//
// Reference: scheduling.md 17 (reduction oracle).
func TestSearch_RandomDatagramsLoseNoOutcome(t *testing.T) {
	setup := false
	o := oracle{setup: &setup, names: names(datagramCalls), limit: 800, samples: 150, size: 3, quiet: true}
	o.run(t, 33, 20, func(p program, r *ke.Random) scene {
		for _, list := range p {
			for i := range list {
				list[i] += len(calls)
			}
		}
		return sockets(p, false, &setup)
	})
	require.Greater(t, o.compared+o.sampled, 5)
}

// TestSteps_OfTheNetworkCommute is TestSteps_OfLocksAndEventsCommute for the network.
//
// Reference: scheduling.md 9.4, 17 (commutation test).
func TestSteps_OfTheNetworkCommute(t *testing.T) {
	pairs, setup := 0, false
	for i := range thorough(20, 30) {
		r := ke.NewRandom(32, uint64(i))
		p := randomProgram(r, len(allCalls), 4)
		filtered := r.Next()%2 == 0
		pairs += commutes(t, fmt.Sprintf("program %d (%v): %s", i, filtered, p.words(names(allCalls))),
			sockets(p, filtered, &setup), 2, &setup)
	}
	t.Logf("%d pairs", pairs)
	require.Greater(t, pairs, 200)
}

package fwps_test

import (
	"net/netip"

	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/fwps/ndis"
	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

// Where the datagrams of these tests go, and the layers they pass.
var (
	dns = netip.MustParseAddrPort("192.0.2.53:53")

	atDatagram        = atAuth.at(fwpm.FWPM_LAYER_DATAGRAM_DATA_V4)
	atDatagramDiscard = atAuth.at(fwpm.FWPM_LAYER_DATAGRAM_DATA_V4_DISCARD)
	atTransportIn     = atAuth.at(fwpm.FWPM_LAYER_INBOUND_TRANSPORT_V4)
	atTransportOut    = atAuth.at(fwpm.FWPM_LAYER_OUTBOUND_TRANSPORT_V4)
	atIPIn            = atAuth.at(fwpm.FWPM_LAYER_INBOUND_IPPACKET_V4)
	atIPOut           = atAuth.at(fwpm.FWPM_LAYER_OUTBOUND_IPPACKET_V4)
	atForward         = atAuth.at(fwpm.FWPM_LAYER_IPFORWARD_V4)
)

// far is a host that keeps the datagrams it gets, and answers if it has an answer.
type far struct {
	tcpip.Port
	host    *tcpip.Host
	got     []string
	answer  string
	refuses bool
}

func (f *far) Datagram(k *ke.K, h *tcpip.Host, from, to netip.AddrPort, b []byte) tcpip.Verdict {
	if f.refuses {
		return tcpip.Refuses
	}
	f.got = append(f.got, string(b))
	if f.answer != "" {
		h.SendTo(k, to, from, []byte(f.answer))
	}
	return tcpip.Accepts
}

func (l *lab) far(answer string) *far {
	f := &far{answer: answer}
	f.host = tcpip.On(l.m).AddHost(dns.Addr(), f)
	return f
}

// asksDNS is a program that sends a datagram to dns and closes its socket when an answer has come; it gives
// the datagrams that came.
func (l *lab) asksDNS(text string) (answers []string) {
	var e *tcpip.Endpoint
	l.program("browser.exe", func(k *irql.K, p *ke.Process) {
		e = tcpip.Of(k).NewDatagram(p, false)
		e.SendTo(k, tcpip.Outgoing{To: dns, Data: []byte(text)}, true, ke.ThreadOf(k),
			func(*ke.K, int, ntstatus.NTSTATUS) {})
	})
	l.m.Run(nil)
	l.program("browser.exe, again", func(k *irql.K, _ *ke.Process) {
		for d := e.TakeFrom(k); d != nil; d = e.TakeFrom(k) {
			answers = append(answers, string(d.Data))
		}
		e.Close(k, true, func(*ke.K) {})
	})
	l.m.Run(nil)
	return answers
}

// injector is a driver that takes packets and puts them back.
type injector struct {
	*driver
	handle irql.HANDLE // of packets
	calls  []string    // state and layer of each call
	done   int         // completions
	status ntstatus.NTSTATUS
	limit  int // of packets that are taken
}

// injects loads a driver with one callout and a handle for it.
func (l *lab) injects(name string, w where, types uint32, fn func(i *injector, a *args)) *injector {
	i := &injector{limit: 100}
	i.driver = l.load(name, func(k *irql.K, d *driver) {
		i.driver = d
		family := ws2def.AF_UNSPEC
		if types&fwps.FWPS_INJECTION_TYPE_NETWORK != 0 {
			family = ws2def.AF_INET
		}
		require.Equal(l.t, ok, fwps.FwpsInjectionHandleCreate0(k, family, types, &i.handle))
		d.hook(k, w, func(a *args) { fn(i, a) })
	})
	i.driver.unload = func(k *irql.K) {
		i.tidy(k)
		fwps.FwpsInjectionHandleDestroy0(k, i.handle)
	}
	return i
}

// taken is a packet that a callout has taken.
type taken struct {
	nbl      *ndis.NET_BUFFER_LIST
	endpoint uint64
	remote   *irp.Buffer
	ctx      irql.HANDLE
}

func (a *args) list() *ndis.NET_BUFFER_LIST { return a.data.(*ndis.NET_BUFFER_LIST) }

func (a *args) injection(handle irql.HANDLE) fwps.FWPS_PACKET_INJECTION_STATE {
	return fwps.FwpsQueryPacketInjectionState0(a.k, handle, a.list(), nil)
}

// own lets packets pass that the driver has injected; true means that this is one.
func (i *injector) own(a *args) bool {
	switch a.injection(i.handle) {
	case fwps.FWPS_PACKET_INJECTED_BY_SELF, fwps.FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF:
		a.permit()
		return true
	}
	return false
}

// headers are the bytes in front of where the list begins.
func (a *args) headers() uint32 {
	return a.meta.IpHeaderSize() + a.meta.TransportHeaderSize()
}

// clone clones the list from the given number of bytes before its data on.
func (a *args) clone(retreat uint32) *ndis.NET_BUFFER_LIST {
	var nbl *ndis.NET_BUFFER_LIST
	if retreat > 0 {
		require.Equal(a.d.l.t, ndis.NDIS_STATUS_SUCCESS,
			ndis.NdisRetreatNetBufferListDataStart(a.k, a.list(), retreat, 0, nil, nil))
	}
	s := fwps.FwpsAllocateCloneNetBufferList0(a.k, a.list(), 0, 0, 0, &nbl)
	if retreat > 0 {
		ndis.NdisAdvanceNetBufferListDataStart(a.k, a.list(), retreat, false, nil)
	}
	require.Equal(a.d.l.t, ok, s)
	return nbl
}

// freed is the completionFn that is right for a clone.
func (i *injector) freed(k *irql.K, context any, nbl *ndis.NET_BUFFER_LIST, _ bool) {
	i.done++
	i.status = nbl.Status()
	fwps.FwpsFreeCloneNetBufferList0(k, nbl, 0)
	if b, isBuffer := context.(*irp.Buffer); isBuffer && b != nil {
		irp.ExFreePool(k, b)
	}
}

// address is memory with an address in network order.
func address(k *irql.K, a netip.Addr) *irp.Buffer {
	b := irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(len(a.AsSlice())), tag)
	b.CopyFrom(0, a.AsSlice())
	return b
}

// takeOut takes an outbound packet.
func (a *args) takeOut(to netip.Addr) *taken {
	t := &taken{nbl: a.clone(0), endpoint: a.meta.TransportEndpointHandle(), remote: address(a.k, to)}
	a.absorb()
	return t
}

// putOut puts it back.
func (i *injector) putOut(k *irql.K, t *taken) {
	s := fwps.FwpsInjectTransportSendAsync0(k, i.handle, 0, t.endpoint, 0,
		&fwps.FWPS_TRANSPORT_SEND_PARAMS0{RemoteAddress: t.remote}, ws2def.AF_INET, 1, t.nbl, i.freed,
		t.remote)
	i.refused(k, s, t)
}

// refused is what a driver does with what it may not inject.
func (i *injector) refused(k *irql.K, s ntstatus.NTSTATUS, t *taken) {
	if s == ok {
		return
	}
	fwps.FwpsFreeCloneNetBufferList0(k, t.nbl, 0)
	if t.remote != nil {
		irp.ExFreePool(k, t.remote)
	}
}

// takeIn takes an inbound packet with its headers.
func (a *args) takeIn() *taken {
	t := &taken{nbl: a.clone(a.headers())}
	a.absorb()
	return t
}

// putIn puts it back.
func (i *injector) putIn(k *irql.K, t *taken) {
	s := fwps.FwpsInjectTransportReceiveAsync0(k, i.handle, 0, nil, 0, ws2def.AF_INET, 1, 2, 0, t.nbl,
		i.freed, nil)
	i.refused(k, s, t)
}

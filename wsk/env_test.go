package wsk_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

const good = ntstatus.STATUS_SUCCESS

var (
	tag    = irp.Tag("Wtst")
	any4   = addr("0.0.0.0:0")
	server = addr("127.0.0.1:8080")
	site   = addr("93.184.216.34:443")
	proxy  = addr("127.0.0.1:3128")
)

func addr(s string) *ws2def.SOCKADDR_STORAGE {
	a := ws2def.Storage(netip.MustParseAddrPort(s))
	return &a
}

// rig is a machine with one driver.
type rig struct {
	*testing.T
	m    *ke.Machine
	drv  *irp.DRIVER_OBJECT
	reg  wsk.WSK_REGISTRATION
	npi  wsk.WSK_PROVIDER_NPI
	disp wsk.WSK_CLIENT_DISPATCH
	made []*wsk.WSK_SOCKET
	walk *plain // nil for the boring schedule
}

func newRig(t *testing.T, run uint64, pins ...ke.Pin) *rig {
	cfg := ke.Config{Events: -1, Pins: pins, Stacks: recorder != nil, Subsystems: subsystems.All()}
	if run > 1 {
		cfg.Source = ke.NewRandom(0, run)
		for _, s := range []string{"ExAllocatePool2", "IoAllocateIrp", "IoAllocateMdl", "WskRegister",
			"WskCaptureProviderNPI", "WskSocket", "WskSocketConnect", "WskBind", "WskListen",
			"WskGetLocalAddress", "WskGetRemoteAddress", "WskConnect", "WskAccept", "WskDisconnect",
			"WskControlSocket", "WskSend", "WskReceive", "WskSendTo", "WskSendMessages", "WskReceiveFrom",
			"WskControlClient", "WskGetAddressInfo", "WskGetNameInfo", "WskInspectComplete",
			"WskEvent/dead", "WskConnectEx"} {
			cfg.Pins = append(cfg.Pins,
				ke.Pin{Site: "fault/" + s}) // these tests are not about failing allocations
		}
	}
	r := &rig{T: t, m: ke.New(cfg)}
	r.disp.Version = wsk.MAKE_WSK_VERSION(1, 0)
	t.Cleanup(r.m.Close)
	recorded(t, r.m)
	return r
}

// driver runs body as a registered WSK client and lets the driver end in order.
func (r *rig) driver(body func(k *irql.K)) *rig {
	return r.bare(func(k *irql.K) {
		r.open(k)
		body(k)
		wsk.WskReleaseProviderNPI(k, &r.reg)
		wsk.WskDeregister(k, &r.reg)
	})
}

// bare runs body as DriverEntry and unloads the driver.
func (r *rig) bare(body func(k *irql.K)) *rig {
	r.drv = irp.Sim.LoadDriver(r.m, "proxy.sys", func(k *irql.K, drv *irp.DRIVER_OBJECT,
		_ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(*irql.K, *irp.DRIVER_OBJECT) {}
		body(k)
		return good
	})
	r.m.Run(nil)
	if _, done := r.drv.EntryStatus(); done && !r.m.Dead() {
		irp.Sim.UnloadDriver(r.m, r.drv)
		r.m.Run(nil)
	}
	r.m.RunEndChecks()
	return r
}

func (r *rig) open(k *irql.K) {
	require.Equal(r, good, wsk.WskRegister(k, &wsk.WSK_CLIENT_NPI{Dispatch: &r.disp}, &r.reg))
	require.Equal(r, good, wsk.WskCaptureProviderNPI(k, &r.reg, wsk.WSK_NO_WAIT, &r.npi))
}

// clean requires that no rule was broken; WSK-117 and other notes do not count.
func (r *rig) clean() {
	r.Helper()
	for _, f := range r.m.Findings() {
		if f.Severity() != verify.Note {
			r.Fatalf("%v: %s", f.Rule, f.Headline)
		}
	}
	for _, t := range r.m.Threads() {
		why, _, _, _ := t.Waits()
		r.Fatalf("%s did not end: %s", t.Name(), why)
	}
}

// request is an own IRP with its event.
type request struct {
	p     *irp.IRP
	event *irql.KEVENT
}

func newRequest(k *irql.K) *request {
	q := &request{p: irp.IoAllocateIrp(k, 1, false), event: new(irql.KEVENT)}
	irql.KeInitializeEvent(k, q.event, irql.NotificationEvent, false)
	q.arm(k)
	return q
}

func (q *request) arm(k *irql.K) {
	irp.IoSetCompletionRoutine(k, q.p, signal, q.event, true, true, true)
}

func (q *request) reuse(k *irql.K) {
	irp.IoReuseIrp(k, q.p, ntstatus.STATUS_UNSUCCESSFUL)
	irql.KeClearEvent(k, q.event)
	q.arm(k)
}

func signal(k *irql.K, _ *irp.DEVICE_OBJECT, _ *irp.IRP, context any) ntstatus.NTSTATUS {
	irql.KeSetEvent(k, context.(*irql.KEVENT), 0, false)
	return ntstatus.STATUS_MORE_PROCESSING_REQUIRED
}

func (q *request) wait(k *irql.K) irp.IO_STATUS_BLOCK {
	irql.KeWaitForSingleObject(k, q.event, irql.Executive, 0, false, nil)
	return *q.p.IoStatus()
}

func (q *request) free(k *irql.K) { irp.IoFreeIrp(k, q.p) }

// do makes one call and waits for it.
func do(k *irql.K, call func(p *irp.IRP) ntstatus.NTSTATUS) irp.IO_STATUS_BLOCK {
	q := newRequest(k)
	call(q.p)
	s := q.wait(k)
	q.free(k)
	return s
}

func (r *rig) ok(s irp.IO_STATUS_BLOCK) irp.IO_STATUS_BLOCK {
	r.Helper()
	require.Equal(r, good.String(), s.Status.String())
	return s
}

func (r *rig) socket(k *irql.K, flags wsk.SocketFlags) *wsk.WSK_SOCKET {
	r.Helper()
	typ, proto := ws2def.SOCK_STREAM, ws2def.IPPROTO_TCP
	if flags == wsk.WSK_FLAG_DATAGRAM_SOCKET {
		typ, proto = ws2def.SOCK_DGRAM, ws2def.IPPROTO_UDP
	}
	s := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, typ, proto, flags,
			nil, nil, nil, nil, nil, p)
	})).Pointer.(*wsk.WSK_SOCKET)
	r.made = append(r.made, s)
	return s
}

func (r *rig) listener(k *irql.K, a ws2def.SOCKADDR) *wsk.WSK_SOCKET {
	l := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET)
	r.ok(bind(k, l, a))
	return l
}

func (r *rig) connection(k *irql.K) *wsk.WSK_SOCKET {
	s := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
	r.ok(bind(k, s, any4))
	return s
}

// pair is a connected and an accepted socket.
func (r *rig) pair(k *irql.K) (c, a, l *wsk.WSK_SOCKET) {
	l, c = r.listener(k, server), r.connection(k)
	r.ok(connect(k, c, server))
	a = r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, p)
	})).Pointer.(*wsk.WSK_SOCKET)
	r.made = append(r.made, a)
	return c, a, l
}

func listening(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_LISTEN_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_LISTEN_DISPATCH)
}

func connected(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_CONNECTION_DISPATCH {
	return s.Dispatch.(*wsk.WSK_PROVIDER_CONNECTION_DISPATCH)
}

func basic(s *wsk.WSK_SOCKET) *wsk.WSK_PROVIDER_BASIC_DISPATCH {
	switch d := s.Dispatch.(type) {
	case *wsk.WSK_PROVIDER_LISTEN_DISPATCH:
		return &d.WSK_PROVIDER_BASIC_DISPATCH
	case *wsk.WSK_PROVIDER_CONNECTION_DISPATCH:
		return &d.WSK_PROVIDER_BASIC_DISPATCH
	case *wsk.WSK_PROVIDER_STREAM_DISPATCH:
		return &d.WSK_PROVIDER_BASIC_DISPATCH
	case *wsk.WSK_PROVIDER_DATAGRAM_DISPATCH:
		return &d.WSK_PROVIDER_BASIC_DISPATCH
	}
	return s.Dispatch.(*wsk.WSK_PROVIDER_BASIC_DISPATCH)
}

func bind(k *irql.K, s *wsk.WSK_SOCKET, a ws2def.SOCKADDR) irp.IO_STATUS_BLOCK {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		if d, ok := s.Dispatch.(*wsk.WSK_PROVIDER_LISTEN_DISPATCH); ok {
			return d.WskBind(k, s, a, 0, p)
		}
		return connected(s).WskBind(k, s, a, 0, p)
	})
}

func connect(k *irql.K, s *wsk.WSK_SOCKET, a ws2def.SOCKADDR) irp.IO_STATUS_BLOCK {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(s).WskConnect(k, s, a, 0, p) })
}

func closeSocket(k *irql.K, s *wsk.WSK_SOCKET) irp.IO_STATUS_BLOCK {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return basic(s).WskCloseSocket(k, s, p) })
}

func (r *rig) closeAll(k *irql.K, s ...*wsk.WSK_SOCKET) {
	for _, x := range s {
		r.ok(closeSocket(k, x))
	}
}

func disconnect(k *irql.K, s *wsk.WSK_SOCKET, flags wsk.DisconnectFlags) irp.IO_STATUS_BLOCK {
	return do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return connected(s).WskDisconnect(k, s, nil, flags,
			p)
	})
}

// memory is nonpaged memory with its MDL.
type memory struct {
	b   *irp.Buffer
	mdl *irp.MDL
}

func newMemory(k *irql.K, n int) *memory {
	m := &memory{b: irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, uint64(n), tag)}
	m.mdl = irp.IoAllocateMdl(k, m.b, uint32(n), false, false, nil)
	irp.MmBuildMdlForNonPagedPool(k, m.mdl)
	return m
}

func (m *memory) buf() *wsk.WSK_BUF { return &wsk.WSK_BUF{Mdl: m.mdl, Length: uint64(m.b.Len())} }

// small is a WSK_BUF of one byte.
func (m *memory) small() *wsk.WSK_BUF { return &wsk.WSK_BUF{Mdl: m.mdl, Length: 1} }

func (m *memory) free(k *irql.K) {
	irp.IoFreeMdl(k, m.mdl)
	irp.ExFreePoolWithTag(k, m.b, tag)
}

func text(k *irql.K, s string) *memory {
	m := newMemory(k, len(s))
	m.b.CopyFrom(0, []byte(s))
	return m
}

func send(k *irql.K, s *wsk.WSK_SOCKET, data string) irp.IO_STATUS_BLOCK {
	m := text(k, data)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(s).WskSend(k, s, m.buf(), 0, p) })
	m.free(k)
	return st
}

func receive(k *irql.K, s *wsk.WSK_SOCKET, n int) (string, irp.IO_STATUS_BLOCK) {
	m := newMemory(k, n)
	st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS { return connected(s).WskReceive(k, s, m.buf(), 0, p) })
	got := string(m.b.Bytes()[:st.Information])
	m.free(k)
	return got, st
}

// fake is an engine that redirects one destination to the proxy.
type fake struct {
	chains  []*chain
	context []byte
	gone    int
}

type chain struct {
	id    trace.ID
	links int
}

func (c *chain) ID() trace.ID { return c.id }
func (c *chain) Len() int     { return c.links }

type blob []byte

func (c blob) Size() int             { return len(c) }
func (c blob) CopyTo(dst []byte) int { return copy(dst, c) }

func (f *fake) Classify(k *ke.K, q *tcpip.Question) {
	a := tcpip.Answer{Permit: true, Target: tcpip.Target{Local: q.Local, Remote: q.Remote}}
	if q.At == tcpip.ConnectRedirect && q.Remote == ws2def.AddrPort(site) && records(q).Len() == 0 {
		records(q).links++
		a.Target = tcpip.Target{Local: q.Local, Remote: ws2def.AddrPort(proxy), TargetPID: 4,
			Redirected: true, Modified: true}
	}
	q.Done(k, a)
}

func records(q *tcpip.Question) *chain { return q.Matter.(*tcpip.ConnectRequest).Records.(*chain) }

func (f *fake) NewRecords(k *ke.K, inherited tcpip.Records) tcpip.Records {
	c := &chain{id: ke.Of(k).NewID(trace.RedirectRecords)}
	if inherited != nil {
		c.links = inherited.Len()
	}
	f.chains = append(f.chains, c)
	return c
}

func (f *fake) FormatRecords(r tcpip.Records) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(r.ID())), make([]byte, 2000)...)
}

func (f *fake) ParseRecords(b []byte) (tcpip.Records, bool) {
	for _, c := range f.chains {
		if len(b) == 2008 && uint64(c.id) == binary.LittleEndian.Uint64(b) {
			return c, true
		}
	}
	return nil, false
}

func (f *fake) ContextOf(tcpip.Records) (tcpip.Context, ntstatus.NTSTATUS) {
	if f.context == nil {
		return nil, ntstatus.STATUS_NOT_FOUND
	}
	return blob(f.context), good
}

func (f *fake) RedirectTarget(tcpip.Records) uint32 { return 4 }
func (f *fake) FlowGone(_ *ke.K, _ *tcpip.Flow, r tcpip.Records) {
	if r != nil {
		f.gone++
	}
}

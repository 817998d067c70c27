package fwps_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"calloutsim/fwps"
	"calloutsim/fwps/fwpm"
	"calloutsim/internal/ke"
	"calloutsim/internal/subsystems"
	"calloutsim/internal/tcpip"
	"calloutsim/internal/trace"
	"calloutsim/internal/verify"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

const ok = ntstatus.STATUS_SUCCESS

// Addresses of the scenarios.
var (
	web   = netip.MustParseAddrPort("93.184.216.34:443")
	proxy = netip.MustParseAddrPort("127.0.0.1:8866")
	local = netip.MustParseAddrPort("0.0.0.0:50000")
)

const tag = 0x72646572 // "redr"

// lab is one machine with the filter engine and a transport that asks what the test tells it to.
type lab struct {
	t     *testing.T
	m     *ke.Machine
	e     filterEngine
	conns []*conn
}

// conn is one connection attempt, seen from the transport.
type conn struct {
	l       *lab
	process *ke.Process
	q       *tcpip.Question
	answers int
	holds   int
	answer  tcpip.Answer
	records tcpip.Records
	then    func(k *ke.K, c *conn)
}

func newLab(t *testing.T, pins ...ke.Pin) *lab {
	t.Helper()
	l := &lab{t: t, m: ke.New(ke.Config{Events: -1, Continue: true, Pins: pins,
		Stacks: recorder != nil, Subsystems: subsystems.All()})}
	l.e = fwps.Sim.EngineOf(l.m)
	t.Cleanup(l.m.Close)
	recorded(t, l.m)
	return l
}

// strict is a lab where a violation ends the run, as by default.
func strict(t *testing.T) *lab {
	l := newLab(t)
	l.m.Reset(ke.Config{Events: -1, Subsystems: subsystems.All()})
	l.e = fwps.Sim.EngineOf(l.m)
	return l
}

func pin(site string, alt int) ke.Pin { return ke.Pin{Site: site, Alt: alt} }

// args are what classifyFn is called with, and who is called.
type args struct {
	d      *driver
	k      *irql.K
	in     *fwps.FWPS_INCOMING_VALUES0
	meta   *fwps.FWPS_INCOMING_METADATA_VALUES0
	data   any
	ctx    any
	filter *fwps.FWPS_FILTER1
	flow   uint64 // flowContext
	out    *fwps.FWPS_CLASSIFY_OUT0
}

func (a *args) permit() { a.out.ActionType = fwps.FWP_ACTION_PERMIT }

func (a *args) block() {
	a.out.ActionType = fwps.FWP_ACTION_BLOCK
	a.out.Rights &^= fwps.FWPS_RIGHT_ACTION_WRITE
}

func (a *args) again() bool {
	return a.flags()&fwps.FWP_CONDITION_FLAG_IS_REAUTHORIZE != 0
}

func (a *args) flags() uint32 {
	switch a.in.LayerId() {
	case fwps.FWPS_LAYER_ALE_RESOURCE_ASSIGNMENT_V4:
		return a.in.IncomingValue(fwps.FWPS_FIELD_ALE_RESOURCE_ASSIGNMENT_V4_FLAGS).Value().Uint32()
	case fwps.FWPS_LAYER_ALE_AUTH_LISTEN_V4:
		return a.in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_LISTEN_V4_FLAGS).Value().Uint32()
	case fwps.FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4:
		return a.in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS).Value().Uint32()
	}
	if a.in.LayerId() == fwps.FWPS_LAYER_ALE_AUTH_CONNECT_V4 {
		return a.in.IncomingValue(fwps.FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS).Value().Uint32()
	}
	return a.in.IncomingValue(fwps.FWPS_FIELD_ALE_CONNECT_REDIRECT_V4_FLAGS).Value().Uint32()
}

// driver is a callout driver with one device, one redirect handle and one session.
type driver struct {
	l      *lab
	name   string
	obj    *irp.DRIVER_OBJECT
	dev    *irp.DEVICE_OBJECT
	engine irql.HANDLE
	handle irql.HANDLE
	hooks  []*hook
	unload func(k *irql.K)
}

// hook is one callout with its filter.
type hook struct {
	key    fwps.GUID
	id     uint32
	filter uint64
	calls  int
	irqls  []irql.KIRQL
	fn     func(a *args)

	deletes fwps.FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
}

// load starts a driver; setup runs at the end of its DriverEntry.
func (l *lab) load(name string, setup func(k *irql.K, d *driver)) *driver {
	l.t.Helper()
	d := &driver{l: l, name: name}
	d.obj = irp.Sim.LoadDriver(l.m, name, func(k *irql.K, drv *irp.DRIVER_OBJECT,
		_ string) ntstatus.NTSTATUS {
		drv.DriverUnload = func(k *irql.K, _ *irp.DRIVER_OBJECT) { d.stop(k) }
		d.obj = drv
		s := irp.IoCreateDevice(k, drv, 0, "", irp.FILE_DEVICE_NETWORK, 0, false, &d.dev)
		require.Equal(l.t, ok, s)
		s = fwps.FwpsRedirectHandleCreate0(k, &fwps.GUID{Data1: uint32(len(name))}, 0, &d.handle)
		require.Equal(l.t, ok, s)
		s = fwpm.FwpmEngineOpen0(k, "", fwpm.RPC_C_AUTHN_WINNT, nil,
			&fwpm.FWPM_SESSION0{Flags: fwpm.FWPM_SESSION_FLAG_DYNAMIC}, &d.engine)
		require.Equal(l.t, ok, s)
		if setup != nil {
			setup(k, d)
		}
		return ok
	})
	l.m.Run(nil)
	return d
}

// stop is the unload routine.
func (d *driver) stop(k *irql.K) {
	if d.unload != nil {
		d.unload(k)
		return
	}
	d.tidy(k)
}

// tidy gives everything back in the order of wfp.md 2.3.
func (d *driver) tidy(k *irql.K) {
	for _, h := range d.hooks {
		fwps.FwpsCalloutUnregisterById0(k, h.id)
	}
	irp.IoDeleteDevice(k, d.dev)
	fwps.FwpsRedirectHandleDestroy0(k, d.handle)
	fwpm.FwpmEngineClose0(k, d.engine)
}

// where says at which layer, in which sublayer and by which filter a callout is called.
type where struct {
	layer  fwps.GUID
	weight uint16
	action fwps.FWP_ACTION_TYPE
	flags  uint32
	fweigh uint8
}

var (
	atRedirect = where{layer: fwpm.FWPM_LAYER_ALE_CONNECT_REDIRECT_V4, weight: 0x100,
		action: fwps.FWP_ACTION_CALLOUT_UNKNOWN}
	atAuth = where{layer: fwpm.FWPM_LAYER_ALE_AUTH_CONNECT_V4, weight: 0x100,
		action: fwps.FWP_ACTION_CALLOUT_TERMINATING}
	atBind = where{layer: fwpm.FWPM_LAYER_ALE_BIND_REDIRECT_V4, weight: 0x100,
		action: fwps.FWP_ACTION_CALLOUT_UNKNOWN}
	atFlow = where{layer: fwpm.FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, weight: 0x100,
		action: fwps.FWP_ACTION_CALLOUT_TERMINATING}
)

func (w where) at(layer fwps.GUID) where {
	w.layer = layer
	return w
}

func (w where) weighing(weight uint16) where {
	w.weight = weight
	return w
}

func (w where) doing(a fwps.FWP_ACTION_TYPE, flags uint32) where {
	w.action, w.flags = a, flags
	return w
}

func sublayerKey(weight uint16) fwps.GUID { return fwps.GUID{Data1: 0x5b, Data2: weight} }

// newHook registers a callout without any filter.
func (d *driver) newHook(k *irql.K, fn func(a *args)) *hook {
	h := &hook{fn: fn, key: fwps.GUID{Data1: 0xca, Data2: uint16(d.obj.Image().Num),
		Data3: uint16(len(d.hooks))}}
	d.hooks = append(d.hooks, h)
	s := fwps.FwpsCalloutRegister1(k, d.dev, d.describe(h), &h.id)
	require.Equal(d.l.t, ok, s)
	return h
}

// describe is the FWPS_CALLOUT1 of a hook.
func (d *driver) describe(h *hook) *fwps.FWPS_CALLOUT1 {
	var deletes fwps.FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0
	if h.deletes != nil {
		deletes = func(k *irql.K, layer uint16, id uint32, ctx uint64) { h.deletes(k, layer, id, ctx) }
	}
	return &fwps.FWPS_CALLOUT1{CalloutKey: h.key,
		ClassifyFn: func(k *irql.K, in *fwps.FWPS_INCOMING_VALUES0, meta *fwps.FWPS_INCOMING_METADATA_VALUES0,
			layerData, ctx any, filter *fwps.FWPS_FILTER1, flow uint64, out *fwps.FWPS_CLASSIFY_OUT0) {
			h.calls++
			h.irqls = append(h.irqls, irql.KIRQL(ke.IRQL(k)))
			h.fn(&args{d, k, in, meta, layerData, ctx, filter, flow, out})
		},
		FlowDeleteFn: deletes,
		NotifyFn: func(*irql.K, fwps.FWPS_CALLOUT_NOTIFY_TYPE, *fwps.GUID,
			*fwps.FWPS_FILTER1) ntstatus.NTSTATUS {
			return ok
		},
	}
}

// hook registers a callout and adds its object, a sublayer of its own and a filter that calls it.
func (d *driver) hook(k *irql.K, w where, fn func(a *args)) *hook {
	d.l.t.Helper()
	h := d.newHook(k, fn)
	d.addObjects(k, w, h)
	require.Equal(d.l.t, ok, d.addFilter(k, w, h, &h.filter))
	return h
}

func (d *driver) addObjects(k *irql.K, w where, h *hook) {
	require.Equal(d.l.t, ok, d.addCallout(k, w, h))
	d.sublayer(k, w)
}

func (d *driver) sublayer(k *irql.K, w where) {
	require.Contains(d.l.t, []ntstatus.NTSTATUS{ok, ntstatus.STATUS_FWP_ALREADY_EXISTS}, d.addSublayer(k, w))
}

// addFilter adds a filter; h is nil for plain ones.
func (d *driver) addFilter(k *irql.K, w where, h *hook, id *uint64) ntstatus.NTSTATUS {
	f := &fwpm.FWPM_FILTER0{DisplayData: fwpm.FWPM_DISPLAY_DATA0{Name: "test"}, LayerKey: w.layer,
		SubLayerKey: sublayerKey(w.weight), Flags: w.flags, Action: fwpm.FWPM_ACTION0{Type: w.action},
		Weight: fwps.Uint8Value(w.fweigh)}
	if h != nil {
		f.Action.CalloutKey = h.key
	}
	return fwpm.FwpmFilterAdd0(k, d.engine, f, nil, id)
}

// plain adds a filter that permits or blocks by itself.
func (d *driver) plain(k *irql.K, w where) {
	d.sublayer(k, w)
	require.Equal(d.l.t, ok, d.addFilter(k, w, nil, nil))
}

// as runs fn in a system thread of the driver.
func (d *driver) as(fn func(k *irql.K)) {
	d.l.m.NewThread("thread of "+d.name, nil, func(k *irql.K) {
		ke.Push(k, ke.Frame{Kind: ke.FrameThread, Image: d.obj.Image()})
		fn(k)
		ke.Pop(k)
	})
}

// asks makes a question of a new connection.
func (l *lab) asks(layer tcpip.Layer, p *ke.Process, remote netip.AddrPort) *conn {
	c := &conn{l: l, process: p}
	c.q = &tcpip.Question{At: layer, Tuple: tcpip.Tuple{Proto: 6, Local: local, Remote: remote},
		Endpoint: &tcpip.Endpoint{ID: l.m.NewID(trace.Endpoint), Process: p}}
	c.q.Done = func(k *ke.K, a tcpip.Answer) {
		if a.Hold {
			c.holds++
			return
		}
		c.answers++
		c.answer = a
		if c.then != nil {
			c.then(k, c)
		}
	}
	l.conns = append(l.conns, c)
	return c
}

// go_ puts the question on a thread of the process.
func (c *conn) start(inherited tcpip.Records) *conn {
	c.l.m.NewThread("connect of "+c.process.Image, c.process, func(k *irql.K) { c.ask(k, inherited) })
	return c
}

func (c *conn) ask(k *irql.K, inherited tcpip.Records) {
	if c.q.At == tcpip.ConnectRedirect {
		c.records = c.l.e.NewRecords(k, inherited)
		c.q.Matter = &tcpip.ConnectRequest{Records: c.records}
		if inherited != nil {
			c.q.Flags |= tcpip.ProxyConnection
		}
	}
	if !tcpip.Of(k).Wants(c.q.At, c.q.V6) { // as the transport does
		c.q.Done(k, tcpip.Answer{Permit: true, Target: tcpip.Target{Local: c.q.Local, Remote: c.q.Remote}})
		return
	}
	c.l.e.Classify(k, c.q)
}

// connect asks at CONNECT_REDIRECT for a program that connects to web, and runs the machine.
func (l *lab) connect() *conn {
	c := l.asks(tcpip.ConnectRedirect, l.m.NewProcess("browser.exe", false), web).start(nil)
	l.m.Run(nil)
	return c
}

// authorise asks at AUTH_CONNECT for what a redirect question was answered with.
func (c *conn) authorise() *conn {
	t := c.answer.Target
	a := c.l.asks(tcpip.AuthConnect, c.process, t.Remote)
	if t.Redirected {
		a.q.Flags |= tcpip.ConnectionRedirected
		a.q.Flow = &tcpip.Flow{Redirect: &tcpip.Redirection{Original: c.q.Remote, TargetPID: t.TargetPID}}
	}
	a.start(nil)
	c.l.m.Run(nil)
	return a
}

// gone ends the connection.
func (c *conn) gone() {
	c.l.m.NewThread("network", nil, func(k *irql.K) { c.l.e.FlowGone(k, &tcpip.Flow{}, c.records) })
	c.l.m.Run(nil)
}

// end unloads a driver and makes the checks of the end of the run.
func (l *lab) end(drivers ...*driver) {
	l.t.Helper()
	for _, d := range drivers {
		irp.Sim.UnloadDriver(l.m, d.obj)
		l.m.Run(nil)
	}
	l.m.RunEndChecks()
}

// found lists the rules that were broken, in order, each once.
func (l *lab) found() []string {
	var out []string
	for _, f := range l.m.Findings() {
		if len(out) == 0 || out[len(out)-1] != f.Rule.String() {
			out = append(out, f.Rule.String())
		}
	}
	return out
}

// story is found with headlines, for failures.
func (l *lab) story() []string {
	var out []string
	for _, f := range l.m.Findings() {
		out = append(out, f.Rule.String()+": "+f.Headline)
	}
	return out
}

func (l *lab) has(rule verify.RuleID) bool {
	for _, f := range l.m.Findings() {
		if f.Rule == rule {
			return true
		}
	}
	return false
}

func (l *lab) silent() {
	l.t.Helper()
	require.Empty(l.t, l.story())
}

// plan is a redirection: what the callout does between acquire and apply.
type plan struct {
	remote    netip.AddrPort
	pid       uint32
	noHandle  bool
	noQuery   bool
	noApply   bool
	noContext bool
	change    func(k *irql.K, r *fwps.FWPS_CONNECT_REQUEST0)
	flags     uint32
	context   *irp.Buffer // what was handed over
}

func toProxy() *plan { return &plan{remote: proxy, pid: 1234} }

// state asks for the redirect state of the connection.
func (a *args) state() fwps.FWPS_CONNECTION_REDIRECT_STATE {
	return fwps.FwpsQueryConnectionRedirectState0(a.k, a.meta.RedirectRecords(), a.d.handle, nil)
}

// redirect does the inline form of wfp.md 8.4 C.
func (a *args) redirect(p *plan) {
	if !p.noQuery {
		switch a.state() {
		case fwps.FWPS_CONNECTION_REDIRECTED_BY_SELF, fwps.FWPS_CONNECTION_PREVIOUSLY_REDIRECTED_BY_SELF:
			a.permit()
			return
		}
	}
	var h uint64
	require.Equal(a.d.l.t, ok, fwps.FwpsAcquireClassifyHandle0(a.k, a.ctx, 0, &h))
	a.d.change(a.k, h, a.filter.FilterId, a.out, p)
	a.permit()
	a.out.Rights |= fwps.FWPS_RIGHT_ACTION_WRITE
	fwps.FwpsReleaseClassifyHandle0(a.k, h)
}

// change acquires the request, writes the plan into it and applies it.
func (d *driver) change(k *irql.K, h, filterID uint64, out *fwps.FWPS_CLASSIFY_OUT0, p *plan) {
	var data any
	if s := fwps.FwpsAcquireWritableLayerDataPointer0(k, h, filterID, 0, &data, out); s != ok {
		return
	}
	r := data.(*fwps.FWPS_CONNECT_REQUEST0)
	if p.remote.IsValid() {
		r.RemoteAddressAndPort = ws2def.Storage(p.remote)
		r.LocalRedirectTargetPID = p.pid
		if !p.noHandle {
			r.LocalRedirectHandle = d.handle
		}
		if !p.noContext {
			p.context = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, 16, tag)
			p.context.Store32(0, 0x11223344)
			r.LocalRedirectContext, r.LocalRedirectContextSize = p.context, 16
		}
	}
	if p.change != nil {
		p.change(k, r)
	}
	if !p.noApply {
		fwps.FwpsApplyModifiedLayerData0(k, h, data, p.flags)
	}
}

// permits is a callout that permits everything.
func permits(a *args) { a.permit() }

// redirector is a driver that redirects by plan and looks at AUTH_CONNECT as well.
func (l *lab) redirector(name string, p *plan) *driver {
	return l.load(name, func(k *irql.K, d *driver) {
		d.hook(k, atRedirect, func(a *args) { a.redirect(p) })
		d.hook(k, atAuth, permits)
	})
}

// single is a driver with one callout.
func (l *lab) single(w where, fn func(a *args)) *driver {
	return l.load("redir.sys", func(k *irql.K, d *driver) { d.hook(k, w, fn) })
}

package wsk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

// events is SO_WSK_EVENT_CALLBACK without an IRP.
func events(k *irql.K, s *wsk.WSK_SOCKET, mask uint32) ntstatus.NTSTATUS {
	return eventsWith(k, s, mask, &wsk.NPI_WSK_INTERFACE_ID, nil)
}

func eventsWith(k *irql.K, s *wsk.WSK_SOCKET, mask uint32, npi *wsk.NPIID, p *irp.IRP) ntstatus.NTSTATUS {
	ctl := irp.StackVar[wsk.WSK_EVENT_CALLBACK_CONTROL](k)
	*ctl.Get() = wsk.WSK_EVENT_CALLBACK_CONTROL{NpiId: npi, EventMask: mask}
	return basic(s).WskControlSocket(k, s, wsk.WskSetOption, wsk.SO_WSK_EVENT_CALLBACK, ws2def.SOL_SOCKET,
		wsk.SizeofEventCallbackControl, ctl.Handle(), 0, nil, nil, p)
}

// static is WSK_SET_STATIC_EVENT_CALLBACKS.
func (r *rig) static(k *irql.K, mask uint32) ntstatus.NTSTATUS {
	ctl := irp.StackVar[wsk.WSK_EVENT_CALLBACK_CONTROL](k)
	*ctl.Get() = wsk.WSK_EVENT_CALLBACK_CONTROL{NpiId: &wsk.NPI_WSK_INTERFACE_ID, EventMask: mask}
	return r.npi.Dispatch.WskControlClient(k, r.npi.Client, wsk.WSK_SET_STATIC_EVENT_CALLBACKS,
		wsk.SizeofEventCallbackControl, ctl.Handle(), 0, nil, nil, nil)
}

// house is a server that works with callbacks. What happened signals an event each.
type house struct {
	r        *rig
	listen   wsk.WSK_CLIENT_LISTEN_DISPATCH
	connect  wsk.WSK_CLIENT_CONNECTION_DISPATCH
	caller   any // table of the one who connects
	l        *wsk.WSK_SOCKET
	accepted []*wsk.WSK_SOCKET
	got      string
	ends     []wsk.EventFlags
	kept     []*wsk.WSK_DATA_INDICATION
	came     *irql.KEVENT // a connection
	heard    *irql.KEVENT // data
	left     *irql.KEVENT // the end
	accept   wsk.PFN_WSK_ACCEPT_EVENT
	buffer   *irp.Buffer // that a callback uses
	receive  func(k *irql.K, d *wsk.WSK_DATA_INDICATION, n uint64, taken *uint64) ntstatus.NTSTATUS
}

func newHouse(r *rig, k *irql.K) *house {
	h := &house{r: r, came: new(irql.KEVENT), heard: new(irql.KEVENT), left: new(irql.KEVENT)}
	for _, e := range []*irql.KEVENT{h.came, h.heard, h.left} {
		irql.KeInitializeEvent(k, e, irql.NotificationEvent, false)
	}
	h.listen.WskAcceptEvent = h.acceptEvent
	h.connect = wsk.WSK_CLIENT_CONNECTION_DISPATCH{WskReceiveEvent: h.receiveEvent,
		WskDisconnectEvent: h.disconnectEvent}
	return h
}

// open makes the listening socket.
func (h *house) open(k *irql.K) {
	h.l = h.r.socketWith(k, wsk.WSK_FLAG_LISTEN_SOCKET, h, &h.listen)
	h.r.ok(bind(k, h.l, server))
}

func (r *rig) socketWith(k *irql.K, flags wsk.SocketFlags, context, table any) *wsk.WSK_SOCKET {
	s := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return r.npi.Dispatch.WskSocket(k, r.npi.Client, ws2def.AF_INET, ws2def.SOCK_STREAM,
			ws2def.IPPROTO_TCP, flags, context, table, nil, nil, nil, p)
	})).Pointer.(*wsk.WSK_SOCKET)
	r.made = append(r.made, s)
	return s
}

func (h *house) acceptEvent(k *irql.K, context any, flags wsk.EventFlags, local, remote ws2def.SOCKADDR,
	s *wsk.WSK_SOCKET, socketContext *any, dispatch **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
	assert.Same(h.r, h, context)
	if h.accept != nil {
		return h.accept(k, context, flags, local, remote, s, socketContext, dispatch)
	}
	return h.take(k, s, socketContext, dispatch)
}

func (h *house) take(k *irql.K, s *wsk.WSK_SOCKET, socketContext *any,
	dispatch **wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
	*socketContext, *dispatch = h, &h.connect
	h.accepted = append(h.accepted, s)
	h.r.made = append(h.r.made, s)
	irql.KeSetEvent(k, h.came, 0, false)
	return good
}

func (h *house) receiveEvent(k *irql.K, context any, _ wsk.EventFlags, d *wsk.WSK_DATA_INDICATION, n uint64,
	taken *uint64) ntstatus.NTSTATUS {
	assert.Same(h.r, h, context)
	if h.receive != nil {
		return h.receive(k, d, n, taken)
	}
	h.read(k, d)
	return good
}

// read takes what a list holds.
func (h *house) read(k *irql.K, d *wsk.WSK_DATA_INDICATION) {
	for ; d != nil; d = d.Next() {
		h.got += textOf(k, d.Buffer())
	}
	irql.KeSetEvent(k, h.heard, 0, false)
}

// textOf is what a WSK_BUF holds in one MDL.
func textOf(k *irql.K, b *wsk.WSK_BUF) string {
	v := irp.MmGetSystemAddressForMdlSafe(k, b.Mdl, irp.NormalPagePriority)
	return string(v.Slice(int(b.Offset), int(b.Length)).Bytes())
}

func (h *house) disconnectEvent(k *irql.K, context any, flags wsk.EventFlags) ntstatus.NTSTATUS {
	assert.Same(h.r, h, context)
	h.ends = append(h.ends, flags&^wsk.WSK_FLAG_AT_DISPATCH_LEVEL)
	irql.KeSetEvent(k, h.left, 0, false)
	return good
}

func (h *house) callerReceives(k *irql.K, _ any, _ wsk.EventFlags, d *wsk.WSK_DATA_INDICATION, _ uint64,
	_ *uint64) ntstatus.NTSTATUS {
	assert.Contains(h.r, "answer", textOf(k, d.Buffer()))
	return good
}

func await(k *irql.K, e *irql.KEVENT) {
	irql.KeWaitForSingleObject(k, e, irql.Executive, irql.KernelMode, false, nil)
	irql.KeClearEvent(k, e)
}

// everyEvent is what a listening socket passes on.
const everyEvent = wsk.WSK_EVENT_ACCEPT | wsk.WSK_EVENT_RECEIVE | wsk.WSK_EVENT_DISCONNECT

// served runs a conversation with a server of callbacks under many schedules.
func served(t *testing.T, events func(r *rig, k *irql.K, h *house), talk func(r *rig, k *irql.K, h *house,
	c *wsk.WSK_SOCKET)) {
	t.Helper()
	rigs := scheduled(t, nil)
	for number := range 50 {
		r := rigs(number)
		r.driver(func(k *irql.K) {
			h := newHouse(r, k)
			events(r, k, h)
			c := r.socketWith(k, wsk.WSK_FLAG_CONNECTION_SOCKET, nil, h.caller)
			r.ok(bind(k, c, any4))
			r.ok(connect(k, c, server))
			talk(r, k, h, c)
			r.closeAll(k, c, h.l)
			r.closeAll(k, h.accepted...)
		}).clean()
	}
}

func enabled(r *rig, k *irql.K, h *house) {
	h.open(k)
	assert.Equal(r, good, events(k, h.l, everyEvent))
}

func static(r *rig, k *irql.K, h *house) {
	assert.Equal(r, good, r.static(k, everyEvent))
	h.caller = &wsk.WSK_CLIENT_CONNECTION_DISPATCH{WskReceiveEvent: h.callerReceives,
		WskDisconnectEvent: func(*irql.K, any, wsk.EventFlags) ntstatus.NTSTATUS { return good }}
	h.open(k)
}

func TestEvents_Conversation(t *testing.T) {
	for _, on := range []func(*rig, *irql.K, *house){enabled, static} {
		served(t, on, func(r *rig, k *irql.K, h *house, c *wsk.WSK_SOCKET) {
			await(k, h.came)
			r.ok(send(k, c, "hello"))
			for h.got != "hello" {
				await(k, h.heard)
			}
			r.ok(send(k, h.accepted[0], "answer"))
			if h.caller == nil {
				got, _ := receive(k, c, 10)
				assert.Equal(r, "answer", got)
			}
			r.ok(disconnect(k, c, 0))
			await(k, h.left)
			assert.Equal(r, []wsk.EventFlags{0}, h.ends)
			r.ok(disconnect(k, h.accepted[0], 0))
		})
	}
}

func TestEvents_Abort(t *testing.T) {
	served(t, enabled, func(r *rig, k *irql.K, h *house, c *wsk.WSK_SOCKET) {
		await(k, h.came)
		r.ok(disconnect(k, c, wsk.WSK_FLAG_ABORTIVE))
		await(k, h.left)
		assert.Equal(r, []wsk.EventFlags{wsk.EventFlags(wsk.WSK_FLAG_ABORTIVE)}, h.ends)
	})
}

// What is not accepted is indicated again when a WskReceive has completed, also one of no length.
func TestEvents_PartialAcceptance(t *testing.T) {
	served(t, enabled, func(r *rig, k *irql.K, h *house, c *wsk.WSK_SOCKET) {
		calls := 0
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, n uint64, taken *uint64) ntstatus.NTSTATUS {
			if calls++; calls > 1 {
				h.read(k, d)
				return good
			}
			assert.EqualValues(r, 5, n)
			*taken = 2
			h.got = textOf(k, d.Buffer())[:2]
			irql.KeSetEvent(k, h.heard, 0, false)
			return good
		}
		await(k, h.came)
		q := newRequest(k)
		m := text(k, "hello")
		connected(c).WskSend(k, c, m.buf(), 0, q.p)
		await(k, h.heard)
		assert.Equal(r, "he", h.got)
		a := h.accepted[0]
		r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(a).WskReceive(k, a, &wsk.WSK_BUF{}, 0, p)
		}))
		await(k, h.heard)
		assert.Equal(r, "hello", h.got)
		r.ok(q.wait(k))
		q.free(k)
		m.free(k)
	})
}

// A list that is kept takes up room until it is given back.
func TestEvents_Retained(t *testing.T) {
	served(t, enabled, func(r *rig, k *irql.K, h *house, c *wsk.WSK_SOCKET) {
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
			h.kept = append(h.kept, d)
			irql.KeSetEvent(k, h.heard, 0, false)
			return ntstatus.STATUS_PENDING
		}
		await(k, h.came)
		r.ok(send(k, c, "hello"))
		await(k, h.heard)
		h.receive = nil
		h.read(k, h.kept[0])
		irql.KeClearEvent(k, h.heard)
		a := h.accepted[0]
		assert.Equal(r, good, connected(a).WskRelease(k, a, h.kept[0]))
		r.ok(send(k, c, "!"))
		await(k, h.heard)
		assert.Equal(r, "hello!", h.got)
	})
}

// While a callback runs, what disables it waits for it.
func TestEvents_DisableWaits(t *testing.T) {
	served(t, enabled, func(r *rig, k *irql.K, h *house, c *wsk.WSK_SOCKET) {
		var st ntstatus.NTSTATUS
		q := newRequest(k)
		h.receive = func(k *irql.K, d *wsk.WSK_DATA_INDICATION, _ uint64, _ *uint64) ntstatus.NTSTATUS {
			a := h.accepted[0]
			assert.Equal(r, ntstatus.STATUS_EVENT_PENDING, events(k, a,
				wsk.WSK_EVENT_RECEIVE|wsk.WSK_EVENT_DISABLE))
			st = eventsWith(k, a, wsk.WSK_EVENT_RECEIVE|wsk.WSK_EVENT_DISABLE, &wsk.NPI_WSK_INTERFACE_ID, q.p)
			h.read(k, d)
			return good
		}
		await(k, h.came)
		r.ok(send(k, c, "hello"))
		r.ok(q.wait(k))
		assert.Equal(r, ntstatus.STATUS_PENDING, st)
		q.free(k)
		await(k, h.heard)
		a := h.accepted[0]
		m := text(k, "more")
		q = newRequest(k)
		connected(c).WskSend(k, c, m.buf(), 0, q.p)
		var got string
		for len(got) < 4 {
			more, st := receive(k, a, 10)
			r.ok(st)
			got += more
		}
		assert.Equal(r, "more", got)
		assert.Equal(r, "hello", h.got)
		r.ok(q.wait(k))
		q.free(k)
		m.free(k)
		assert.Equal(r, good, events(k, a, wsk.WSK_EVENT_RECEIVE|wsk.WSK_EVENT_DISABLE))
	})
}

// A connection that is turned down is reset.
func TestEvents_NotAccepted(t *testing.T) {
	refuse := func(r *rig, k *irql.K, h *house) {
		h.accept = func(*irql.K, any, wsk.EventFlags, ws2def.SOCKADDR, ws2def.SOCKADDR, *wsk.WSK_SOCKET, *any,
			**wsk.WSK_CLIENT_CONNECTION_DISPATCH) ntstatus.NTSTATUS {
			return ntstatus.STATUS_REQUEST_NOT_ACCEPTED
		}
		enabled(r, k, h)
	}
	served(t, refuse, func(r *rig, k *irql.K, _ *house, c *wsk.WSK_SOCKET) {
		_, st := receive(k, c, 10)
		assert.Equal(r, ntstatus.STATUS_CONNECTION_RESET, st.Status)
	})
}

package wsk_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irp"
	"calloutsim/irql"
	"calloutsim/ntstatus"
	"calloutsim/wsk"
	"calloutsim/wsk/ws2def"
)

var app = &ke.Process{PID: 100, Image: "browser.exe"}

// query asks for records or context: first with room bytes, then with as many as the first try said.
func query(k *irql.K, s *wsk.WSK_SOCKET, code uint32, room uint64) (*irp.Buffer, irp.IO_STATUS_BLOCK) {
	var b *irp.Buffer
	for {
		if room > 0 {
			b = irp.ExAllocatePool2(k, irp.POOL_FLAG_NON_PAGED, room, tag)
		}
		size := irp.StackVar[uint64](k)
		st := do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return connected(s).WskControlSocket(k, s, wsk.WskIoctl, code, 0, 0, nil, room, b, size.Get(), p)
		})
		if st.Status != ntstatus.STATUS_BUFFER_TOO_SMALL {
			return b, st
		}
		if b != nil {
			irp.ExFreePoolWithTag(k, b, tag)
		}
		room = st.Information
	}
}

// relay copies from one socket to the other until the stream ends, and passes the end on.
func (r *rig) relay(k *irql.K, from, to *wsk.WSK_SOCKET) {
	for {
		data, st := receive(k, from, 100)
		r.ok(st)
		if data == "" {
			r.ok(disconnect(k, to, 0))
			return
		}
		r.ok(send(k, to, data))
	}
}

// serve is the proxy: one redirected connection.
func (r *rig) serve(k *irql.K, l *wsk.WSK_SOCKET, room uint64) {
	remote := irp.StackVar[ws2def.SOCKADDR_STORAGE](k)
	in := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return listening(l).WskAccept(k, l, 0, nil, nil, nil, remote.Get(), p)
	})).Pointer.(*wsk.WSK_SOCKET)
	assert.Equal(r, "127.0.0.1", ws2def.AddrPort(remote.Get()).Addr().String())

	context, st := query(k, in, wsk.SIO_QUERY_WFP_CONNECTION_REDIRECT_CONTEXT, room)
	r.ok(st)
	original := ws2def.StorageFromBytes(context.Bytes()[:st.Information])
	records, st := query(k, in, wsk.SIO_QUERY_WFP_CONNECTION_REDIRECT_RECORDS, room)
	r.ok(st)

	out := r.socket(k, wsk.WSK_FLAG_CONNECTION_SOCKET)
	r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
		return connected(out).WskControlSocket(k, out, wsk.WskIoctl,
			wsk.SIO_SET_WFP_CONNECTION_REDIRECT_RECORDS, 0,
			st.Information, records, 0, nil, nil, p)
	}))
	irp.ExFreePoolWithTag(k, context, tag)
	irp.ExFreePoolWithTag(k, records, tag)
	r.ok(bind(k, out, any4))
	r.ok(connect(k, out, &original))
	r.relay(k, in, out)
	r.relay(k, out, in)
	r.closeAll(k, in, out)
}

// program is the redirected application.
func (r *rig) program(k *ke.K) {
	s, st := tcpip.NewSocket(k, app, ws2def.AF_INET, ws2def.SOCK_STREAM)
	require.Equal(r, good, st)
	require.Equal(r, good, s.Connect(k, ws2def.AddrPort(site)))
	_, st = s.Send(k, []byte("GET / HTTP/1.1"))
	require.Equal(r, good, st)
	require.Equal(r, good, s.Shutdown(k, ws2def.SD_SEND))
	var all []byte
	for b := make([]byte, 64); ; {
		n, st := s.Recv(k, b)
		require.Equal(r, good, st)
		if n == 0 {
			break
		}
		all = append(all, b[:n]...)
	}
	assert.Equal(r, "GET / HTTP/1.1", string(all))
	s.Close(k)
}

func TestProxy_RelaysARedirectedConnection(t *testing.T) {
	for run := uint64(1); run <= 200; run++ {
		r := newRig(t, run)
		s := tcpip.On(r.m)
		f := &fake{context: site.Bytes()}
		s.SetEngine(f)
		s.AddHost(netip.MustParseAddr("93.184.216.34"), tcpip.Echo())
		r.driver(func(k *irql.K) {
			l := r.listener(k, proxy)
			r.m.NewThread("browser", app, r.program)
			r.serve(k, l, []uint64{1024, 0, 4096}[run%3])
			r.closeAll(k, l)
		})
		r.clean()
		assert.Equal(t, 2, f.gone)
		assert.Empty(t, s.Endpoints())
	}
}

func TestProxy_SameSeedSameTrace(t *testing.T) {
	for run := uint64(1); run <= 5; run++ {
		var hash [2]uint64
		for i := range hash {
			r := newRig(t, run)
			tcpip.On(r.m).SetEngine(&fake{context: site.Bytes()})
			tcpip.On(r.m).AddHost(netip.MustParseAddr("93.184.216.34"), tcpip.Echo())
			r.driver(func(k *irql.K) {
				l := r.listener(k, proxy)
				r.m.NewThread("browser", app, r.program)
				r.serve(k, l, 1024)
				r.closeAll(k, l)
			})
			hash[i] = r.m.Log().Hash()
		}
		assert.Equal(t, hash[0], hash[1])
	}
}

// SO_RCVBUF set on a connected socket is room at once, for bytes that wait at the peer.
func TestWskControlSocket_ReceiveBufferGrows(t *testing.T) {
	r := newRig(t, 1)
	r.driver(func(k *irql.K) {
		room := func(on *wsk.WSK_SOCKET, n uint32) {
			m := newMemory(k, 4)
			m.b.Store32(0, n)
			r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
				return basic(on).WskControlSocket(k, on, wsk.WskSetOption, ws2def.SO_RCVBUF,
					ws2def.SOL_SOCKET, 4, m.b, 0, nil, nil, p)
			}))
			m.free(k)
		}
		l, c := r.socket(k, wsk.WSK_FLAG_LISTEN_SOCKET), r.connection(k)
		room(l, 2)
		r.ok(bind(k, l, server))
		r.ok(connect(k, c, server))
		a := r.ok(do(k, func(p *irp.IRP) ntstatus.NTSTATUS {
			return listening(l).WskAccept(k, l, 0, nil, nil, nil, nil, p)
		})).Pointer.(*wsk.WSK_SOCKET)
		m, q := text(k, "hello"), newRequest(k)
		connected(c).WskSend(k, c, m.buf(), 0, q.p)
		limit := -int64(ke.Second)
		assert.Equal(t, ntstatus.STATUS_TIMEOUT,
			irql.KeWaitForSingleObject(k, q.event, irql.Executive, 0, false, &limit), "two bytes fit")
		room(a, 10)
		r.ok(q.wait(k))
		q.free(k)
		m.free(k)
		got, _ := receive(k, a, 10)
		assert.Equal(t, "hello", got)
		r.closeAll(k, c, a, l)
	}).clean()
}

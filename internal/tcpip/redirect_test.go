package tcpip

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

var (
	proxyAddr = netip.MustParseAddrPort("127.0.0.1:3128")
	proxy     = &ke.Process{PID: 12, Image: "proxy.exe", Admin: true}
)

// redirectStory lets the app connect to the site, the engine redirect it to the proxy, and the proxy
// connect out.
func (r *rig) redirectStory(f *fake) {
	f.from, f.to, f.pid, f.context = site, proxyAddr, proxy.PID, "to 93.184.216.34:443"
	r.s.SetEngine(f)
	r.s.AddHost(site.Addr(), Echo())
	r.program("proxy", proxy, func(k *ke.K) {
		l := r.listen(k, proxy, "127.0.0.1:3128")
		r.program("app", app, func(k *ke.K) {
			c := r.socket(k, app)
			r.ok(c.Connect(k, site))
			assert.Equal(r, site, c.PeerAddr())
			assert.Equal(r, proxyAddr, c.Endpoint().Remote())
			_, st := c.Send(k, []byte("GET"))
			r.ok(st)
			r.ok(c.Shutdown(k, ws2def.SD_SEND))
			assert.Equal(r, "GET", string(r.recvAll(k, c)))
			r.ok(c.Close(k))
		})
		in, st := l.Accept(k)
		r.ok(st)
		records := r.query(k, in)
		out := r.socket(k, proxy)
		assert.True(r, out.Endpoint().WantsRecords(site))
		_, st = out.Ioctl(k, SetRecords, records, nil)
		r.ok(st)
		assert.False(r, out.Endpoint().WantsRecords(site))
		r.ok(out.Connect(k, site))
		data := r.recvAll(k, in)
		_, st = out.Send(k, data)
		r.ok(st)
		r.ok(out.Shutdown(k, ws2def.SD_SEND))
		_, st = in.Send(k, r.recvAll(k, out))
		r.ok(st)
		r.ok(in.Close(k))
		r.ok(out.Close(k))
		r.ok(l.Close(k))
	})
	r.run()
}

// query asks for context and records with both sizing strategies.
func (r *rig) query(k *ke.K, in *Socket) []byte {
	b := make([]byte, 1024)
	n, st := in.Ioctl(k, QueryContext, nil, b)
	r.ok(st)
	assert.Equal(r, "to 93.184.216.34:443", string(b[:n]))
	n, st = in.Ioctl(k, QueryRecords, nil, nil)
	assert.Equal(r, ntstatus.STATUS_BUFFER_TOO_SMALL, st)
	assert.Equal(r, ws2def.ERROR_INSUFFICIENT_BUFFER, Errno(st))
	b = make([]byte, n)
	_, st = in.Ioctl(k, QueryRecords, nil, b)
	r.ok(st)
	return b
}

func TestRedirect_ProxyRelaysAndEverythingIsFreed(t *testing.T) {
	for run := uint64(1); run <= 60; run++ {
		for _, later := range []bool{false, true} {
			r := newRig(t, run)
			f := &fake{later: later}
			r.redirectStory(f)
			assert.Empty(t, r.s.eps)
			assert.Empty(t, r.s.streams)
			freed := 0
			for _, g := range f.gone {
				if len(g) > len("flow#1") {
					freed++
				}
			}
			assert.Equal(t, 2, freed, "one chain for the app, one for the proxy: %v", f.gone)
		}
	}
}

func TestRedirect_LayersInTheirOrder(t *testing.T) {
	r := newRig(t, 1)
	f := &fake{}
	r.redirectStory(f)
	conn := f.log
	assert.Contains(t, conn, "redirect 0.0.0.0:49152->93.184.216.34:443 0")
	assert.Contains(t, conn, "connect 127.0.0.1:49152->127.0.0.1:3128 9", "redirected and loopback")
	assert.Contains(t, conn, "accept 127.0.0.1:3128->127.0.0.1:49152 1 inbound", "loopback")
	assert.Contains(t, conn, "connect 192.0.2.10:49153->93.184.216.34:443 10", "connection of a proxy")
}

func TestRedirect_WhoMayAsk(t *testing.T) {
	for _, c := range []struct {
		p    *ke.Process
		want ntstatus.NTSTATUS
	}{
		{nil, good},
		{&ke.Process{PID: 40, Admin: true}, good},
		{&ke.Process{PID: 12}, good},
		{&ke.Process{PID: 44}, ntstatus.STATUS_ACCESS_DENIED},
	} {
		r := newRig(t, 1)
		r.s.SetEngine(&fake{from: site, to: proxyAddr, pid: 12, context: "c"})
		r.program("proxy", c.p, func(k *ke.K) {
			l := r.listen(k, c.p, "127.0.0.1:3128")
			r.program("app", app, func(k *ke.K) { r.ok(r.socket(k, app).Connect(k, site)) })
			in, st := l.Accept(k)
			r.ok(st)
			_, st = in.Ioctl(k, QueryContext, nil, make([]byte, 100))
			assert.Equal(t, c.want, st)
			_, st = l.Ioctl(k, QueryContext, nil, make([]byte, 100))
			assert.Equal(t, ntstatus.STATUS_INVALID_CONNECTION, st)
			_, st = r.socket(k, c.p).Ioctl(k, SetRecords, make([]byte, 7), nil)
			want := ntstatus.STATUS_INVALID_PARAMETER
			if c.p != nil && !c.p.Admin {
				want = ntstatus.STATUS_ACCESS_DENIED
			}
			assert.Equal(t, want, st)
		})
		r.run()
	}
}

func TestRedirect_NotRedirectedIsNotFound(t *testing.T) {
	r := newRig(t, 1)
	r.s.SetEngine(&fake{})
	r.program("server", nil, func(k *ke.K) {
		l := r.listen(k, nil, "127.0.0.1:8080")
		r.program("app", app, func(k *ke.K) { r.ok(r.socket(k, app).Connect(k, server)) })
		in, st := l.Accept(k)
		r.ok(st)
		_, st = in.Ioctl(k, QueryRecords, nil, make([]byte, 100))
		assert.Equal(t, ntstatus.STATUS_NOT_FOUND, st)
	})
	r.run()
}

func TestEngine_BlocksAtEachLayer(t *testing.T) {
	for _, c := range []struct {
		block                 Layer
		bind, listen, connect ntstatus.NTSTATUS
	}{
		{ResourceAssignment, ntstatus.STATUS_ACCESS_DENIED, ids, ntstatus.STATUS_ACCESS_DENIED},
		{AuthListen, good, ntstatus.STATUS_ACCESS_DENIED, ntstatus.STATUS_CONNECTION_REFUSED},
		{AuthConnect, good, good, ntstatus.STATUS_ACCESS_DENIED},
		{AuthRecvAccept, good, good, ntstatus.STATUS_IO_TIMEOUT},
	} {
		r := newRig(t, 1)
		r.s.SetEngine(&fake{block: c.block})
		r.program("p", app, func(k *ke.K) {
			l := r.socket(k, app)
			assert.Equal(t, c.bind, l.Bind(k, server))
			assert.Equal(t, c.listen, l.Listen(k, 0))
			s := r.socket(k, app)
			assert.Equal(t, c.connect, s.Connect(k, server))
			r.ok(s.Close(k))
			r.ok(l.Close(k))
		})
		r.run()
		assert.Empty(t, r.s.streams)
		assert.Empty(t, r.s.eps)
	}
}

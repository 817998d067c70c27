package tcpip

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

const good = ntstatus.STATUS_SUCCESS

// rig is a machine with programs.
type rig struct {
	*testing.T
	m *ke.Machine
	s *Stack
}

func newRig(t *testing.T, run uint64) *rig {
	cfg := ke.Config{Events: -1}
	if run > 1 {
		cfg.Source = ke.NewRandom(0, run)
	}
	m := ke.New(cfg)
	t.Cleanup(m.Close)
	return &rig{t, m, On(m)}
}

func (r *rig) program(name string, p *ke.Process, fn func(k *ke.K)) { r.m.NewThread(name, p, fn) }

func (r *rig) ok(s ntstatus.NTSTATUS) {
	r.Helper()
	require.Equal(r, good.String(), s.String())
}

func (r *rig) socket(k *ke.K, p *ke.Process) *Socket {
	s, st := NewSocket(k, p, ws2def.AF_INET, ws2def.SOCK_STREAM)
	r.ok(st)
	return s
}

func (r *rig) listen(k *ke.K, p *ke.Process, addr string) *Socket {
	s := r.socket(k, p)
	r.ok(s.Bind(k, netip.MustParseAddrPort(addr)))
	r.ok(s.Listen(k, 0))
	return s
}

func (r *rig) recvAll(k *ke.K, s *Socket) []byte {
	var all []byte
	b := make([]byte, 1000)
	for {
		n, st := s.Recv(k, b)
		r.ok(st)
		if n == 0 {
			return all
		}
		all = append(all, b[:n]...)
	}
}

func (r *rig) run() {
	r.m.Run(nil)
	require.Empty(r, r.m.Findings())
	for _, t := range r.m.Threads() {
		why, _, _, _ := t.Waits()
		r.Fatalf("%s did not end: %s", t.Name(), why)
	}
}

var (
	server = netip.MustParseAddrPort("127.0.0.1:8080")
	site   = netip.MustParseAddrPort("93.184.216.34:443")
	app    = &ke.Process{PID: 8, Image: "browser.exe"}
)

func TestLoopback_DataGoesBothWaysAndEndsCleanly(t *testing.T) {
	for run := uint64(1); run <= 60; run++ {
		r := newRig(t, run)
		big := bytes.Repeat([]byte("0123456789abcdef"), 20000)
		r.program("server", nil, func(k *ke.K) {
			l := r.listen(k, nil, "127.0.0.1:8080")
			r.program("client", app, func(k *ke.K) {
				c := r.socket(k, app)
				r.ok(c.Connect(k, server))
				n, st := c.Send(k, big)
				r.ok(st)
				assert.Equal(t, len(big), n)
				r.ok(c.Shutdown(k, ws2def.SD_SEND))
				assert.Equal(t, "thanks", string(r.recvAll(k, c)))
				r.ok(c.Close(k))
			})
			c, st := l.Accept(k)
			r.ok(st)
			assert.Equal(t, server, c.LocalAddr())
			assert.True(t, bytes.Equal(big, r.recvAll(k, c)))
			_, st = c.Send(k, []byte("thanks"))
			r.ok(st)
			r.ok(c.Close(k))
			r.ok(l.Close(k))
		})
		r.run()
		assert.Empty(t, r.s.eps)
		assert.Empty(t, r.s.streams, "run %d", run)
	}
}

func TestConnect_WithoutListenerIsRefused(t *testing.T) {
	r := newRig(t, 1)
	r.program("client", app, func(k *ke.K) {
		c := r.socket(k, app)
		assert.Equal(t, ntstatus.STATUS_CONNECTION_REFUSED, c.Connect(k, server))
		assert.Equal(t, Bound, c.Endpoint().State())
		assert.Equal(t, ws2def.WSAECONNREFUSED, Errno(ntstatus.STATUS_CONNECTION_REFUSED))
		_, st := c.Recv(k, make([]byte, 1))
		assert.Equal(t, ntstatus.STATUS_INVALID_CONNECTION, st)
		r.ok(c.Close(k))
	})
	r.run()
	assert.Empty(t, r.s.streams)
}

func TestConnect_HostsAnswerAsDeclared(t *testing.T) {
	addr := netip.MustParseAddr
	r := newRig(t, 1)
	r.s.AddHost(site.Addr(), Echo()).Latency = 5 * ke.Millisecond
	r.s.AddHost(addr("203.0.113.1"), Shut())
	r.s.AddHost(addr("203.0.113.2"), Silent())
	r.program("client", app, func(k *ke.K) {
		c := r.socket(k, app)
		r.ok(c.Connect(k, site))
		assert.Equal(t, "192.0.2.10", c.LocalAddr().Addr().String())
		_, st := c.Send(k, []byte("ping"))
		r.ok(st)
		r.ok(c.Shutdown(k, ws2def.SD_SEND))
		assert.Equal(t, "ping", string(r.recvAll(k, c)))
		r.ok(c.Close(k))
		for a, want := range map[string]ntstatus.NTSTATUS{
			"203.0.113.1": ntstatus.STATUS_CONNECTION_REFUSED,
			"203.0.113.2": ntstatus.STATUS_IO_TIMEOUT,
			"203.0.113.3": ntstatus.STATUS_HOST_UNREACHABLE,
		} {
			c := r.socket(k, app)
			assert.Equal(t, want, c.Connect(k, netip.AddrPortFrom(addr(a), 80)))
			r.ok(c.Close(k))
		}
	})
	r.run()
	assert.Empty(t, r.s.streams)
}

func TestBind_ConflictsAndEphemeralPorts(t *testing.T) {
	r := newRig(t, 1)
	r.program("p", app, func(k *ke.K) {
		l := r.listen(k, app, "0.0.0.0:80")
		s := r.socket(k, app)
		assert.Equal(t, ntstatus.STATUS_ADDRESS_ALREADY_EXISTS,
			s.Bind(k, netip.MustParseAddrPort("0.0.0.0:80")))
		assert.Equal(t, ntstatus.STATUS_INVALID_ADDRESS_COMPONENT,
			s.Bind(k, netip.MustParseAddrPort("10.9.9.9:81")))
		assert.Equal(t, ntstatus.STATUS_INVALID_PARAMETER, s.Bind(k, netip.MustParseAddrPort("[::1]:81")))
		r.ok(s.Bind(k, netip.MustParseAddrPort("0.0.0.0:0")))
		assert.EqualValues(t, firstDynamic, s.LocalAddr().Port())
		assert.Equal(t, ids, s.Bind(k, netip.MustParseAddrPort("0.0.0.0:0")))
		r.ok(l.Close(k))
		again := r.listen(k, app, "0.0.0.0:80")
		r.ok(again.Close(k))
		r.ok(s.Close(k))
	})
	r.run()
}

func TestListen_FullBacklogRefuses(t *testing.T) {
	r := newRig(t, 1)
	r.program("p", app, func(k *ke.K) {
		l := r.socket(k, app)
		r.ok(l.Bind(k, server))
		r.ok(l.Listen(k, 2))
		for i := range 3 {
			c := r.socket(k, app)
			want := good
			if i == 2 {
				want = ntstatus.STATUS_CONNECTION_REFUSED
			}
			assert.Equal(t, want, c.Connect(k, server))
		}
	})
	r.run()
}

func TestClose_AbortIsSeenAsReset(t *testing.T) {
	r := newRig(t, 1)
	r.program("server", nil, func(k *ke.K) {
		l := r.listen(k, nil, "127.0.0.1:8080")
		r.program("client", app, func(k *ke.K) {
			c := r.socket(k, app)
			r.ok(c.Connect(k, server))
			_, st := c.Recv(k, make([]byte, 10))
			assert.Equal(t, ntstatus.STATUS_CONNECTION_RESET, st)
			_, st = c.Send(k, []byte("x"))
			assert.Equal(t, ntstatus.STATUS_CONNECTION_RESET, st)
			r.ok(c.Close(k))
		})
		c, st := l.Accept(k)
		r.ok(st)
		r.ok(c.Abort(k))
		r.ok(l.Close(k))
	})
	r.run()
	assert.Empty(t, r.s.streams)
}

func TestClose_OfTheListenerResetsWhatWaits(t *testing.T) {
	for run := uint64(1); run <= 40; run++ {
		r := newRig(t, run)
		r.program("server", nil, func(k *ke.K) {
			l := r.listen(k, nil, "127.0.0.1:8080")
			r.program("client", app, func(k *ke.K) {
				c := r.socket(k, app)
				if c.Connect(k, server) == good {
					_, st := c.Recv(k, make([]byte, 10))
					assert.Equal(t, ntstatus.STATUS_CONNECTION_RESET, st)
				}
				r.ok(c.Close(k))
			})
			r.program("acceptor", nil, func(k *ke.K) {
				c, st := l.Accept(k)
				if st == good {
					c.Abort(k)
				}
			})
			r.ok(l.Close(k))
		})
		r.run()
		assert.Empty(t, r.s.eps, "run %d", run)
		assert.Empty(t, r.s.streams, "run %d", run)
	}
}

func TestRun_SameSeedSameTrace(t *testing.T) {
	for run := uint64(1); run <= 10; run++ {
		var hash [2]uint64
		for i := range hash {
			r := newRig(t, run)
			r.redirectStory(&fake{})
			hash[i] = r.m.Log().Hash()
		}
		assert.Equal(t, hash[0], hash[1])
	}
}

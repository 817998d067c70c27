package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/wsk/ws2def"
)

var port53 = netip.MustParseAddrPort("127.0.0.1:53")

func TestDatagrams_ProgramsExchangeThem(t *testing.T) {
	Explore(t, ExploreOptions{Runs: 30}, func(m *Machine) {
		m.Process("dns.exe").Go("main", func(u *User) {
			s, err := u.Datagrams(ws2def.AF_INET)
			require.NoError(m, err)
			require.NoError(m, s.Bind(port53))
			b := make([]byte, 100)
			n, from, err := s.RecvFrom(b)
			require.NoError(m, err)
			_, err = s.SendTo(append([]byte("re: "), b[:n]...), from)
			require.NoError(m, err)
			require.NoError(m, s.Close())
		})
		var got string
		m.Process("app.exe").Go("main", func(u *User) {
			u.Sleep(time.Millisecond) // the server is bound by then
			s, err := u.Datagrams(ws2def.AF_INET)
			require.NoError(m, err)
			require.NoError(m, s.Connect(port53))
			_, err = s.Send([]byte("who"))
			require.NoError(m, err)
			b := make([]byte, 100)
			n, err := s.Recv(b)
			require.NoError(m, err)
			got = string(b[:n])
			assert.Equal(m, port53, s.PeerAddr())
			require.NoError(m, s.Close())
		})
		m.Run()
		assert.Equal(m, "re: who", got)
	})
}

func TestDatagrams_WhatAProgramIsTold(t *testing.T) {
	m := New(t)
	m.Host(server.Addr(), Shut())
	m.Process("app.exe").Go("main", func(u *User) {
		s, _ := u.Datagrams(ws2def.AF_INET)
		errno := func(err error) uint32 {
			var e *SocketError
			require.ErrorAs(t, err, &e)
			return e.Errno
		}
		_, _, err := s.RecvFrom(make([]byte, 1))
		assert.Equal(t, ws2def.WSAEINVAL, errno(err))
		_, err = s.Send([]byte("x"))
		assert.Equal(t, ws2def.WSAENOTCONN, errno(err))
		_, err = s.SendTo(make([]byte, 70000), server)
		assert.Equal(t, ws2def.WSAEMSGSIZE, errno(err))
		_, err = s.SendTo([]byte("x"), server)
		require.NoError(t, err)
		_, _, err = s.RecvFrom(make([]byte, 1))
		assert.Equal(t, ws2def.WSAECONNRESET, errno(err))
		self := netip.AddrPortFrom(port53.Addr(), s.LocalAddr().Port())
		_, err = s.Ioctl(0x9800000C, []byte{0, 0, 0, 0}, nil) // SIO_UDP_CONNRESET
		require.NoError(t, err)
		_, err = s.SendTo([]byte("x"), server)
		require.NoError(t, err)
		u.Sleep(time.Second)
		require.NoError(t, s.SetOption(ws2def.IPPROTO_IP, ws2def.IP_PKTINFO, 1))
		ttl := ws2def.AppendCMSG(nil, ws2def.IPPROTO_IP, ws2def.IP_TTL, []byte{3, 0, 0, 0})
		_, err = s.SendMsg([]byte("long"), self, ttl)
		require.NoError(t, err)
		got, err := s.RecvMsg(2, 100)
		assert.Equal(t, ws2def.WSAEMSGSIZE, errno(err))
		assert.Equal(t, "lo", string(got.Data))
		assert.Equal(t, ws2def.MSG_TRUNC, got.Flags)
		objects, _ := ws2def.CMSGs(got.Control)
		require.Len(t, objects, 1)
		assert.Equal(t, []byte{127, 0, 0, 1, 1, 0, 0, 0}, objects[0].Data)
		assert.Equal(t, ws2def.WSAEOPNOTSUPP, errno(s.Listen(0)))
		require.NoError(t, s.Shutdown(ws2def.SD_SEND))
		_, err = s.SendTo([]byte("x"), self)
		assert.Equal(t, ws2def.WSAESHUTDOWN, errno(err))
	})
	m.Run()
}

func TestLookup_KnowsWhatIsDeclared(t *testing.T) {
	m := New(t)
	m.Name("site.example", server.Addr())
	m.Process("app.exe").Go("main", func(u *User) {
		got, err := u.Lookup("Site.Example")
		require.NoError(t, err)
		assert.Equal(t, []netip.Addr{server.Addr()}, got)
		_, err = u.Lookup("nobody.example")
		assert.ErrorContains(t, err, "WSAHOST_NOT_FOUND (11001)")
	})
	m.Run()
}

func TestPoll_WaitsForAnyOfSeveral(t *testing.T) {
	Explore(t, ExploreOptions{Runs: 30}, func(m *Machine) {
		m.Host(server.Addr(), Echo())
		m.Process("app.exe").Go("main", func(u *User) {
			tcp, err := u.Dial(server)
			require.NoError(m, err)
			udp, _ := u.Datagrams(ws2def.AF_INET)
			fds := []PollFD{{Socket: tcp, Events: PollIn}, {Socket: udp, Events: PollIn}}
			n, err := u.Poll(fds, time.Second)
			require.NoError(m, err)
			assert.Zero(m, n)
			_, _ = udp.SendTo([]byte("x"), server)
			n, _ = u.Poll(fds, -1)
			assert.Equal(m, 1, n)
			assert.Equal(m, PollIn, fds[1].Returns)
			_, _, err = udp.RecvFrom(make([]byte, 1))
			require.NoError(m, err)
			_, _ = tcp.Send([]byte("y"))
			n, _ = u.Poll(fds, -1)
			assert.Equal(m, 1, n)
			assert.Equal(m, PollIn, fds[0].Returns)
			fds[0].Events = PollOut
			n, _ = u.Poll(fds, 0)
			assert.Equal(m, 1, n)
			require.NoError(m, udp.Close())
			n, _ = u.Poll(fds[1:], -1)
			assert.Equal(m, 1, n)
			assert.Equal(m, PollNval, fds[1].Returns)
			require.NoError(m, tcp.Close())
		})
		m.Run()
	})
}

func TestPoll_SeesConnectionsAndTheirEnd(t *testing.T) {
	m := New(t)
	m.Process("server.exe").Go("main", func(u *User) {
		l, err := u.Listen(local)
		require.NoError(t, err)
		n, err := u.Poll([]PollFD{{Socket: l, Events: PollIn}}, -1)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		s, err := l.Accept()
		require.NoError(t, err)
		fds := []PollFD{{Socket: s, Events: PollIn}}
		_, _ = u.Poll(fds, -1)
		assert.Equal(t, PollIn|PollHup, fds[0].Returns)
		require.NoError(t, s.Close())
		require.NoError(t, l.Close())
	})
	m.Process("app.exe").Go("main", func(u *User) {
		u.Sleep(time.Millisecond)
		s, err := u.Dial(local)
		require.NoError(t, err)
		u.Sleep(time.Millisecond)
		require.NoError(t, s.Close())
	})
	m.Run()
}

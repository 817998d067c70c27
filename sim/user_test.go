package sim

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"calloutsim/ntstatus"
	"calloutsim/wsk/ws2def"
)

var (
	server = netip.MustParseAddrPort("93.184.216.34:443")
	local  = netip.MustParseAddrPort("127.0.0.1:8866")
)

func TestDial_AnAddressNobodyDeclaredAccepts(t *testing.T) {
	m := New(t)
	c := m.Process("browser.exe").Dial(server)
	assert.Equal(t, ntstatus.STATUS_PENDING, c.Status())
	m.Run()
	assert.Equal(t, ntstatus.STATUS_SUCCESS, c.Status())
	require.NoError(t, c.Err())
	assert.Equal(t, server, c.Socket().PeerAddr())
}

func TestDial_SeesWhatWinsockWouldSay(t *testing.T) {
	for name, c := range map[string]struct {
		host  Handler
		errno uint32
		text  string
	}{
		"shut": {Shut(), ws2def.WSAECONNREFUSED,
			"connect: WSAECONNREFUSED (10061), STATUS_CONNECTION_REFUSED"},
		"silent": {Silent(), ws2def.WSAETIMEDOUT, "connect: WSAETIMEDOUT (10060), STATUS_IO_TIMEOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(t)
			m.Host(server.Addr(), c.host)
			conn := m.Process("browser.exe").Dial(server)
			m.Run()
			var e *SocketError
			require.ErrorAs(t, conn.Err(), &e)
			assert.Equal(t, c.errno, e.Errno)
			assert.Equal(t, e.Status, conn.Status())
			assert.Equal(t, c.text, e.Error())
		})
	}
}

func TestServe_EchoesUntilThePeerHasFinished(t *testing.T) {
	Explore(t, ExploreOptions{Runs: 30}, func(m *Machine) {
		srv := m.Process("proxy.exe").Serve(local)
		var got []byte
		m.Process("app.exe").Go("main", func(u *User) {
			u.Sleep(time.Millisecond) // the server is listening by then
			s, err := u.Dial(local)
			require.NoError(m, err)
			_, err = s.Send([]byte("hello"))
			require.NoError(m, err)
			b := make([]byte, 5)
			_, err = s.RecvAll(b)
			require.NoError(m, err)
			got = b
			require.NoError(m, s.Close())
		})
		m.Run()
		require.Equal(m, "hello", string(got))
		require.Equal(m, 1, srv.Accepted())
		require.NoError(m, srv.Err())
	})
}

func TestServe_AddressInUse(t *testing.T) {
	m := New(t)
	p := m.Process("proxy.exe")
	one := p.Serve(local)
	m.Run()
	two := p.Serve(local)
	m.Run()
	assert.Equal(t, ntstatus.STATUS_SUCCESS, one.Status())
	assert.ErrorContains(t, two.Err(), "WSAEADDRINUSE")
}

func TestUser_OutsideOfTheRunIsAMistake(t *testing.T) {
	m := New(t)
	c := m.Process("browser.exe").Dial(server)
	m.Run()
	want := "closesocket called outside of the run: a User is valid only in its own function"
	assert.PanicsWithError(t, want,
		func() { _ = c.Socket().Close() })
}

func TestTimeline_OfAConversation(t *testing.T) {
	m := New(t)
	m.Process("browser.exe").Dial(server)
	m.Run()
	var b strings.Builder
	require.NoError(t, m.WriteTimeline(&b, 120, false))
	assert.Contains(t, b.String(), "browser.exe connect")
	assert.Contains(t, b.String(), "SYN")
}

package fwps_test

import (
	"net/netip"

	"github.com/stretchr/testify/require"

	"calloutsim/internal/ke"
	"calloutsim/internal/tcpip"
	"calloutsim/irql"
	"calloutsim/wsk/ws2def"
)

// server is where programs of these tests listen.
var server = netip.MustParseAddrPort("127.0.0.1:8080")

// program runs fn as a thread of a process of that image.
func (l *lab) program(image string, fn func(k *irql.K, p *ke.Process)) {
	p := l.m.NewProcess(image, false)
	l.m.NewThread(image, p, func(k *irql.K) { fn(k, p) })
}

func (l *lab) socket(k *irql.K, p *ke.Process) *tcpip.Socket {
	s, st := tcpip.NewSocket(k, p, ws2def.AF_INET, ws2def.SOCK_STREAM)
	require.Equal(l.t, ok, st)
	return s
}

// listener is a socket that listens at server.
func (l *lab) listener(k *irql.K, p *ke.Process) *tcpip.Socket {
	s := l.socket(k, p)
	require.Equal(l.t, ok, s.Bind(k, server))
	require.Equal(l.t, ok, s.Listen(k, 0))
	return s
}
